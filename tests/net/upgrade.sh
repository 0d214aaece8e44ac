#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The data path is replaced under load, by the same, a newer and an older build: no request fails
# or waits, no datagram of a numbered flood is lost or comes twice, connections that were open
# stay where they are, counters go on; the sweeper goes on, and there is one. Tables that are
# laid out otherwise stay with the culvert that made them.
# doors: xdp tc clsact
# families: 4 6
[ "$1" != clsact ] || export CULVERT_NO_TCX=1	# what Linux has before 6.6
. "$(dirname "$0")/lib/test.sh"
ours

newer() {
	on director "$BUILD/tests/other/culvert-newer" "$@"
}

other() {
	on director "$BUILD/tests/other/culvert-other" "$@"
}

# Ids of the load balancer's programs that this instance has pinned.
programs() {
	local pin
	for pin in /run/culvert/"$cookie"/progs/*; do
		bpftool -j prog show pinned "$pin" | jq .id
	done
}

# How often the sweeper has run, all its life.
rounds() {
	bpftool -j map dump pinned "/run/culvert/$cookie/maps/timer" | jq '.[0].formatted.value.est_round'
}

# One at a time: ninja writes its log anew now and then.
flock "$BUILD/tests" ninja -C "$BUILD" tests/other/culvert-newer tests/other/culvert-other >"$LAB_DIR/ninja" || {
	cat "$LAB_DIR/ninja"
	fail "another culvert does not build"
}
layout=$(sed -n 's/^#define CV_LAYOUT_VERSION //p' "$(dirname "$0")/../../include/culvert/lb.h")
cluster
marks_forward
cookie=$(tail -n1 "$LAB_DIR/instances")
six=()
[ "$family" = 4 ] || six=(-6)

# Three services: web, a numbered flood, and by mark the same flood behind netfilter.
service -t 80 -s wrr
service -u 9 -s wlc
mark_7 "udp dport 10"
ipvsadm -A -f 7 "${six[@]}" -s rr
for server in "$R1" "$R2"; do
	ipvsadm -a -f 7 "${six[@]}" -r "$server:0" -g
done
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 10, r2 10, r3 10, failed 0" talk open 30

counters=()
for host in r1 r2 r3; do
	for port in 9 10; do
		start "$host" sequence count $port "$LAB_DIR/numbers-$port" >"$LAB_DIR/count-$host-$port"
		counters+=($!)
		within 20 "ready" cat "$LAB_DIR/count-$host-$port"
	done
done
load_begin -r "$(rate 400)"
floods=()
for port in 9 10; do
	start client sequence send "$VIP_ADDR" $port -r "$(rate 1000)" >"$LAB_DIR/sent-$port"
	floods+=($!)
done

# Every other one is by the newer build, so half of them go back.
upgrades=6
[ -z "${CULVERT_LONG:-}" ] || upgrades=60
old=$(programs)
for ((i = 1; i <= upgrades; i++)); do
	if [ $((i % 2)) = 1 ]; then newer upgrade; else culvert upgrade; fi >"$LAB_DIR/said"
	grep -q '^load balancer: culvert .* in the place of .*, at [1-9][0-9]* hooks$' "$LAB_DIR/said" ||
		fail "upgrade said: $(cat "$LAB_DIR/said")"
done
culvert upgrade -j | jq -e '.[0] | .was == .version and .hooks >= 2' >/dev/null
newer upgrade >/dev/null
expect "data path: culvert 99.0 (layout $layout)" grep "^data path" <(culvert status)
culvert upgrade >/dev/null
expect "data path: $(culvert --version) (layout $layout)" grep "^data path" <(culvert status)
for id in $old; do
	within 10 "gone" eval "bpftool prog show id $id >/dev/null 2>&1 || echo gone"
done

# One that has other tables.
refused '`culvert upgrade` replaces it' other ipvsadm -A -t "$VIP:81"
refused '`culvert upgrade` replaces it' other ipvsadm -Ln
refused 'laid out otherwise than in this culvert (its fields or its size); what is loaded stays' other upgrade
expect "other tables than this command's)" sed -n 's/^data path.*, //p' <(other status 2>/dev/null || true)
sleep 0.5

kill -TERM "${floods[@]}"
wait "${floods[@]}"
sleep 0.5
kill -TERM "${counters[@]}"
wait "${counters[@]}"
load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
between 0 900 "$(awk 'NR == 2 { print $2 }' "$LAB_DIR/result")" "the slowest answer's milliseconds"
for port in 9 10; do
	sent=$(cat "$LAB_DIR/sent-$port")
	expect "" eval "seq 0 $((sent - 1)) | sort | comm -23 - <(sort -u '$LAB_DIR/numbers-$port')"	# lost
	expect "$sent" awk 'END { print NR }' "$LAB_DIR/numbers-$port"
	expect "$sent" eval "sort -un '$LAB_DIR/numbers-$port' | wc -l"
done
expect "r1 10, r2 10, r3 10, failed 0" talk ask
# The flood's packets, all of them counted.
expect "$(cat "$LAB_DIR/sent-9")" eval \
	"ipvsadm -Ln --stats --exact -u '$VIP:9' | awk '\$1 == \"UDP\" { print \$4 }'"

# The clock and the sweeper go on, 32 times a second, and what has expired ends.
begun=${EPOCHREALTIME/./} before=$(rounds)
sleep 2
took=$((${EPOCHREALTIME/./} - begun)) after=$(rounds)
between 25 40 $(((after - before) * 1000000 / took)) "the sweeper's rounds a second"
ipvsadm --set 0 0 1
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R1:53" -g
on client sh -c "echo hello >/dev/udp/$VIP_ADDR/53" 2>/dev/null ||
	on client bash -c "echo hello >/dev/udp/$VIP_ADDR/53"
within 30 "0" eval "ipvsadm -Lcn | grep -cF '$VIP:53 ' || true"

figure upgrade.done $((upgrades + 3)) "upgrades under load, to the same, a newer and an older build"
figure upgrade.datagrams $(($(cat "$LAB_DIR/sent-9") + $(cat "$LAB_DIR/sent-10"))) \
	"numbered datagrams sent meanwhile"
figure upgrade.lost 0 "of these lost, or delivered twice"
figure upgrade.requests "$(awk -F'[ ,]+' 'NR == 1 { print $2 + $4 + $6 }' "$LAB_DIR/result")" \
	"web requests answered meanwhile"
figure upgrade.failed 0 "web requests failed or took 0.9 s"
