#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is for no service is the director's own: its ping, its ssh, and what its stack says of ports
# where nobody listens.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
service -u 53 -s rr
own="$DIRECTOR_ADDR"

# A service that the director itself gives, on the virtual address too.
serve_names 22 director
for address in "$VIP_ADDR" "$own"; do
	talker tcp 22 "$address"
	expect "director 5, failed 0" talk open 5
	expect "director 5, failed 0" talk put 300000
	talker udp 22
	expect "director 5, failed 0" talk open 5
	on client ping -q -c3 -i0.01 -W1 "$address" >/dev/null
	on client ping -q -c3 -i0.01 -W1 -s 1400 "$address" >/dev/null
done

expect "client: tcp $VIP_ADDR:81 > $CLIENT_ADDR:4000 RA ttl 64" wire "tcp $CLIENT:4000 > $VIP:81 S"
refusal="port-unreachable ttl 64 about udp $CLIENT_ADDR:4000 > $VIP_ADDR:54 ttl 64 len 4"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR $refusal" wire "udp $CLIENT:4000 > $VIP:54 len 4"
# The other protocol's service of that port is none.
expect "client: tcp $VIP_ADDR:53 > $CLIENT_ADDR:4000 RA ttl 64" wire "tcp $CLIENT:4000 > $VIP:53 S"
expect "" connections
