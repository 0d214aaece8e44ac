#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack=1 beside all else: services by mark, real servers that are the director, fragments;
# connections outlive the setting; what it keeps in nftables comes, is put back where somebody took
# it away, and goes.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

tables() {
	on director nft -j list tables | jq -r '.nftables[] | select(.table) | .table | "\(.family) \(.name)"'
}

# tracked ARGUMENT...: the host's entries, one a line: where the server stands and who it answers.
tracked() {
	on director conntrack -L -f "ipv$family" "$@" 2>/dev/null | sed -n 's/.* src=\([^ ]*\) dst=\([^ ]*\) sport=\([0-9]*\) dport=[0-9]* .*/\1:\3 \2/p' |
		sort | uniq -c | awk '{ print $1, $2, $3 }'
}

forward() {
	on director sysctl -qw net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$1"
}

six=()
[ "$family" = 4 ] || six=(-6)
cluster 2
lab_masq
own=$DIRECTOR_ADDR
[ "$family" = 4 ] || own="[$own]"
for n in 1 2 3; do
	start r$n serve r$n 7 "192.168.10.$n" "2001:db8:10::$n" >"$LAB_DIR/serve-r$n"
	disown
done
start director serve director 22 "$DIRECTOR_ADDR" >"$LAB_DIR/serve-director"
disown
for host in r1 r2 r3 director; do
	within 20 ready cat "$LAB_DIR/serve-$host"
done
culvert attach eth1 --mode "$door"

# Without forwarding there is no masquerading so; with DR there is.
forward 0
ipvsadm -A -t "$VIP:9" -s rr
ipvsadm -a -t "$VIP:9" -r "$R1:7" -m
before=$(culvert sysctl)
refused "to 1 first" culvert sysctl nat_icmp_send=1 sync_threshold="5 60" sync_ports conntrack=1
expect "$before" culvert sysctl	# what was set before it was refused is as it was
expect "" tables
ipvsadm -C
setting conntrack=1
expect "inet culvert" tables
ipvsadm -A -t "$VIP:9" -s rr
refused "the host forwards what is masqueraded" ipvsadm -a -t "$VIP:9" -r "$R1:7" -m
expect "-A -t $VIP:9 -s rr" ipvsadm -Sn
forward 1

# What nft(8) lists it reads again. Somebody else's flush is made good by the next edit.
ipvsadm -a -t "$VIP:9" -r "$R1:7" -m
on director nft list ruleset >"$LAB_DIR/rules"
on director nft -c -f "$LAB_DIR/rules"
talker tcp 9
expect "r1 2, failed 0" talk open 2
on director nft flush ruleset
expect "" tables
ipvsadm -a -t "$VIP:9" -r "$R2:7" -m
expect "inet culvert" tables
expect "r1 1, r2 1, failed 0" talk open 2
expect "r1 3, r2 1, failed 0" talk ask

# The setting goes: connections go on without it, in XDP again where that is the door; and it comes back.
setting conntrack=0
expect "" tables
expect "r1 3, r2 1, failed 0" talk ask
expect "r1 1, r2 1, failed 0" talk open 2
setting conntrack=1
expect "r1 4, r2 2, failed 0" talk ask
talk close >/dev/null
on director conntrack -F 2>/dev/null

# A slot that gets another server: the old one's elements are no longer there.
ipvsadm -C
ipvsadm -A -t "$VIP:9" -s rr
for server in "$R2" "$R3"; do
	ipvsadm -a -t "$VIP:9" -r "$server:7" -m
done
talker tcp 9
expect "r2 2, r3 2, failed 0" talk open 4

# By mark, two ports of two protocols; a page too; what is chosen behind netfilter is masqueraded as well.
on director nft -f - <<-END
	table inet user {
		chain marks {
			type filter hook prerouting priority mangle;
			meta l4proto { tcp, udp } th dport { 7, 80 } meta mark set 7
		}
		chain leaving {
			type nat hook postrouting priority srcnat;
			meta mark 7 oifname "eth1" masquerade
		}
	}
END
ipvsadm -C
on director conntrack -F 2>/dev/null
ipvsadm -A -f 7 "${six[@]}" -s rr
ipvsadm -A -u "$VIP:53" -s rr
for server in "$R1" "$R2"; do
	ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -m
	ipvsadm -a -u "$VIP:53" -r "$server:7" -m
done
for proto in tcp udp; do
	talker $proto 7
	expect "r1 2, r2 2, failed 0" talk open 4
	expect "r1 2, r2 2, failed 0" talk ask
	expect "2 ${R_ADDR[1]}:7 $DIRECTOR_ADDR
2 ${R_ADDR[2]}:7 $DIRECTOR_ADDR
4 $VIP_ADDR:7 $CLIENT_ADDR" tracked -p $proto		# the last: of the packets that were led to culvert0
done
expect "r1 3, r2 3, failed 0" requests 6
talker udp 53
expect "r1 2, r2 2, failed 0" talk open 4
expect "2 ${R_ADDR[1]}:7 $CLIENT_ADDR
2 ${R_ADDR[2]}:7 $CLIENT_ADDR" grep "$CLIENT_ADDR" <(tracked -p udp --orig-port-dst 53 | grep -v "$VIP_ADDR")
on director nft delete table inet user

# A real server that is the director; datagrams larger than the link, both ways.
ipvsadm -C
for proto in t u; do
	ipvsadm -A -$proto "$VIP:9" -s rr
	ipvsadm -a -$proto "$VIP:9" -r "$own:22" -m
	ipvsadm -a -$proto "$VIP:9" -r "$R1:7" -m
done
for proto in tcp udp; do
	talker $proto 9
	expect "director 2, r1 2, failed 0" talk open 4
	expect "director 2, r1 2, failed 0" talk put 4000
	expect "director 2, r1 2, failed 0" talk ask
done

# Nothing is left.
culvert detach --all
expect "" tables
