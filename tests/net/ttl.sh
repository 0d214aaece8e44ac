#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A director is a hop: it takes one from the TTL, and where that leaves nothing the virtual address
# says so.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
mute
service -t 80 -s rr
service -u 53 -s rr
syn="tcp $CLIENT_ADDR:4000 > $VIP_ADDR:80 S"
query="udp $CLIENT_ADDR:4000 > $VIP_ADDR:53"

expect "r3: $syn ttl 1" wire "tcp $CLIENT:4000 > $VIP:80 S ttl 2"
expect "r3: $query ttl 1 len 9" wire "udp $CLIENT:4000 > $VIP:53 ttl 2 len 9"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR time-exceeded ttl 64 about $syn ttl 1" \
	wire "tcp $CLIENT:4000 > $VIP:80 S ttl 1"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR time-exceeded ttl 64 about $query ttl 1 len 9" \
	wire "udp $CLIENT:4000 > $VIP:53 ttl 1 len 9"
expect "r3: $syn ttl 254" wire "tcp $CLIENT:4000 > $VIP:80 S ttl 255"
