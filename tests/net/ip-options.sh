#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A packet with IPv4 options is balanced like any other, and keeps them.
# doors: xdp tc
. "$(dirname "$0")/lib/test.sh"

cluster
mute
service -t 80 -s rr
service -u 53 -s rr
for options in 01010101 "$(printf '01%.0s' {1..40})"; do
	expect "r3: tcp $CLIENT:4000 > $VIP:80 S ttl 63 options $options
r3: tcp $CLIENT:4000 > $VIP:80 PA ttl 63 len 5 options $options" \
		wire "tcp $CLIENT:4000 > $VIP:80 S options $options" \
		"tcp $CLIENT:4000 > $VIP:80 PA options $options len 5"
	expect "r3: udp $CLIENT:4000 > $VIP:53 ttl 63 len 5 options $options" \
		wire "udp $CLIENT:4000 > $VIP:53 options $options len 5"
done
# A source route is refused, as the stack refuses it; what makes no sense is answered "parameter problem".
for options in 830704c0a80a0200 890704c0a80a0200 01830704c0a80a02; do
	expect "" wire "tcp $CLIENT:4001 > $VIP:80 S options $options"
done
expect "client: icmp $VIP > $CLIENT type-12-0 ttl 64 about tcp $CLIENT:4001 > $VIP:80 S ttl 64 options 07280400" \
	wire "tcp $CLIENT:4001 > $VIP:80 S options 07280400"
