#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack=1: ICMP errors reach the right end about the right packet, and are counted; packets that
# conntrack takes for invalid; nat_icmp_send; one-packet services.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours		# the kernel's IPVS sends errors with a wrong checksum

cluster
lab_masq
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on director sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
all_tracked
setting conntrack=1
for port in 53 54; do
	ipvsadm -A -u "$VIP:$port" -s rr
	ipvsadm -a -u "$VIP:$port" -r "$R1:7" -m
done
mute

# answer PACKET: what becomes of it.
answer() {
	wire --from r1 "$1" | grep -v redirect
}

expect "r1: udp $CLIENT_ADDR:900 > ${R_ADDR[1]}:7 ttl 63" wire "udp $CLIENT:900 > $VIP:53"
expect "client: udp $VIP_ADDR:53 > $CLIENT_ADDR:900 ttl 63" answer "udp $R1:7 > $CLIENT:900"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR port-unreachable ttl 63 about udp $CLIENT_ADDR:900 > $VIP_ADDR:53 ttl 64" \
	answer "icmp ${R_ADDR[1]} > $CLIENT_ADDR port-unreachable about udp $CLIENT:900 > $R1:7"
expect "r1: icmp $CLIENT_ADDR > ${R_ADDR[1]} port-unreachable ttl 63 about udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:900 ttl 64" \
	wire "icmp $CLIENT_ADDR > $VIP_ADDR port-unreachable about udp $VIP:53 > $CLIENT:900"
expect "service 1 2 2" awk '/service/ && $2 { print $1, $2, $3, $4 }' <(stats)

# What conntrack makes nothing of: an answer that acknowledges what was never sent still leaves as the
# virtual address's; a client's segment before its SYN is answered is not reset by the host.
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R1:8080" -m
expect "r1: tcp $CLIENT_ADDR:901 > ${R_ADDR[1]}:8080 S ttl 63" wire "tcp $CLIENT:901 > $VIP:80 S"
expect "client: tcp $VIP_ADDR:80 > $CLIENT_ADDR:901 SA ttl 63" answer "tcp $R1:8080 > $CLIENT:901 SA"
expect "" wire "tcp $CLIENT:901 > $VIP:80 PA"
expect "TCP ESTABLISHED $CLIENT:901 $VIP:80 $R1:8080" grep ":901 " <(connections)

# A server without a connection is told, one with a connection is not.
setting nat_icmp_send=1
expect "client: udp $VIP_ADDR:53 > $CLIENT_ADDR:900 ttl 63" answer "udp $R1:7 > $CLIENT:900"
expect "r1: icmp $DIRECTOR_ADDR > ${R_ADDR[1]} port-unreachable ttl 64 about udp ${R_ADDR[1]}:7 > $CLIENT_ADDR:901 ttl 63" \
	answer "udp $R1:7 > $CLIENT:901"

# One packet, and no connection.
ipvsadm -E -u "$VIP:54" -s rr -o
expect "r1: udp $CLIENT_ADDR:902 > ${R_ADDR[1]}:7 ttl 63" wire "udp $CLIENT:902 > $VIP:54"
