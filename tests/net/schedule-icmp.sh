#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An ICMP error about a packet of a service's that no connection is known of: with schedule_icmp it
# gets one, for three seconds, and goes to its real server; else it is nobody's.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

about="about tcp $VIP:80 > $CLIENT:5000 A len 8"
error="icmp $CLIENT_ADDR > $VIP_ADDR host-unreachable"
about_udp="about udp $VIP:53 > $CLIENT:5000 len 8"

cluster
mute
service -t 80 -s rr
service -u 53 -s rr
expect "" wire "$error $about"
expect "" connections

setting schedule_icmp=1
relayed="r3: $error ttl 63 about tcp $VIP_ADDR:80 > $CLIENT_ADDR:5000 A ttl 64 len 8"
expect "$relayed
$relayed" wire "$error $about" "$error $about"		# the second by the first one's connection
if [ "${DIRECTOR:-}" != kernel ]; then				# an emulated machine is too slow to see it
	expect "TCP NONE $CLIENT:5000 $VIP:80 $R3:80" connections
	expect 1 grep -c "^r3 1 0 1$" <(servers)
fi
expect "r3: $error ttl 63 about udp $VIP_ADDR:53 > $CLIENT_ADDR:5000 ttl 64 len 8" wire "$error $about_udp"
within 6 "" connections
expect "" wire "$error ${about/:80 /:81 }"		# for no service
ipvsadm -C
ipvsadm -A -t "$VIP:80" -s rr
expect "" wire "$error $about"				# no server: no error answers an error
ipvsadm -a -t "$VIP:80" -r "$R1:8080" -m
expect "r1: icmp $CLIENT_ADDR > ${R_ADDR[1]} host-unreachable ttl 63 about tcp ${R_ADDR[1]}:8080 > $CLIENT_ADDR:5000 A ttl 64 len 8" \
	sed 's/ badsum//' <(wire "$error $about")	# of what is quoted the kernel leaves the checksum
[ "${DIRECTOR:-}" = kernel ] || expect "TCP NONE $CLIENT:5000 $VIP:80 $R1:8080" connections
