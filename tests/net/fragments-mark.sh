#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datagrams larger than the MTU, for a service by firewall mark: the rules that set the mark go by
# ports, which only the first fragment has. Each reaches one real server, whole; what is for
# nobody's service is the host's, fragments and all.
# doors: xdp tc
# families: 4 6
# options: -f -o
. "$(dirname "$0")/lib/test.sh"

add() {
	local server
	ipvsadm -A -f 7 "${six[@]}" -s rr "$@"
	for server in "$R1" "$R2" "$R3"; do
		ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -g
	done
}

six=()
[ "$family" = 4 ] || six=(-6)
cluster
marks_forward
serve_names 7 r1 r2 r3
serve_names 9 director
mark_7 "udp dport { 7, 8 }"
add
talker udp 7
# The first packet of each is in fragments, so it is they that open the connection.
expect "r1 2, r2 2, r3 2, failed 0" talk open 6 4000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers
expect "r1 2, r2 2, r3 2, failed 0" talk put 60000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers

# Not marked: the host's, by its own address or by the virtual one.
talker udp 9
expect "director 3, failed 0" talk open 3 4000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers

# Without a connection each datagram is decided upon anew, and leaves as other fragments.
ipvsadm -C
add -o
talker udp 7
expect "r1 1, r2 1, r3 1, failed 0" talk open 3 4000
expect "r1 1, r2 1, r3 1, failed 0" talk open 3 30000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers		# of before

# No server: one answer to all of it, and nothing stays for the host's reassembly.
ipvsadm -C
ipvsadm -A -f 7 "${six[@]}" -s rr
talker udp 7
expect "failed 3" talk open 3 4000
[ "$family" = 6 ] || expect "0" awk '$1 == "FRAG:" { print $3 }' <(on director cat /proc/net/sockstat)
