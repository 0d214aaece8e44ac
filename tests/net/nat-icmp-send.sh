#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nat_icmp_send: what a masq server sends from its port without a connection is answered with "port
# unreachable", and goes no further.
# doors: xdp tc
# families: 4 6
# options: -m
. "$(dirname "$0")/lib/test.sh"

cluster
lab_masq
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on director sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
mute
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R1:7" -m
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R1:8080" -m
ipvsadm -a -t "$VIP:80" -r "$R2:80" -g

# stray PACKET: what the server hears of it, from the director as the router.
stray() {
	wire --from r1 "$1" | grep -v redirect
}

unreachable() {
	echo "r1: icmp $1 > ${R_ADDR[1]} port-unreachable ttl 64 about $2"
}

udp="udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:900"
tcp="tcp ${R_ADDR[1]}:8080 > $CLIENT_ADDR:901"
rudp="udp $R1:7 > $CLIENT:900" rtcp="tcp $R1:8080 > $CLIENT:901"

# Forwarded like any other, as long as nobody asked for more.
expect "client: $udp ttl 63" stray "$rudp"
setting nat_icmp_send=1
expect "$(unreachable "$DIRECTOR_ADDR" "$udp ttl 63")" stray "$rudp"
expect "$(unreachable "$DIRECTOR_ADDR" "$tcp PA ttl 63")" stray "$rtcp PA"
expect "client: $tcp R ttl 63" stray "$rtcp R"
expect "client: udp ${R_ADDR[1]}:8080 > $CLIENT_ADDR:901 ttl 63" stray "udp $R1:8080 > $CLIENT:901"
expect "client: tcp ${R_ADDR[2]}:80 > $CLIENT_ADDR:901 A ttl 63" wire --from r2 "tcp $R2:80 > $CLIENT:901 A"
# Also what is for the director, or for a service.
expect "$(unreachable "$VIP_ADDR" "udp ${R_ADDR[1]}:7 > $VIP_ADDR:53 ttl 64")" stray "udp $R1:7 > $VIP:53"

# An answer is no stray.
expect "r1: udp $CLIENT_ADDR:900 > ${R_ADDR[1]}:7 ttl 63" wire "udp $CLIENT:900 > $VIP:53"
expect "client: udp $VIP_ADDR:53 > $CLIENT_ADDR:900 ttl 63" stray "$rudp"
expect "$(unreachable "$DIRECTOR_ADDR" "udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:902 ttl 63")" stray "udp $R1:7 > $CLIENT:902"

# A server of two services is one until it has left both; one that is reached otherwise is none.
ipvsadm -A -u "$VIP:54" -s rr
ipvsadm -a -u "$VIP:54" -r "$R1:7" -m
ipvsadm -D -u "$VIP:53"
expect "$(unreachable "$DIRECTOR_ADDR" "udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:903 ttl 63")" stray "udp $R1:7 > $CLIENT:903"
ipvsadm -D -u "$VIP:54"
expect "client: udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:904 ttl 63" stray "udp $R1:7 > $CLIENT:904"
ipvsadm -e -t "$VIP:80" -r "$R2:80" -m
expect "" wire --from r2 "tcp $R2:80 > $VIP:99 R"
expect "r2: icmp $DIRECTOR_ADDR > ${R_ADDR[2]} port-unreachable ttl 64 about tcp ${R_ADDR[2]}:80 > $CLIENT_ADDR:905 A ttl 63" \
	wire --from r2 "tcp $R2:80 > $CLIENT:905 A"

# Without forwarding it has nowhere to go, and the director is no router that could say so.
on director sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.forwarding=0
expect "" stray "$rtcp A"
setting nat_icmp_send=0
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.eth0.forwarding=1
expect "client: $tcp A ttl 63" stray "$rtcp A"
