#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Frames of a VLAN on an attached device pass, untouched, to the VLAN's own device: its services are
# not those of the device below.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours				# the kernel's IPVS is on every device at once

cluster
for host in client director; do
	ip -n "$LAB-$host" link add link eth0 name eth0.100 type vlan id 100
	ip -n "$LAB-$host" link set eth0.100 up
done
lab_address client eth0.100 198.51.100.1/24 2001:db8:64::1/64
lab_address director eth0.100 198.51.100.110/24 2001:db8:64::110/64
tagged=198.51.100.110
[ "$family" = 4 ] || tagged="[2001:db8:64::110]"

service -t 80 -s rr
ipvsadm -A -t "$tagged:80" -s rr
ipvsadm -a -t "$tagged:80" -r "$R1:80" -g
lab_nginx director "the director"
expect "the director" on client curl -s --max-time 2 "http://$tagged/"
expect "r1 10, r2 10, r3 10, failed 0" requests 30
