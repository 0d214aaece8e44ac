#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service by mark in front of somebody else's servers, and none of its own is there: with
# cache_bypass packets go on to whom they are addressed to, and their connections stay with that.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

six=() none="0.0.0.0"
[ "$family" = 4 ] || six=(-6) none="[::]"
cluster
marks_forward
mute
mark_7 "meta l4proto { tcp, udp } th dport 80"
if [ "${DIRECTOR:-}" = kernel ]; then		# IPVS takes only what its host would
	on director ip "-$family" rule add fwmark 7 lookup 99
	on director ip "-$family" route add local default dev lo table 99
fi
ipvsadm -A -f 7 "${six[@]}" -s rr
setting cache_bypass=1
expect "r3: tcp ${CLIENT_ADDR}:7100 > ${R_ADDR[3]}:80 S ttl 63" wire "tcp $CLIENT:7100 > $R3:80 S"
expect "r3: udp ${CLIENT_ADDR}:7100 > ${R_ADDR[3]}:80 ttl 63 len 4" wire "udp $CLIENT:7100 > $R3:80 len 4"
expect "TCP SYN_RECV $CLIENT:7100 $R3:80 $none:0
UDP UDP $CLIENT:7100 $R3:80 $none:0" connections

# A server comes: the connection keeps its way, others get the server.
ipvsadm -a -f 7 "${six[@]}" -r "$R1:0" -g
expect "r3: tcp ${CLIENT_ADDR}:7100 > ${R_ADDR[3]}:80 A ttl 63" wire "tcp $CLIENT:7100 > $R3:80 A"
expect "TCP ESTABLISHED $CLIENT:7100 $R3:80 $none:0" grep ^TCP <(connections)
expect "r3: tcp ${CLIENT_ADDR}:7100 > ${R_ADDR[3]}:80 FA ttl 63" wire "tcp $CLIENT:7100 > $R3:80 FA"
expect "TCP CLOSE_WAIT $CLIENT:7100 $R3:80 $none:0" grep ^TCP <(connections)
expect "r1: tcp ${CLIENT_ADDR}:7101 > ${R_ADDR[3]}:80 S ttl 63" wire "tcp $CLIENT:7101 > $R3:80 S"

# What is for the director itself has nowhere to go on to (over IPv6 the kernel's IPVS drops it).
ipvsadm -d -f 7 "${six[@]}" -r "$R1:0"
if [ "$family" = 6 ]; then
	expect "" wire "tcp $CLIENT:7102 > $VIP:80 S"
	expect "TCP SYN_RECV $CLIENT:7102 $VIP:80 $none:0" grep -F ":7102 " <(connections)
else
	expect "client: icmp $VIP_ADDR > $CLIENT_ADDR port-unreachable ttl 64 about tcp $CLIENT_ADDR:7102 > $VIP_ADDR:80 S ttl 64" \
		wire "tcp $CLIENT:7102 > $VIP:80 S"
fi
setting cache_bypass=0
expect "" grep "^r3" <(wire "tcp $CLIENT:7103 > $R3:80 S")
