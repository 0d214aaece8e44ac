#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A connection outlives its service and its server: without any service its packets are the
# local stack's, with others they are dropped, and when its server is back they reach it again.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
mute
ack="tcp $CLIENT:4000 > $VIP:80 A"
at_r1="r1: tcp $CLIENT_ADDR:4000 > $VIP_ADDR:80 A ttl 63"

begin() {
	ipvsadm -A -t "$VIP:80" -s rr
	ipvsadm -a -t "$VIP:80" -r "$R1:80" -g
	expect "r1: tcp $CLIENT_ADDR:4000 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:4000 > $VIP:80 S"
	expect "$at_r1" wire "$ack"
}

# The service is gone, whichever way, and then it is made again, first with another server.
for deletion in "-C" "-D -t $VIP:80"; do
	begin
	# shellcheck disable=SC2086 # options
	ipvsadm $deletion
	expect "client: tcp $VIP_ADDR:80 > $CLIENT_ADDR:4000 R ttl 64" wire "$ack"
	ipvsadm -A -t "$VIP:80" -s rr
	expect "" wire "$ack"
	ipvsadm -a -t "$VIP:80" -r "$R2:80" -g
	expect "" wire "$ack"
	ipvsadm -a -t "$VIP:80" -r "$R1:80" -g
	expect "$at_r1" wire "$ack"
	expect "TCP ESTABLISHED $CLIENT:4000 $VIP:80 $R1:80" connections
	ipvsadm -C
done

# The same for a flow of UDP.
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R1:53" -g
query="udp $CLIENT:4000 > $VIP:53 len 4"
at_r1="r1: udp $CLIENT_ADDR:4000 > $VIP_ADDR:53 ttl 63 len 4"
expect "$at_r1" wire "$query"
ipvsadm -C
refusal="port-unreachable ttl 64 about udp $CLIENT_ADDR:4000 > $VIP_ADDR:53 ttl 64 len 4"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR $refusal" wire "$query"
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R2:53" -g
expect "" wire "$query"
ipvsadm -a -u "$VIP:53" -r "$R1:53" -g
expect "$at_r1" wire "$query"
