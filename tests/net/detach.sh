#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# detach leaves the device as it was, and the services and connections where they are: attached
# again, by either door, the connections go on. detach --all leaves nothing.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

programs_on_eth0() {
	on director bpftool -j net list | jq -c '[.[0].xdp[], .[0].tc[] | .devname]'
}

lab_up
expect "[]" programs_on_eth0
culvert attach eth0 --mode xdp --max-conns 65536
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6

for mode in tc xdp auto; do
	culvert detach eth0
	expect "[]" programs_on_eth0
	# Nothing but the director's stack, which knows no such connection and no such port.
	expect "client: tcp $VIP_ADDR:7 > $CLIENT_ADDR:900 RA ttl 64" wire "tcp $CLIENT:900 > $VIP:7 S"
	expect "6" awk 'END { print NR }' <(connections)
	culvert attach eth0 --mode $mode
	expect "r1 2, r2 2, r3 2, failed 0" talk ask
done

instance="/run/culvert/$(tail -n1 "$LAB_DIR/instances")"
[ -d "$instance" ]
culvert detach --all
[ ! -e "$instance" ]
expect "[]" programs_on_eth0
