#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipvsadm --stats counts every packet and byte that was sent to a server, and nothing else; -Z begins
# again from nothing.
# doors: xdp tc
# families: 4 6
# options: --stats -Z
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
watch client
for server in r1 r2 r3; do
	watch $server
done
row() {		# NAME CONNS HOST: what stats must say, by what HOST has seen
	local packets bytes
	read -r packets bytes <<<"$(seen "$3")"
	echo "$1 $2 $packets 0 $bytes 0"
}
all() {
	row service "$1" client
	for server in r1 r2 r3; do
		row $server $(($1 / 3)) $server
	done
}

expect "r1 200, r2 200, r3 200, failed 0" requests 600
within 30 "$(all 600)" stats	# the kernel's are as old as its last estimate
expect "r1 100, r2 100, r3 100, failed 0" requests 300
within 30 "$(all 900)" stats

# What was for no service, or refused, is nobody's.
wire "tcp $CLIENT:4000 > $VIP:80 A" "icmp $CLIENT_ADDR > $VIP_ADDR echo" \
	"tcp $CLIENT:4000 > $VIP:81 S" >/dev/null
within 30 "$(all 900)" stats

ipvsadm -Z
expect $'service 0 0 0 0 0\nr1 0 0 0 0 0\nr2 0 0 0 0 0\nr3 0 0 0 0 0' stats
mute
headers=$([ "$family" = 4 ] && echo 20 || echo 40)
wire "udp $CLIENT:4000 > $VIP:80 len 4" "tcp $CLIENT:4000 > $VIP:80 S" \
	"tcp $CLIENT:4000 > $VIP:80 PA len 700" "tcp $CLIENT:4001 > $VIP:80 S" >/dev/null
within 30 "service 2 3 0 $((3 * (headers + 20) + 700)) 0
r1 0 0 0 0 0
r2 1 1 0 $((headers + 20)) 0
r3 1 2 0 $((2 * (headers + 20) + 700)) 0" stats
