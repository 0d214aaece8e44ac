#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `culvert status --stats` counts every packet that left, whether by a connection's tag, its entry or the
# way that knows all; and goes on counting when services and servers go.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
mute
for server in r1 r2 r3; do
	watch $server
done
left() {
	culvert status --stats --json | jq '.packets | .sent + .resolving'
}
arrived() {
	local server packets sum=0
	for server in r1 r2 r3; do
		read -r packets _ <<<"$(seen $server)"
		sum=$((sum + packets))
	done
	echo $sum
}
connection() {		# PORT PACKETS
	echo "tcp $CLIENT:$1 > $VIP:80 S"
	for _ in $(seq 2 "$2"); do
		echo "tcp $CLIENT:$1 > $VIP:80 A"
	done
}

before=$(left)
mapfile -t packets < <(for port in {4000..4005}; do connection "$port" 30; done)
wire "${packets[@]}" >/dev/null
expect 180 arrived
expect $((before + 180)) left

ipvsadm -C
expect $((before + 180)) left
service -t 80 -s rr
wire "${packets[@]}" >/dev/null
expect 360 arrived
expect $((before + 360)) left
