#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# drop_packet, drop_entry and secure_tcp: always (3), or while less than amemthresh pages of memory
# are free (1, which then reads 2).
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

# opened FROM N: which of N new connections, from that port on, got a server.
opened() {
	local i
	for ((i = 0; i < $2; i++)); do
		wire "tcp $CLIENT:$(($1 + i)) > $VIP:80 S" | sed "s/.*/$((i + 1))/"
	done | paste -sd ' '
}

modes() {
	setting secure_tcp drop_entry drop_packet | sed 's/.* //' | paste -sd ' '
}

state_of() {
	connections | awk -v client="$CLIENT:$1" '$3 == client { print $2 }'
}

cluster
mute
service -t 80 -s rr
setting am_droprate=4 drop_packet=3
expect "2 3 4 6 7 8" opened 4000 9
expect r1 cut -d: -f1 <(wire "tcp $CLIENT:4007 > $VIP:80 A")	# an old connection's packets are not counted
setting am_droprate=0
expect "1 2" opened 4020 2
setting drop_packet=0

# By themselves: not while there is memory.
setting secure_tcp=2 drop_entry=1 drop_packet=2
expect "1 1 1" modes
expect "1 2 3" opened 4030 3
wire "tcp $CLIENT:4030 > $VIP:80 A" >/dev/null
expect ESTABLISHED state_of 4030
setting amemthresh=2147483647
within 30 "2 2 2" modes
expect "" opened 4040 3			# what is free is next to nothing of that
setting drop_packet=0 drop_entry=0
wire "tcp $CLIENT:4050 > $VIP:80 S" >/dev/null
expect SYNACK state_of 4050
setting amemthresh=1024
within 30 "1 0 0" modes
wire "tcp $CLIENT:4051 > $VIP:80 S" >/dev/null
expect SYN_RECV state_of 4051
setting secure_tcp=3
wire "tcp $CLIENT:4052 > $VIP:80 S" >/dev/null
expect SYNACK state_of 4052
setting secure_tcp=0
expect "0 0 0" modes
