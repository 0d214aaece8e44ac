#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Attached to a VLAN's device, culvert balances what comes by that VLAN, and sends it on tagged.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

lab_up
ip -n "$LAB-client" link add link eth0 name eth0.100 type vlan id 100 2>/dev/null ||
	skip "this kernel has no VLAN devices"
for host in client director r1 r2 r3; do
	ip -n "$LAB-$host" addr flush dev eth0
	ip -n "$LAB-$host" -6 route flush dev eth0	# those by a router stay without an address
	[ $host = client ] ||
		ip -n "$LAB-$host" link add link eth0 name eth0.100 type vlan id 100
	ip -n "$LAB-$host" link set eth0.100 up
done
lab_address client eth0.100 207.175.44.1/24 2001:db8:44::1/64 192.168.10.253/24 2001:db8:10::253/64
lab_address director eth0.100 207.175.44.110/24 2001:db8:44::110/64 192.168.10.254/24 \
	2001:db8:10::254/64
for n in 1 2 3; do
	lab_address r$n eth0.100 192.168.10.$n/24 2001:db8:10::$n/64
	ip -n "$LAB-r$n" route add 207.175.44.0/24 via 192.168.10.253
	ip -n "$LAB-r$n" route add 2001:db8:44::/64 via 2001:db8:10::253
done
culvert attach eth0.100 --max-conns 65536
service -t 80 -s rr
expect "r1 100, r2 100, r3 100, failed 0" requests 300
