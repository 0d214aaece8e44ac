#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Services by firewall mark: one service for several ports and protocols, marked by the user's own
# rules; persistence across them; what has no mark, or no service, is the stack's. The host
# does not become a router, and nothing of it is left afterwards.
# doors: xdp tc
# families: 4 6
# options: -f -6 -D
. "$(dirname "$0")/lib/test.sh"
ours

# traces: what stands outside the maps because of culvert0.
traces() {
	on director ip -j rule | jq -c '[.[] | [.priority, .table]]'
	on director ip -6 -j rule | jq -c '[.[] | [.priority, .table]]'
	on director ip -4 route show table all proto 67
	on director ip -6 route show table all proto 67
	on director ip -j link | jq -c '[.[].ifname]'
	on director cat /proc/sys/net/ipv4/conf/eth0/forwarding
}

add() {
	local server
	ipvsadm -A -f 7 "${six[@]}" -s rr "$@"
	for server in "$R1" "$R2"; do
		ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -g
	done
}

six=()
[ "$family" = 4 ] || six=(-6)
cluster
marks_forward
serve_names 7 r1 r2 r3
before=$(traces)
mark_7 "meta l4proto { tcp, udp } th dport { 7, 80 }"
add
talker tcp 7
expect "r1 4, r2 4, failed 0" talk open 8
expect "r1 4, r2 4, failed 0" talk ask
talker udp 7
expect "r1 4, r2 4, failed 0" talk open 8
expect "r1 10, r2 10, failed 0" requests 20
expect "1" awk '/^FWM/ { n++ } END { print n + 0 }' <(ipvsadm -Ln)

# Not marked, or marked for nobody: the director's own, as before.
on client ping -q -c1 -W2 "$VIP_ADDR" >/dev/null
expect "client: tcp $VIP_ADDR:22 > $CLIENT_ADDR:900 RA ttl 64" wire "tcp $CLIENT:900 > $VIP:22 S"
# A segment without a connection comes back up from culvert0, and once.
expect "client: tcp $VIP_ADDR:7 > $CLIENT_ADDR:901 R ttl 64" wire "tcp $CLIENT:901 > $VIP:7 A"

# The device forwards, but to culvert0 alone.
forwards_for_all || expect "" wire "tcp $CLIENT:902 > $R3:9 S"

# One client, one server, whatever the port.
ipvsadm -C
add -p 60
chosen=$(requests 6 | cut -d' ' -f1)
expect "$chosen 6, failed 0" requests 6
talker tcp 7
expect "$chosen 4, failed 0" talk open 4

# No server at all.
ipvsadm -C
ipvsadm -A -f 7 "${six[@]}" -s rr
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR port-unreachable ttl 64 about tcp $CLIENT_ADDR:903 > $VIP_ADDR:7 S ttl 64" \
	wire "tcp $CLIENT:903 > $VIP:7 S"

ipvsadm -D -f 7 "${six[@]}"
expect "$before" traces
add
on director ip link delete culvert0		# what somebody took away is put back
ipvsadm -A -f 8 "${six[@]}" -s rr
expect "r1 3, r2 3, failed 0" requests 6
culvert detach eth0
expect "0" on director cat /proc/sys/net/ipv4/conf/eth0/forwarding
culvert attach eth0 --mode "$door"
expect "r1 3, r2 3, failed 0" requests 6
culvert detach --all
expect "$before" traces

# Killed at any instant, the next command makes it right.
culvert attach eth0 --mode "$door" --max-conns 1000
for delay in 0.002 0.004 0.006 0.008 0.010 0.015 0.020 0.030; do
	start director "$BUILD/culvert" ipvsadm -A -f 7 "${six[@]}" -s rr
	sleep $delay
	kill -KILL $! 2>/dev/null || true
	wait $! 2>/dev/null || true
	ipvsadm -C
	expect "$before" traces
	ipvsadm -A -f 7 "${six[@]}" -s rr
	up=$(traces)
	start director "$BUILD/culvert" ipvsadm -C
	sleep $delay
	kill -KILL $! 2>/dev/null || true
	wait $! 2>/dev/null || true
	ipvsadm -A -f 7 "${six[@]}" -s rr 2>/dev/null || true
	expect "$up" traces
	ipvsadm -C
done
expect "$before" traces
