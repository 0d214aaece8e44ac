#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sixteen commands edit at once, with listings meanwhile and under load: none is lost, none waits
# for ever, and no listing shows anything broken.
# options: -E
. "$(dirname "$0")/lib/test.sh"
ours

cluster
service -t 80 -s rr
load_begin

# One editor: a service with four servers, of which it changes one and removes another.
editor() {
	local port=$((1000 + $1)) n
	ipvsadm -A -t "$VIP:$port" -s wrr
	for n in 1 2 3 4; do
		ipvsadm -a -t "$VIP:$port" -r "192.168.10.$n:$port" -g -w $n
	done
	ipvsadm -e -t "$VIP:$port" -r "192.168.10.2:$port" -g -w $((100 + $1))
	ipvsadm -d -t "$VIP:$port" -r "192.168.10.3:$port"
	ipvsadm -E -t "$VIP:$port" -s wlc
}

wanted() {
	local i
	printf '%s\n' "-A -t $VIP:80 -s rr"
	for i in 1 2 3; do
		printf '%s\n' "-a -t $VIP:80 -r 192.168.10.$i:80 -g -w 1"
	done
	for i in {1..16}; do
		printf '%s\n' "-A -t $VIP:$((1000 + i)) -s wlc" \
			"-a -t $VIP:$((1000 + i)) -r 192.168.10.1:$((1000 + i)) -g -w 1" \
			"-a -t $VIP:$((1000 + i)) -r 192.168.10.2:$((1000 + i)) -g -w $((100 + i))" \
			"-a -t $VIP:$((1000 + i)) -r 192.168.10.4:$((1000 + i)) -g -w 4"
	done
}

editors=()
for i in {1..16}; do
	editor "$i" &
	editors+=($!)
done
# Every listing meanwhile holds the service that nobody touches, whole.
whole=$(ipvsadm -Sn -t "$VIP:80" 2>/dev/null || ipvsadm -Sn | grep -F ":80 ")
listings=0
while kill -0 "${editors[@]}" 2>/dev/null; do
	expect "$whole" grep -F ":80 " <(ipvsadm -Sn)
	listings=$((listings + 1))
done 
for pid in "${editors[@]}"; do
	wait "$pid"
done
say "$listings listings meanwhile"
expect "$(wanted | sort)" sort <(ipvsadm -Sn)

figure locked.edits 128 "edits by 16 commands at once, none lost"
figure locked.listings $listings "listings meanwhile, none broken"
load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
