#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The director may be a real server of its own: its share goes up to its stack, as does all of a
# connection that it got.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 director r1 r2 r3
local=127.0.0.1
[ "$family" = 4 ] || local="[::1]"
own="$DIRECTOR_ADDR"
[ "$family" = 4 ] || own="[$own]"

for address in "$own" "$local" "$VIP"; do
	service -t 7 -s rr
	service -u 7 -s rr
	ipvsadm -a -t "$VIP:7" -r "$address:7" -g
	ipvsadm -a -u "$VIP:7" -r "$address:7" -g
	for proto in tcp udp; do
		talker $proto 7
		expect "director 5, r1 5, r2 5, r3 5, failed 0" talk open 20
		expect "director 5, r1 5, r2 5, r3 5, failed 0" talk ask
	done
	ipvsadm -C
done

# Datagrams in fragments, whose connections end with them.
for address in "$own" "$local"; do
	ipvsadm -A -u "$VIP:7" -s rr -o
	ipvsadm -a -u "$VIP:7" -r "$address:7" -g
	talker udp 7
	expect "director 3, failed 0" talk open 3 4000
	ipvsadm -C
done

# By masquerading the loopback device's address is for the director's own clients, whole or in fragments.
refused_by_route() {
	culvert status -s | awk '$1 == "drop-no-route" { print $2 }'
}

before=$(refused_by_route)
ipvsadm -A -u "$VIP:7" -s rr -o
ipvsadm -a -u "$VIP:7" -r "$local:7" -m
talker udp 7
expect "failed 1" talk open 1
expect "failed 1" talk open 1 4000
expect "$((before + 2))" refused_by_route
