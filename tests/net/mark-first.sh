#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A packet that a service by mark and one by address both want: the mark's has it, with a server or
# without. What the rules do not mark, and what has a connection, stays with the address.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

six=()
[ "$family" = 4 ] || six=(-6)
cluster
marks_forward
mute
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R2:80" -g
expect "r2: tcp $CLIENT_ADDR:7000 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:7000 > $VIP:80 S"
on director nft -f - <<-END
	table inet marks {
		chain incoming {
			type filter hook prerouting priority mangle;
			tcp sport 7000-7999 tcp dport 80 meta mark set 7
			tcp sport 7500 meta mark set 9
		}
	}
END
ipvsadm -A -f 7 "${six[@]}" -s rr
ipvsadm -a -f 7 "${six[@]}" -r "$R1:0" -g
expect "r1: tcp $CLIENT_ADDR:7001 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:7001 > $VIP:80 S"
expect "r2: tcp $CLIENT_ADDR:7000 > $VIP_ADDR:80 A ttl 63" wire "tcp $CLIENT:7000 > $VIP:80 A"
expect "r2: tcp $CLIENT_ADDR:8000 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:8000 > $VIP:80 S"
expect "r2: tcp $CLIENT_ADDR:7500 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:7500 > $VIP:80 S"	# a mark for no service
expect "r2: tcp $CLIENT_ADDR:8000 > $VIP_ADDR:80 A ttl 63" wire "tcp $CLIENT:8000 > $VIP:80 A"
expect "client: tcp $VIP_ADDR:80 > $CLIENT_ADDR:8001 R ttl 64" wire "tcp $CLIENT:8001 > $VIP:80 A"
expect "client: tcp $VIP_ADDR:81 > $CLIENT_ADDR:8001 RA ttl 64" wire "tcp $CLIENT:8001 > $VIP:81 S"

# A service that comes later; one that is the director itself is counted once.
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R3:53" -g
expect "r3: udp $CLIENT_ADDR:8000 > $VIP_ADDR:53 ttl 63 len 4" wire "udp $CLIENT:8000 > $VIP:53 len 4"
ipvsadm -A -t "$VIP:81" -s rr
ipvsadm -a -t "$VIP:81" -r "$([ "$family" = 4 ] && echo "$DIRECTOR_ADDR" || echo "[$DIRECTOR_ADDR]"):81" -g
expect "client: tcp $VIP_ADDR:81 > $CLIENT_ADDR:8002 RA ttl 64" wire "tcp $CLIENT:8002 > $VIP:81 S"
expect "client: tcp $VIP_ADDR:81 > $CLIENT_ADDR:8002 R ttl 64" wire "tcp $CLIENT:8002 > $VIP:81 A"
counted() { ipvsadm -Ln --stats --exact | awk '$1 == "TCP" && $2 ~ ":81$" { print $3, $4, $5 }'; }
[ "${DIRECTOR:-}" = kernel ] || within 10 "1 2 0" counted	# there answers count: docs/differences.md, "direct"

ipvsadm -d -f 7 "${six[@]}" -r "$R1:0"
expect "client: icmp $VIP_ADDR > $CLIENT_ADDR port-unreachable ttl 64 about tcp $CLIENT_ADDR:7002 > $VIP_ADDR:80 S ttl 64" \
	wire "tcp $CLIENT:7002 > $VIP:80 S"
ipvsadm -D -f 7 "${six[@]}"
expect "r2: tcp $CLIENT_ADDR:7003 > $VIP_ADDR:80 S ttl 63" wire "tcp $CLIENT:7003 > $VIP:80 S"
[ "${DIRECTOR:-}" = kernel ] ||
	expect 0 awk '/ipproto/ { n++ } END { print n + 0 }' <(on director ip "-$family" rule)
