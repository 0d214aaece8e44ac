#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real server's MAC address changes: within two seconds its requests follow it.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
expect "r1 100, r2 100, r3 100, failed 0" requests 300

# A server that gets another network card tells its neighbours, as any host that is set up so.
on r1 sysctl -qw net.ipv4.conf.eth0.arp_notify=1 net.ipv6.conf.eth0.ndisc_notify=1
ip -n "$LAB-r1" link set eth0 address 02:00:00:00:99:01
sleep 2
expect "r1 100, r2 100, r3 100, failed 0" requests 300 --wait 0.9
