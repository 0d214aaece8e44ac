#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --pe sip: a call that a masq real server begins leaves as the virtual address's, and what the
# client answers goes to that server; with one-packet scheduling so do a server's answers.
# doors: xdp tc
# families: 4 6
# options: --pe -m
. "$(dirname "$0")/lib/test.sh"

cluster
lab_masq
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on director sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
mute
ipvsadm -A -u "$VIP:5060" -s rr -p 60 --pe sip
for server in "$R1" "$R2"; do
	ipvsadm -a -u "$VIP:5060" -r "$server:5070" -m
done

# begins HOST PACKET: what comes of it.
begins() {
	wire --from "$1" "$2" | { grep -v redirect || true; }
}

from_vip="client: udp $VIP_ADDR:5060 > $CLIENT_ADDR"
expect "$from_vip:5061 ttl 63 len 55" begins r1 "udp $R1:5070 > $CLIENT:5061 call one@r1"
expect "UDP UDP $CLIENT:5061 $VIP:5060 $R1:5070" grep ^UDP <(connections | grep -v :0)
expect "sip one@r1" echo "$(ipvsadm -Lcn --persistent-conn | awk '$7 == "sip" { print $7, $8 }')"
# The client's answers find it, by the connection or by the call.
expect "r1: udp $CLIENT_ADDR:5061 > ${R_ADDR[1]}:5070 ttl 63" wire "udp $CLIENT:5061 > $VIP:5060"
for port in 6001 6002; do
	expect "r1: udp $CLIENT_ADDR:$port > ${R_ADDR[1]}:5070 ttl 63 len 55" \
		wire "udp $CLIENT:$port > $VIP:5060 call one@r1"
done
expect "$from_vip:5061 ttl 63" begins r1 "udp $R1:5070 > $CLIENT:5061"
counted="3 3 2 194 111"
[ "$family" = 4 ] || counted="3 3 2 254 151"
within 10 "service $counted
r1 $counted" eval "stats | grep -v '^r2'"

# Another server goes on with the call: its own from now on.
expect "$from_vip:5062 ttl 63 len 55" begins r2 "udp $R2:5070 > $CLIENT:5062 call one@r1"
expect "r2: udp $CLIENT_ADDR:6003 > ${R_ADDR[2]}:5070 ttl 63 len 55" wire "udp $CLIENT:6003 > $VIP:5060 call one@r1"

# What is no message, not from a server's port, or for the director itself begins nothing.
expect "client: udp ${R_ADDR[1]}:5070 > $CLIENT_ADDR:5063 ttl 63 len 9" begins r1 "udp $R1:5070 > $CLIENT:5063 len 9"
expect "client: udp ${R_ADDR[1]}:5071 > $CLIENT_ADDR:5064 ttl 63 len 55" begins r1 "udp $R1:5071 > $CLIENT:5064 call two@r1"
begins r1 "udp $R1:5070 > $DIRECTOR_ADDR:5065 call two@r1" >/dev/null || true
expect "0" grep -c "two@r1" <(ipvsadm -Lcn --persistent-conn) || true
# A server that has left begins nothing any more.
ipvsadm -d -u "$VIP:5060" -r "$R1:5070"
expect "client: udp ${R_ADDR[1]}:5070 > $CLIENT_ADDR:5066 ttl 63 len 55" begins r1 "udp $R1:5070 > $CLIENT:5066 call six@r1"

# Of a server of two services, the call is of that to which it was added last.
ipvsadm -A -u "$VIP:5062" -s rr -p 60 --pe sip
ipvsadm -a -u "$VIP:5062" -r "$R2:5070" -m
expect "client: udp $VIP_ADDR:5062 > $CLIENT_ADDR:5068 ttl 63 len 57" begins r2 "udp $R2:5070 > $CLIENT:5068 call eight@r2"
ipvsadm -D -u "$VIP:5062"
expect "$from_vip:5069 ttl 63 len 56" begins r2 "udp $R2:5070 > $CLIENT:5069 call nine@r2"

# One-packet scheduling: answers are of no connection, and leave as the virtual address's.
ipvsadm -E -u "$VIP:5060" -s rr -p 60 -o --pe sip
expect "$from_vip:5067 ttl 63 len 57" begins r2 "udp $R2:5070 > $CLIENT:5067 call seven@r2"
expect "" grep 5067 <(ipvsadm -Lcn)
