#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# doors: xdp tc
# families: 4 6
# A real server that is taken out and added again at once is sent to by the route of now, not by the
# one that was looked up before.
. "$(dirname "$0")/lib/test.sh"

# r1's packets by way of r2, which answers for itself: it has the virtual address too.
by_way_of_r2() {
	on director ip route replace "${R_ADDR[1]}" via "${R_ADDR[2]}"
}

readd() {
	ipvsadm -C
	ipvsadm -A -t "$VIP:80" -s rr
	ipvsadm -a -t "$VIP:80" -r "$R1:80" -g
}

cluster
readd
expect "r1 4, failed 0" requests 4
by_way_of_r2
readd
expect "r2 4, failed 0" requests 4
# The same by an edit.
on director ip route del "${R_ADDR[1]}"
ipvsadm -e -t "$VIP:80" -r "$R1:80" -g
expect "r1 4, failed 0" requests 4
