#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A masq real server that is the director itself: its answers leave as the virtual address's. The
# program that sees to that is there only as long as such a server is.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

# answering: the devices that carry it.
answering() {
	local pin name
	for pin in "/run/culvert/$(tail -n1 "$LAB_DIR/instances")/links/"*-out; do
		name=$(on director ip -j link | jq -r ".[] | select(.ifindex == $(basename "${pin%%-*}")) | .ifname")
		[ "$name" = culvert0 ] || echo "$name"
	done | sort
}

own=$DIRECTOR_ADDR
[ "$family" = 4 ] || own="[$own]"
cluster
start director serve director 22 "$DIRECTOR_ADDR" >"$LAB_DIR/serve"
disown
within 20 "ready" cat "$LAB_DIR/serve"
for proto in t u; do
	ipvsadm -A -$proto "$VIP:7" -s rr
	ipvsadm -a -$proto "$VIP:7" -r "$own:22" -m
done
expect "$(printf '%s\n' eth0 lo)" answering
for proto in tcp udp; do
	talker $proto 7
	expect "director 6, failed 0" talk open 6
	expect "director 6, failed 0" talk ask
done
expect "6" awk '/^TCP/ { n++ } END { print n + 0 }' <(connections)
ipvsadm -d -t "$VIP:7" -r "$own:22"
expect "$(printf '%s\n' eth0 lo)" answering
ipvsadm -d -u "$VIP:7" -r "$own:22"
expect "" answering
