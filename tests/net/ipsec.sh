#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# AH (IPv4) and ESP go by their ISAKMP connection, masqueraded by culvert and, with conntrack=1, by the host's conntrack,
# which has an entry of each; either way they count as that connection's. Without it they are the stack's.
# doors: xdp tc
# families: 4 6
# options: -u
. "$(dirname "$0")/lib/test.sh"
ours

cluster 2
lab_masq
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
culvert attach eth1 --mode "$door"
for n in 1 2 3; do
	start r$n ipsec serve r$n "${R_ADDR[n]}" >"$LAB_DIR/ipsec-r$n"
	disown
done
for n in 1 2 3; do
	within 20 ready cat "$LAB_DIR/ipsec-r$n"
done
all_tracked

protocols="udp 50 51" packets=3
[ "$family" = 4 ] || protocols="udp 50" packets=2

# answered CONNTRACK: all by the same server, and counted there, both ways.
answered() {
	local got by
	say "conntrack=$1"
	setting conntrack="$1"
	ipvsadm -A -u "$VIP:500" -s rr
	for server in "$R1" "$R2" "$R3"; do
		ipvsadm -a -u "$VIP:500" -r "$server:500" -m
	done
	got=$(on client ipsec talk "$CLIENT_ADDR" "$VIP_ADDR")
	by=$(awk '{ print $2; exit }' <<<"$got")
	expect "${protocols// / $by$'\n'} $by" echo "$got"
	# shellcheck disable=SC2086 # fields
	expect "$by 1 $packets $packets" awk -v by="$by" '$1 == by { print $1, $2, $3, $4 }' <(stats)
	by_conntrack=$(on director conntrack -L -f "ipv$family" 2>/dev/null |
		grep -c "src=$CLIENT_ADDR dst=$VIP_ADDR .*src=${R_ADDR[${by#r}]} dst=$CLIENT_ADDR" || true)
	ipvsadm -C
}

answered 0
expect 0 echo "$by_conntrack"
# The connection of before is as good as any; its client comes from the same port.
culvert detach --all
on director conntrack -F 2>/dev/null || true
for dev in eth0 eth1; do
	culvert attach $dev --mode "$door" --max-conns 65536
done
answered 1
expect "$packets" echo "$by_conntrack"
