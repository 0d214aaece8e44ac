#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packets of one connection leave by one queue of a device that has several, the first ones and
# those of the straight way, and so keep their order; those of many leave by all.
# doors: tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
ip -n "$LAB-director" link del eth1
ip -n "$LAB-switch" link add director-eth1 numtxqueues 8 numrxqueues 8 type veth \
	peer name eth1 netns "$LAB-director" address 02:00:00:00:10:fe numtxqueues 8 numrxqueues 8
ip -n "$LAB-switch" link set director-eth1 master back up
ip -n "$LAB-director" link set eth1 up
lab_address director eth1 192.168.10.254/24 2001:db8:10::254/64
on director tc qdisc add dev eth1 root handle 1: mq
for queue in 1 2 3 4 5 6 7 8; do
	on director tc qdisc replace dev eth1 parent 1:$queue pfifo
done
mute
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R1:80" -g

# queues MIN: what has left by each queue since the last time, where it is at least MIN packets
# (a neighbour's solicitation now and then is none of this).
queues() {
	on director tc -s -j qdisc show dev eth1 |
		jq '.[] | select(.parent) | .packets' >"$LAB_DIR/left.new"
	touch "$LAB_DIR/left"
	paste "$LAB_DIR/left" "$LAB_DIR/left.new" |
		awk -v min="$1" 'NF == 2 && $2 - $1 >= min { print $2 - $1 }'
	mv "$LAB_DIR/left.new" "$LAB_DIR/left"
}

lines_of() {
	"$@" | wc -l
}

queues 1 >/dev/null
for port in 4000 4001 4002; do
	wire "tcp $CLIENT:$port > $VIP:80 S x40" "tcp $CLIENT:$port > $VIP:80 A x40" >/dev/null
	expect 1 lines_of queues 20
done

mapfile -t many < <(for port in {5001..5064}; do echo "tcp $CLIENT:$port > $VIP:80 S"; done)
wire "${many[@]}" >/dev/null
between 5 8 "$(lines_of queues 3)" "queues that 64 connections leave by"
