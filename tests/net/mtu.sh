#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A request larger than the way to its server: the virtual address asks for smaller ones.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
mute
service -u 53 -s rr
for dev in r1-eth0 r2-eth0 r3-eth0; do
	ip -n "$LAB-switch" link set $dev mtu 1300
done
ip -n "$LAB-director" link set eth1 mtu 1300
header=$([ "$family" = 4 ] && echo 28 || echo 48)
fits=$((1300 - header))
query="udp $CLIENT_ADDR:4000 > $VIP_ADDR:53"
expect "r3: $query ttl 63 len $fits" wire "udp $CLIENT:4000 > $VIP:53 len $fits"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR too-big mtu 1300 ttl 64 about $query ttl 63 len $((fits + 1))" \
	wire "udp $CLIENT:4000 > $VIP:53 len $((fits + 1))"
