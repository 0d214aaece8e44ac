#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# There is no route to the real server, there never was or it has gone: the client hears at once
# that the host is unreachable, from the virtual address, with a connection as without one.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

unreachable() {
	echo "client: icmp $VIP_ADDR > $CLIENT_ADDR host-unreachable ttl 64 about tcp $CLIENT_ADDR:$1 > $VIP_ADDR:80 $2 ttl 64"
}

cluster
mute
far=172.31.9.9 net=172.31.9.0/24 len=24
[ "$family" = 4 ] || far="[2001:db8:99::9]" net=2001:db8:99::/64 len=64
port=4000
for method in -g -i -m; do
	port=$((port + 1))
	ipvsadm -A -t "$VIP:80" -s rr
	ipvsadm -a -t "$VIP:80" -r "$far:80" $method
	expect "$(unreachable $port S)" wire "tcp $CLIENT:$port > $VIP:80 S"
	expect "$(unreachable $port S)" wire "tcp $CLIENT:$port > $VIP:80 S"
	ipvsadm -C
done

for kind in unreachable blackhole prohibit; do
	port=$((port + 1))
	on director ip "-$family" route add $kind "$net"
	ipvsadm -A -t "$VIP:80" -s rr
	ipvsadm -a -t "$VIP:80" -r "$far:80" -g
	expect "$(unreachable $port S)" wire "tcp $CLIENT:$port > $VIP:80 S"
	ipvsadm -C
	on director ip "-$family" route del $kind "$net"
done

# A route that goes, under a live connection too, and comes back.
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R3:80" -g
expect "r3: tcp $CLIENT_ADDR:4100 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:4100 > $VIP:80 S"
on director ip addr del "$DIRECTOR_ADDR/$len" dev eth0
sleep 1.1
expect "$(unreachable 4101 S)" wire "tcp $CLIENT:4101 > $VIP:80 S"
expect "$(unreachable 4100 A)" wire "tcp $CLIENT:4100 > $VIP:80 A"
lab_address director eth0 "$DIRECTOR_ADDR/$len"
on director ping -q -c1 -W0.5 "${R_ADDR[3]}" >/dev/null || true	# muted, but its neighbour now
sleep 0.1
expect "r3: tcp $CLIENT_ADDR:4100 > $VIP_ADDR:80 A ttl 63" wire "tcp $CLIENT:4100 > $VIP:80 A"
