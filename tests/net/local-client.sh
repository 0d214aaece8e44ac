#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The director's own connections to a virtual address are balanced like anybody's, to real servers
# behind it and to itself; other ports of the address stay its own.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

# own N: that many requests of the director's, from its address in the servers' network.
own() {
	local i
	for ((i = 0; i < $1; i++)); do
		on director curl -sm2 --interface "$DIRECTOR_ADDR" "http://$VIP/" || echo failed
	done | sort | uniq -c | awk '{ print $2, $1 }'
}

cluster
serve_names 22 director
before=$(on director ip rule; on director ip -br link)
ipvsadm -A -t "$VIP:80" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -t "$VIP:80" -r "$server:80" -m
done
expect "$(printf '%s 4\n' r1 r2 r3)" own 12
expect "$VIP_ADDR dev culvert0" awk '{ print $1, $2, $3 }' <(on director ip "-$family" route show table 25463)

# What is not for a service is the director's, and so is its answer.
on director talk tcp "$VIP_ADDR" 22 <<<"open 3" >"$LAB_DIR/own"
expect "director 3, failed 0" cat "$LAB_DIR/own"

# No server: the director hears of it at once.
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -d -t "$VIP:80" -r "$server:80"
done
expect "failed 4" own 4

# The director itself among the servers, with its port translated.
ipvsadm -a -t "$VIP:80" -r "$R1:80" -m
ipvsadm -A -t "$VIP:7" -s rr
ipvsadm -a -t "$VIP:7" -r "$( [ "$family" = 4 ] && echo "$DIRECTOR_ADDR" || echo "[$DIRECTOR_ADDR]" ):22" -m
on director talk tcp "$VIP_ADDR" 7 <<<"open 3" >"$LAB_DIR/own"
expect "director 3, failed 0" cat "$LAB_DIR/own"

# A real server on the loopback device is for the director's own clients alone.
loop=127.0.0.1
[ "$family" = 4 ] || loop="[::1]"
ipvsadm -A -t "$VIP:8" -s rr
ipvsadm -a -t "$VIP:8" -r "$loop:22" -m
on director talk tcp "$VIP_ADDR" 8 <<<"open 3" >"$LAB_DIR/own"
expect "director 3, failed 0" cat "$LAB_DIR/own"
on client timeout 5 talk tcp "$VIP_ADDR" 8 <<<"open 1" >"$LAB_DIR/others" || true
expect "" grep director "$LAB_DIR/others"
ipvsadm -C
expect "$before" eval 'on director ip rule; on director ip -br link'
