#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datagrams larger than the way to their server: whole ones without DF are cut by the director,
# fragments that are too large are cut anew, with masq and without, for servers whose neighbour
# is known and for those whose is not. IPv6 is told instead. GSO packets too: who sends them is told,
# and an upload goes on with smaller segments.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
serve_names 7 r1 r2 r3
for n in 1 2 3; do
	ip -n "$LAB-switch" link set r$n-eth0 mtu 1300
	on r$n nft -f - <<-END
		table inet pieces {
			counter pieces { }
			chain pieces {
				type filter hook prerouting priority -450;
				ip daddr { 207.175.44.110, 192.168.10.$n } ip frag-off & 0x3fff != 0 counter name pieces
			}
		}
	END
done
ip -n "$LAB-director" link set eth1 mtu 1300
on client sysctl -qw net.ipv4.ip_no_pmtu_disc=1		# datagrams without DF

# pieces: fragments that each server has got since it was asked last.
pieces() {
	local n
	for n in 1 2 3; do
		on r$n nft -j reset counter inet pieces pieces | jq -r '.nftables[1].counter.packets'
	done | xargs
}

# sizes: a datagram of 1440 bytes to each server is cut in two; of 4000, which left the client in
# pieces of 1500, in four.
sizes() {
	talker udp 7
	expect "r1 1, r2 1, r3 1, failed 0" talk open 3
	[ "$family" = 4 ] || talk put 1440 >/dev/null	# is told, once
	[ "$family" = 4 ] || talk put 1440 >/dev/null
	pieces >/dev/null
	expect "r1 1, r2 1, r3 1, failed 0" talk put 1440
	[ "$family" = 6 ] || expect "2 2 2" pieces
	expect "r1 1, r2 1, r3 1, failed 0" talk put 4000
	[ "$family" = 6 ] || expect "4 4 4" pieces
}

service -u 7 -s rr
service -t 7 -s rr
sizes
# Not yet known where the servers are: none of it is lost. (What is told by then is not asked again.)
[ "$family" = 6 ] || for size in 1440 4000; do
	ip -n "$LAB-director" neigh flush dev eth1
	sleep 1.1		# until what the data path remembers of them is out of date
	expect "r1 1, r2 1, r3 1, failed 0" talk put $size
done

# An upload, as a local stack makes it.
on client sysctl -qw net.ipv4.ip_no_pmtu_disc=0
if [ "$door" = tc ]; then
	on client ethtool -K eth0 tx on tso on gso on >/dev/null
	on switch ethtool -K director-eth0 tx on tso on gso on >/dev/null
fi
ip -n "$LAB-client" route flush cache
talker tcp 7
expect "r1 1, r2 1, r3 1, failed 0" talk open 3
expect "ok" talk wait 20
expect "r1 1, r2 1, r3 1, failed 0" talk put 2000000
# The same without DF: cut, segment by segment.
on client sysctl -qw net.ipv4.ip_no_pmtu_disc=1
ip -n "$LAB-client" route flush cache
pieces >/dev/null
talker tcp 7
expect "r1 1, r2 1, r3 1, failed 0" talk open 3
expect "ok" talk wait 20
expect "r1 1, r2 1, r3 1, failed 0" talk put 200000
[ "$family" = 6 ] || between 100 9999 "$(pieces | cut -d' ' -f1)" "fragments of segments"
on client ethtool -K eth0 tx off >/dev/null

lab_masq
culvert attach eth1 --mode "$door"
ipvsadm -C
ipvsadm -A -u "$VIP:7" -s rr
for n in 1 2 3; do
	start r$n serve "r$n" 8 "${R_ADDR[n]}" >"$LAB_DIR/serve-$n"
	disown
	within 20 "ready" cat "$LAB_DIR/serve-$n"
	[ "$family" = 4 ] && server=${R_ADDR[n]} || server="[${R_ADDR[n]}]"
	ipvsadm -a -u "$VIP:7" -r "$server:8" -m
done
sizes
