#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command is killed at random instants of 200 edits (4000 in the long form), under load: no request fails or waits, and
# every edit has happened or has not; the next command needs no repair.
# doors: xdp tc
# seconds: 400
. "$(dirname "$0")/lib/test.sh"
ours

cluster
service -t 80 -s wrr
load_begin -r "$(rate 1000)"

extra="-t $VIP:80 -r 192.168.10.9:80"
edits=(
	"-e -t $VIP:80 -r $R1:80 -g -w 3" "-e -t $VIP:80 -r $R1:80 -g -w 1"
	"-E -t $VIP:80 -s rr" "-E -t $VIP:80 -s wlc" "-E -t $VIP:80 -s wrr"
	"-a $extra -g -w 0" "-d $extra" "-e $extra -g -w 0 -x 9"
	"-A -u $VIP:53 -s rr" "-D -u $VIP:53" "-a -u $VIP:53 -r $R1:53 -g" "-d -u $VIP:53 -r $R1:53"
	"-A -t $VIP:443 -s wlc" "-a -t $VIP:443 -r $R2:443 -g" "-D -t $VIP:443"
	"--set 900 120 301" "-Z"
)

# Other commands that change something, each with how long it may take, in ms, where an edit takes 3; one in ten rounds.
lab_host tenant
ip -n "$LAB-director" link add front type veth peer name back
others=(
	"20 attach front --mode tc" "20 detach front" "20 sysctl sloppy_tcp=1" "20 sysctl sloppy_tcp=0"
	"1500 upgrade" "20 save -c -o $LAB_DIR/saved"
	"40 link add link front name s0 type ipvlan mode l3 netns $LAB-tenant addr 10.9.0.2/24"
	"40 link -n $LAB-tenant del s0" "40 link -n $LAB-tenant set s0 mode l3s" "20 addr -n $LAB-tenant add 10.9.0.3/24 dev s0"
)

# What may stand in a listing, line by line; a service's lines stand together.
sound() {
	ipvsadm -Sn | awk -v vip="$VIP" '
		$1 == "-A" { service = $2 $3; if (seen[service]++) bad = 1; next }
		$1 == "-a" { if ($2 $3 != service || seen[service $5]++) bad = 1; next }
		{ bad = 1 }
		END { exit bad }'
}

# The command alone can write to it, and writes nothing: who reads waits until it has ended.
mkfifo "$LAB_DIR/alive"
# How long an edit takes in this machine, most of it to start: some 3 ms. What else the machine does
# changes, so it is corrected as commands are killed or end: four in ten are killed.
begun=${EPOCHREALTIME/./}
for _ in {1..20}; do
	start director "$BUILD/culvert" ipvsadm --set 900 120 300
	wait $!
done
took=$(((${EPOCHREALTIME/./} - begun) / 20))
say "an edit takes $took us"

killed=0 done=0 refused=0
rounds=200
[ -z "${CULVERT_LONG:-}" ] || rounds=4000
for ((round = 1; round <= rounds; round++)); do
	ms=6 words="ipvsadm ${edits[RANDOM % ${#edits[@]}]}"
	[ $((round % 10)) -ne 0 ] || read -r ms words <<<"${others[RANDOM % ${#others[@]}]}"
	instant=$((RANDOM * ms * took / 3 / 32768))	# us
	exec {writes}<>"$LAB_DIR/alive"
	exec {reads}<"$LAB_DIR/alive"
	# shellcheck disable=SC2086 # options
	start director "$BUILD/culvert" $words >"$LAB_DIR/said" 2>&1
	command=$!
	exec {writes}>&-
	read -r -t "$(printf '%d.%06d' $((instant / 1000000)) $((instant % 1000000)))" <&"$reads" || true
	exec {reads}<&-
	kill -KILL $command 2>/dev/null || true
	status=0
	wait $command 2>/dev/null || status=$?
	case $status in
	0) done=$((done + 1)) ;;
	137) killed=$((killed + 1)) took=$((took + took / 8)) ;;
	*) refused=$((refused + 1)) ;;		# the edit before may have been the same
	esac
	[ $status -eq 137 ] || took=$((took > 300 ? took - took / 12 : took))
	# What a fault of ours would look like: a command that crashes or does not know what it found.
	! grep -qi 'segmentation\|damaged\|assert' "$LAB_DIR/said" || fail "$(cat "$LAB_DIR/said")"
	[ $((round % 10)) -ne 0 ] || sound || fail "a broken listing: $(ipvsadm -Sn)"
done
say "$killed killed, $done done, $refused refused because of what was there"
between $((rounds * 3 / 20)) $rounds $killed "the number of commands killed"
between $((rounds / 20)) $rounds $((done + refused)) "the number of commands that ended"

load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
between 0 900 "$(awk 'NR == 2 { print $2 }' "$LAB_DIR/result")" "the slowest answer's milliseconds"
figure killed.edits $killed "commands killed at a random instant, nine in ten of them edits of services and servers"
figure killed.requests "$(awk -F'[ ,]+' 'NR == 1 { print $2 + $4 + $6 }' "$LAB_DIR/result")" \
	"web requests answered meanwhile"
figure killed.failed 0 "web requests failed or took 0.9 s"

# The data path is whole, and everything goes when it is told to.
culvert upgrade >/dev/null
culvert status >/dev/null
culvert track --once
culvert link -n "$LAB-tenant" del s0 2>/dev/null || true
expect "" culvert link show
culvert detach front 2>/dev/null || true
expect "0" eval "on director bpftool net list dev front | grep -c culvert || true"
expect "0" eval "ip -n $LAB-director -o link | grep -c cvslave || true"

# The state lists, saves, restores and edits like any other.
culvert status >/dev/null
ipvsadm -Sn >"$LAB_DIR/saved"
ipvsadm -C
expect "" ipvsadm -Sn
ipvsadm -R <"$LAB_DIR/saved"
expect "$(sort "$LAB_DIR/saved")" sort <(ipvsadm -Sn)
ipvsadm -C
service -t 80 -s rr
expect "r1 20, r2 20, r3 20, failed 0" requests 60
