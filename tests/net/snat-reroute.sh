#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which way answers of masq servers take back to the client where rules lead by the source or by
# the device: as the director's own packets from the virtual address, or (snat_reroute 0) as
# forwarded ones from the real server.
# doors: xdp tc
# families: 4 6
# options: -m
. "$(dirname "$0")/lib/test.sh"

inet=-$family
net=207.175.44.0/24 back=192.168.10.253
[ "$family" = 4 ] || net=2001:db8:44::/64 back=2001:db8:10::253
cluster 2
lab_masq
culvert attach eth1 --mode "$door"
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# What is forwarded back by the device that it came in by lets the kernel tell the server of a shorter way.
on r1 sysctl -qw net.ipv4.conf.{all,eth0}.accept_redirects=0 net.ipv6.conf.{all,eth0}.accept_redirects=0
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R1:80" -m
ipvsadm -A -u "$VIP:7" -s rr
ipvsadm -a -u "$VIP:7" -r "$R1:7" -m
start r1 serve r1 7 "${R_ADDR[1]}" >"$LAB_DIR/serve"
disown
within 20 "ready" cat "$LAB_DIR/serve"
talker udp 7
talk wait 10 >"$LAB_DIR/wait"
expect "r1 4, failed 0" talk open 4
# The other way: the client has a device in the servers' network, too.
on director ip "$inet" route add "$net" via "$back" dev eth1 table 100
on client nft -f - <<-END
	table inet ways {
		counter front { }
		counter back { }
		chain incoming {
			type filter hook prerouting priority -400;
			meta l4proto { tcp, udp } iif eth0 counter name front
			meta l4proto { tcp, udp } iif eth1 counter name back
		}
	}
END

# way: by which of its devices the client is answered: front, back, or both.
way() {
	on client nft reset counters table inet ways >/dev/null
	expect "r1 4, failed 0" requests 4
	expect "r1 4, failed 0" talk ask
	on client nft -j list counters table inet ways |
		jq -r '[.nftables[].counter | select(.packets > 0) | .name] | sort | join(" ")'
}

expect front way
on director ip "$inet" rule add from "$VIP_ADDR" lookup 100
sleep 1.1		# as long as a next hop is believed
expect back way
setting snat_reroute=0
expect front way
on director ip "$inet" rule add from "${R_ADDR[1]}" lookup 100
sleep 1.1
expect back way
on director ip "$inet" rule del from "$VIP_ADDR" lookup 100
on director ip "$inet" rule del from "${R_ADDR[1]}" lookup 100
on director ip "$inet" rule add iif eth1 lookup 100
sleep 1.1
expect back way
setting snat_reroute=1
expect front way

# What is forwarded needs a device that forwards.
setting snat_reroute=0
expect back way
on director sysctl -qw net.ipv4.conf.eth1.forwarding=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth1.forwarding=0
sleep 1.1
expect "failed 4" requests 4 --wait 1
setting snat_reroute=1
if [ "${DIRECTOR:-}" = kernel ]; then		# whose answers are all forwarded ones before they are IPVS's
	expect "failed 4" requests 4 --wait 1
else
	expect "r1 4, failed 0" requests 4
fi
