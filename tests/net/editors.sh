#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sixteen commands edit at once, with listings meanwhile and under load: none is lost, none waits
# for ever, and no listing shows anything broken.
# options: -E
. "$(dirname "$0")/lib/test.sh"
ours

# The last of them waits for all others.
export CULVERT_LOCK_SECONDS=$((30 * ${PATIENCE:-1}))
cluster
service -t 80 -s rr
load_begin

# One editor: a service with sixty servers, each of which it changes; every third it removes. Some of
# that by commands of their own, the rest by one that makes edit after edit.
SERVERS=60
editor() {
	local port=$((1000 + $1)) n
	ipvsadm -A -t "$VIP:$port" -s wrr
	ipvsadm -a -t "$VIP:$port" -r "192.168.10.1:$port" -g -w 1
	for ((n = 2; n <= SERVERS; n++)); do
		echo "-a -t $VIP:$port -r 192.168.10.$n:$port -g -w $n"
		echo "-e -t $VIP:$port -r 192.168.10.$n:$port -g -w $((n + $1))"
	done | ipvsadm -R
	for ((n = 3; n <= SERVERS; n += 3)); do
		echo "-d -t $VIP:$port -r 192.168.10.$n:$port"
	done | ipvsadm -R
	ipvsadm -e -t "$VIP:$port" -r "192.168.10.2:$port" -g -w $((100 + $1))
	ipvsadm -E -t "$VIP:$port" -s wlc
}
edits=$((16 * (4 + 2 * (SERVERS - 1) + SERVERS / 3)))

wanted() {
	local i n weight
	printf '%s\n' "-A -t $VIP:80 -s rr"
	for i in 1 2 3; do
		printf '%s\n' "-a -t $VIP:80 -r 192.168.10.$i:80 -g -w 1"
	done
	for i in {1..16}; do
		printf '%s\n' "-A -t $VIP:$((1000 + i)) -s wlc"
		for ((n = 1; n <= SERVERS; n++)); do
			case $n in
			1) weight=1 ;;
			2) weight=$((100 + i)) ;;
			*) weight=$((n + i)) ;;
			esac
			[ $((n % 3)) -eq 0 ] || printf '%s\n' "-a -t $VIP:$((1000 + i)) -r 192.168.10.$n:$((1000 + i)) -g -w $weight"
		done
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

figure locked.edits $edits "edits by 16 commands at once, none lost"
figure locked.listings $listings "listings meanwhile, none broken"
load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
