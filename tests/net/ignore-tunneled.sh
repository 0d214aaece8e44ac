#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ignore_tunneled: what the director takes out of a tunnel is balanced or its own, as the setting
# says; what comes without a tunnel is balanced all the same, and so is what has another host's tunnel
# about it. By whatever tunnels the kernel has, and IPv6's segment routing, which is in any.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours		# docs/settings.md: many kernels' IPVS no longer does

# tunnel TYPE [HEADER]: t0 from the client to the director and back, which client's requests take.
tunnel() {
	local host here there
	for host in client director; do
		here=${DIRECTOR_ADDR/254/253} there=$DIRECTOR_ADDR
		[ $host = client ] || here=$DIRECTOR_ADDR there=${DIRECTOR_ADDR/254/253}
		ip -n "$LAB-$host" link del t0 2>/dev/null || true
		# shellcheck disable=SC2086 # options
		ip -n "$LAB-$host" link add t0 type $1 ${2:-} local "$here" remote "$there" 2>/dev/null || return
		ip -n "$LAB-$host" link set t0 up
	done
	if [[ $1 = *tap ]]; then
		ip -n "$LAB-client" neigh replace "$VIP_ADDR" dev t0 \
			lladdr "$(ip -n "$LAB-director" -j link show t0 | jq -r '.[].address')"
	fi
	ip -n "$LAB-client" route replace "$VIP_ADDR" dev t0
	had=$((had + 1))
}

# Segment routing: the director takes what is for fd44:: out of IPv6 and routes it on.
segments() {
	local action=(End.DX4 nh4 0.0.0.0)
	[ "$family" = 4 ] || action=(End.DX6 nh6 ::)
	on director sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.eth0.seg6_enabled=1
	ip -n "$LAB-director" -6 route replace fd44::1 encap seg6local action "${action[@]}" dev eth0 2>/dev/null || return 0
	ip -n "$LAB-client" -6 route replace fd44::1 via 2001:db8:10::254
	ip -n "$LAB-client" route replace "$VIP_ADDR" encap seg6 mode encap segs fd44::1 dev eth0
	had=$((had + 1))
}

check() {
	setting ignore_tunneled=0
	expect "r1 2, r2 2, r3 2, failed 0" requests 6
	setting ignore_tunneled=1
	expect "failed 6" requests 6
	setting ignore_tunneled=0
	expect "r1 2, r2 2, r3 2, failed 0" requests 6
	setting ignore_tunneled=1
}

direct() {
	ip -n "$LAB-client" route del "$VIP_ADDR"
	expect "r1 2, r2 2, r3 2, failed 0" requests 6
}

cluster
marks_forward
six=() had=0
[ "$family" = 4 ] || six=(-6)
ip -n "$LAB-director" -6 rule add pref 0 to fd44::1 lookup main		# the mark is for what is inside
on director sysctl -qw net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1
on director nft -f - <<-END
	table inet marks {
		chain incoming {
			type filter hook prerouting priority mangle;
			tcp dport 80 meta mark set 7
			ip6 daddr fd44::1 meta mark set 7
		}
	}
END
ipvsadm -A -f 7 "${six[@]}" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -g
done
kinds=(ipip gre) tap=gretap
[ "$family" = 4 ] || kinds=(ip6tnl ip6gre) tap=ip6gretap
for kind in "${kinds[@]}"; do
	more=''
	[ "$kind" != ip6tnl ] || more='mode any'
	! tunnel "$kind" "$more" || { say "$kind"; check; direct; }
done
segments
check
direct

# A tunnel with Ethernet frames in it, and a service by address.
ipvsadm -C
service -t 80 -s rr
if tunnel "$tap"; then
	culvert attach t0 --mode tc
	check
	direct
fi
say "$had kinds of tunnels"
[ $had -gt 0 ] || skip "this kernel has no tunnels"
