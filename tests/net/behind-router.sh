#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real server in another network: what is for it goes to the router on the way there.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
ip -n "$LAB-switch" link add far up type bridge mcast_snooping 0
lab_host router
lab_plug router eth0 front 02:00:00:00:10:fd
lab_plug router eth1 far 02:00:00:00:20:fd
lab_address router eth0 192.168.10.252/24 2001:db8:10::252/64
lab_address router eth1 192.168.20.252/24 2001:db8:20::252/64
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
	net.ipv4.conf.all.send_redirects=0

lab_host r4
on r4 sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
lab_plug r4 eth0 far 02:00:00:00:20:04
lab_address r4 lo 207.175.44.110/32 2001:db8:44::110/128
lab_address r4 eth0 192.168.20.4/24 2001:db8:20::4/64
lab_nginx r4 r4
for hop in "207.175.44.110/32 via 192.168.20.4" "2001:db8:44::110/128 via 2001:db8:20::4" \
	"207.175.44.0/24 via 192.168.10.253" "2001:db8:44::/64 via 2001:db8:10::253"; do
	# shellcheck disable=SC2086 # a route
	ip -n "$LAB-router" route add $hop
done
ip -n "$LAB-r4" route add default via 192.168.20.252
ip -n "$LAB-r4" route add ::/0 via 2001:db8:20::252
ip -n "$LAB-director" route add 192.168.20.0/24 via 192.168.10.252
ip -n "$LAB-director" route add 2001:db8:20::/64 via 2001:db8:10::252

R4=192.168.20.4
[ "$family" = 4 ] || R4="[2001:db8:20::4]"
service -t 80 -s rr
ipvsadm -a -t "$VIP:80" -r "$R4:80" -g
expect "r1 50, r2 50, r3 50, r4 50, failed 0" requests 200
