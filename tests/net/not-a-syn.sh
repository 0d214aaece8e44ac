#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP of no known connection that does not begin one is left to the director's own stack, which
# resets it. SYN+ACK and SYN+FIN count as a SYN.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
mute
service -t 80 -s rr
for flags in A PA FA; do
	expect "client: tcp $VIP_ADDR:80 > $CLIENT_ADDR:4000 R ttl 64" wire "tcp $CLIENT:4000 > $VIP:80 $flags"
done
for flags in F -; do
	expect "client: tcp $VIP_ADDR:80 > $CLIENT_ADDR:4000 RA ttl 64" wire "tcp $CLIENT:4000 > $VIP:80 $flags"
done
expect "" wire "tcp $CLIENT:4000 > $VIP:80 R"
expect "" connections

expect "r3: tcp $CLIENT_ADDR:4001 > $VIP_ADDR:80 SA ttl 63" wire "tcp $CLIENT:4001 > $VIP:80 SA"
expect "r2: tcp $CLIENT_ADDR:4002 > $VIP_ADDR:80 FS ttl 63" wire "tcp $CLIENT:4002 > $VIP:80 FS"
expect "TCP SYN_RECV $CLIENT:4001 $VIP:80 $R3:80
TCP SYN_RECV $CLIENT:4002 $VIP:80 $R2:80" connections
