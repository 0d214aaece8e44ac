#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SCTP with real endpoints, by direct routing and masqueraded (which changes the CRC-32C over each
# packet): associations go to the servers in turn, what is sent on them arrives as
# it is, and their states are listed; with conntrack=1 as well.
# doors: xdp tc
# families: 4 6
# options: --sctp-service
. "$(dirname "$0")/lib/test.sh"

cluster 2
culvert attach eth1 --mode "$door"
running=()

# endpoints PORT [ADDRESS]: an SCTP server on each real server's address, or on the one that is given.
endpoints() {
	local n address
	for n in 1 2 3; do
		address=${2:-${R_ADDR[n]}}
		start r$n sctp serve r$n "$address" "$1" >"$LAB_DIR/sctp-r$n"
		running+=($!)
		disown
	done
	for n in 1 2 3; do
		within 20 ready cat "$LAB_DIR/sctp-r$n"
	done
}

# ended: all of these are, who else would abort what they do not know.
ended() {
	local pid
	for pid in "${running[@]}"; do
		kill -KILL "$pid"
	done
	for pid in "${running[@]}"; do
		within 5 "" cat "/proc/$pid/cmdline"
	done
	running=()
}

# states PORT: how many connections of a service are in which state.
states() {
	connections | awk -v port=":$1" '$4 ~ port "$" { print $1, $2 }' | sort | uniq -c | xargs
}

# associations PORT REAL-PORT METHOD: a service; six associations through it, from begin to end.
associations() {
	local port=$1 real=$2
	say "associations by $3"
	ipvsadm -A --sctp-service "$VIP:$port" -s rr
	for server in "$R1" "$R2" "$R3"; do
		ipvsadm -a --sctp-service "$VIP:$port" -r "$server:$real" "$3"
	done
	rm -f "$LAB_DIR/to" "$LAB_DIR/from"
	mkfifo "$LAB_DIR/to" "$LAB_DIR/from"
	exec {to}<>"$LAB_DIR/to" {from}<>"$LAB_DIR/from"
	start client sctp talk "$CLIENT_ADDR" "$VIP_ADDR" "$port" <&"$to" >&"$from"
	running+=($!)
	disown
	expect "r1 2, r2 2, r3 2, failed 0" talk open 6
	expect "r1 2, r2 2, r3 2, failed 0" talk put 100000
	expect "6 SCTP ESTABLISHED" states "$port"
	expect "r1 1 2 0,r2 1 2 0,r3 1 2 0" echo "$(servers | sort | paste -sd,)"
	expect 6 talk close
	within 10 "6 SCTP CLOSED" states "$port"
	expect "r1 1 0 2,r2 1 0 2,r3 1 0 2" echo "$(servers | sort | paste -sd,)"
	ipvsadm -C
}

# The endpoints want the virtual address on another device than lo, and by IPv6 send from that of the route.
for n in 1 2 3; do
	ip -n "$LAB-r$n" link add virtual up type veth peer name other
	ip -n "$LAB-r$n" link set other up
	ip -n "$LAB-r$n" addr flush dev lo scope global
	lab_address r$n virtual 207.175.44.110/32 2001:db8:44::110/128
	ip -n "$LAB-r$n" route replace 2001:db8:44::/64 via 2001:db8:10::253 src 2001:db8:44::110
done
endpoints 7 "$VIP_ADDR"
associations 7 7 -g

ended
lab_masq
endpoints 8
associations 9 8 -m

# The same by the host's conntrack, which has an entry of each.
ended
endpoints 8
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
setting conntrack=1
associations 10 8 -m
expect 6 eval "on director conntrack -L -f ipv$family -p sctp 2>/dev/null | grep -c ' dport=10 src=.* sport=8 .*ASSURED'"
