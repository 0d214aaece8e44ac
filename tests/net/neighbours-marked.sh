#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What crosses the firewall to a real server that the director has yet to find on the link is not
# lost: the first packet by a mark, and the first of the director's own.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

# forget: the real servers' link-layer addresses.
forget() {
	ip -n "$LAB-director" neigh show dev eth0 | awk '{ print "neigh del", $1, "dev eth0" }' |
		ip -n "$LAB-director" -force -batch -
}

six=()
[ "$family" = 4 ] || six=(-6)
cluster
marks_forward
serve_names 7 r1 r2 r3
mark_7 "udp dport 7"
ipvsadm -A -f 7 "${six[@]}" -s rr -o
ipvsadm -A -u "$VIP:8" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -g
	ipvsadm -a -u "$VIP:8" -r "$server:9" -m
done
talker udp 7
for _ in 1 2 3; do
	forget
	expect "r1 1, r2 1, r3 1, failed 0" talk open 3
done
lab_masq
for n in 1 2 3; do
	start r$n serve r$n 9 "${R_ADDR[n]}" >"$LAB_DIR/own-r$n"
	disown
	within 20 "ready" cat "$LAB_DIR/own-r$n"
done
for _ in 1 2 3; do
	forget
	on director talk udp "$VIP_ADDR" 8 <<<"open 3" >"$LAB_DIR/own"
	expect "r1 1, r2 1, r3 1, failed 0" cat "$LAB_DIR/own"
done
