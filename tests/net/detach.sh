#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# detach leaves the device as it was, and the services and connections where they are: attached
# again, by either door, the connections go on. detach --all leaves nothing.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

lab_up
expect "" on director hooked eth0
culvert attach eth0 --mode xdp --max-conns 65536
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6

for mode in tc xdp auto; do
	culvert detach eth0
	expect "" on director hooked eth0
	# Nothing but the director's stack, which knows no such connection and no such port.
	expect "client: tcp $VIP_ADDR:7 > $CLIENT_ADDR:900 RA ttl 64" wire "tcp $CLIENT:900 > $VIP:7 S"
	expect "6" awk 'END { print NR }' <(connections)
	culvert attach eth0 --mode $mode
	[ -n "$(on director hooked eth0)" ] || fail "nothing is at eth0's hooks"
	expect "r1 2, r2 2, r3 2, failed 0" talk ask
done

instance="/run/culvert/$(tail -n1 "$LAB_DIR/instances")"
[ -d "$instance" ]
culvert detach --all
[ ! -e "$instance" ]
expect "" on director hooked eth0
expect "" on director sh -c "ip -o link | grep culvert0 || true"
