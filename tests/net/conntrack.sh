#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack=1: the host's conntrack has the masqueraded connections, with the real server at their
# other end, and rules in POSTROUTING masquerade the client. Ports are mapped; TCP and UDP; what
# is listed and counted is what it is without. Errors find their way.
# doors: xdp tc
# families: 4 6
# options: -m
. "$(dirname "$0")/lib/test.sh"

# tracked PROTO: the host's entries of that protocol, sorted; tracked_by: how many to each server.
tracked() {
	on director conntrack -L -f "ipv$family" -p "$1" 2>/dev/null |
		sed 's/ use=.*//; s/ mark=0//; s/ secctx=[^ ]*//' | awk '{ $3 = ""; print }' | tr -s ' ' | sort
}

tracked_by() {
	tracked "$1" | grep "$2" | sed 's/.* src=\([^ ]*\) dst.*/\1/' | sort | uniq -c | awk '{ print $2, $1 }'
}

# seen_by N: who real server N thinks that its clients on port 7 are.
seen_by() {
	on "r$1" ss -Hnt state established '( sport = :7 )' | awk '{ print $4 }' | sed 's/:[0-9]*$//; s/[][]//g; s/^::ffff://' | sort -u
}

cluster 2
lab_masq
for n in 1 2 3; do
	start r$n serve r$n 7 "192.168.10.$n" "2001:db8:10::$n" >"$LAB_DIR/serve-r$n"
	disown
done
for n in 1 2 3; do
	within 20 ready cat "$LAB_DIR/serve-r$n"
done
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
culvert attach eth1 --mode "$door"
setting conntrack=1
for proto in t u; do
	ipvsadm -A -$proto "$VIP:9" -s rr
	for server in "$R1" "$R2" "$R3"; do
		ipvsadm -a -$proto "$VIP:9" -r "$server:7" -m
	done
done
all_tracked

talker tcp 9
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r1 2, r2 2, r3 2, failed 0" talk ask
expect "$(printf "%s 2\n" "${R_ADDR[@]:1}")" tracked_by tcp ' ESTABLISHED .*\[ASSURED\]'
expect 6 grep -c "^tcp 6 ESTABLISHED src=$CLIENT_ADDR dst=$VIP_ADDR sport=[0-9]* dport=9 src=.* dst=$CLIENT_ADDR sport=7 " \
	<(tracked tcp)
expect "$CLIENT_ADDR" seen_by 1
expect $'r1 1 2 0\nr2 1 2 0\nr3 1 2 0' awk 'NR <= 3' <(servers)
talker udp 9
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r1 2, r2 2, r3 2, failed 0" talk ask
expect "$(printf "%s 2\n" "${R_ADDR[@]:1}")" tracked_by udp "src=$CLIENT_ADDR dst=$VIP_ADDR"
conns() { connections | awk '{ print $1, $2 }' | sort | uniq -c | awk '{ print $1, $2, $3 }'; }
expect $'6 TCP ESTABLISHED\n6 UDP UDP' conns

# The client is masqueraded: servers know the director, the answers come back, and all is counted.
on director nft -f - <<-END
	table inet user {
		chain leaving {
			type nat hook postrouting priority srcnat;
			oifname "eth1" masquerade
		}
	}
END
ipvsadm -Z
talker tcp 9
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r1 2, r2 2, r3 2, failed 0" talk ask
expect "$(printf '%s\n' "$CLIENT_ADDR" "$DIRECTOR_ADDR" | sort)" seen_by 2
expect 6 grep -c "^tcp 6 ESTABLISHED src=$CLIENT_ADDR .* dport=9 src=.* dst=$DIRECTOR_ADDR sport=7 " <(tracked tcp)
expect "12 TCP ESTABLISHED" grep "TCP EST" <(conns)
read -r _ conns inpkts outpkts _ < <(stats | head -n 1)
expect 6 echo "$conns"
between 24 60 "$inpkts" "packets in"
between 18 60 "$outpkts" "packets out"
