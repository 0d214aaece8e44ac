#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tunnelling on real traffic: every type, with and without checksums, over IPv4 and IPv6 whatever
# is inside. Web requests reach all real servers; uploads, whose segments fill the client's MTU,
# arrive because the client is told what the tunnel leaves of it; datagrams that are fragments,
# and those that are larger than what the tunnel leaves, arrive whole.
# doors: xdp tc
# families: 4 6
# options: -A -a -r -i --tun-type --tun-port --tun-nocsum --tun-csum --tun-remcsum ipip gue gre
. "$(dirname "$0")/lib/test.sh"

cluster 2
# The switch is not to put packets together: GRO and GSO of the kernel leave the last segment of
# GRE with a checksum without a right one. Who polls without GRO has an XDP program.
start switch foreign-xdp director-eth1 >"$LAB_DIR/polls"
disown
within 20 "ready" cat "$LAB_DIR/polls"
for port in director-eth1 r1-eth0 r2-eth0 r3-eth0; do
	on switch ethtool -K $port gro off >/dev/null
done
declare -A far=()
for host in r1 r2 r3; do
	mkfifo "$LAB_DIR/far-$host"
	# shellcheck disable=SC1083,SC2093 # far[$host] is to hold the descriptor
	exec {far[$host]}<>"$LAB_DIR/far-$host"
	start "$host" untunnel <&"${far[$host]}" >"$LAB_DIR/untunnel-$host"
	disown
done
for host in r1 r2 r3; do
	within 20 "ready" head -n1 "$LAB_DIR/untunnel-$host"
done
serve_names 7 r1 r2 r3

lines_of() {
	wc -l <"$1"
}

# kinds: what has come to each server since it was asked last.
kinds() {
	local host lines
	for host in r1 r2 r3; do
		lines=$(lines_of "$LAB_DIR/untunnel-$host")
		echo >&"${far[$host]}"
		within 10 $((lines + 1)) lines_of "$LAB_DIR/untunnel-$host"
		tail -n1 "$LAB_DIR/untunnel-$host"
	done | sort -u
}

# through OUTER KIND OPTION...: servers of that family by that tunnel, which shows as KIND.
through() {
	local outer=$1 kind=$2 n server
	shift 2
	say "IPv$family in IPv$outer: $*"
	ipvsadm -C
	for service in "-t $VIP:80" "-t $VIP:7" "-u $VIP:7"; do
		# shellcheck disable=SC2086 # options
		ipvsadm -A $service -s rr
		for n in 1 2 3; do
			server=192.168.10.$n
			[ "$outer" = 4 ] || server="[2001:db8:10::$n]"
			# shellcheck disable=SC2086 # options
			ipvsadm -a $service -r "$server:${service##*:}" -i "$@"
		done
	done
	kinds >"$LAB_DIR/late"	# of connections that the type before had
	expect "r1 2, r2 2, r3 2, failed 0" requests 6
	talker tcp 7
	expect "r1 1, r2 1, r3 1, failed 0" talk open 3
	expect "ok" talk wait 20
	expect "r1 1, r2 1, r3 1, failed 0" talk put 200000
	talker udp 7
	expect "r1 1, r2 1, r3 1, failed 0" talk open 3
	expect "r1 1, r2 1, r3 1, failed 0" talk put 1440
	expect "r1 1, r2 1, r3 1, failed 0" talk put 9000
	expect "$kind:${family}in$outer" kinds
}

for outer in 4 6; do
	through $outer ipip --tun-type ipip
	through $outer gue --tun-type gue --tun-port 6080
	through $outer gue --tun-type gue --tun-port 6080 --tun-nocsum
	through $outer gue+sum --tun-type gue --tun-port 6080 --tun-csum
	through $outer gue+sum --tun-type gue --tun-port 6080 --tun-remcsum
	through $outer gre --tun-type gre
	through $outer gre+sum --tun-type gre --tun-csum
done
