#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Masquerading under load: many downloads side by side, from nginx, and every file arrives as it
# is. 60 of 1 MB; with CULVERT_LONG 1,000 of 10 MB. By tc the servers' stacks send as they like
# to, in large packets with checksums to be completed.
# doors: xdp tc
# families: 4 6
# seconds: 1500
. "$(dirname "$0")/lib/test.sh"

count=60 size=1000000 patience=90
[ -z "${CULVERT_LONG:-}" ] || count=1000 size=10000000 patience=1200
mkdir "$LAB_DIR/files"
for n in 1 2 3 4 5 6 7; do
	head -c $((size + n)) /dev/urandom >"$LAB_DIR/files/$n"
done
cluster 2
lab_masq
culvert attach eth1 --mode "$door"
if [ "$door" = tc ]; then
	for n in 1 2 3; do
		on r$n ethtool -K eth0 tx on tso on gso on >/dev/null
	done
	on switch ethtool -K director-eth1 tx on tso on gso on >/dev/null
	on switch ethtool -K client-eth0 tx on tso on gso on >/dev/null
	on director ethtool -K eth0 tx on tso on gso on >/dev/null
fi
ipvsadm -A -t "$VIP:8080" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -t "$VIP:8080" -r "$server:80" -m
done

mkfifo "$LAB_DIR/go"
exec {go}<>"$LAB_DIR/go"
start client fetch $count "$LAB_DIR/files" "http://$VIP:8080/files/" <&"$go" >"$LAB_DIR/fetched"
disown
within 60 "connected $count" cat "$LAB_DIR/fetched"
# All of them at once, a third at each server.
active() { servers | awk '{ n += $3 } END { print n }'; }
within 30 $count active
expect "$((count / 3)) $((count / 3))" echo "$(servers | sort -k3n | head -n2 | cut -d' ' -f3 | xargs)"
echo >&"$go"
ended() { grep -c '^whole ' "$LAB_DIR/fetched"; }
within $patience 1 ended
expect "whole $count, failed 0" tail -n1 "$LAB_DIR/fetched"
within 10 0 active
read -r _ conns _ _ _ outbytes < <(stats | head -n 1)
expect $count echo "$conns"
between $((count * size)) $((count * size * 2)) "$outbytes" "bytes out"
