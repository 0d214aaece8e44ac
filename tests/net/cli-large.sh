#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 100,000 services with 10 real servers each: restored, listed in order, edited and saved, in time.
# long
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director
ip -n "$LAB-director" link add front up type veth peer name back
culvert attach front --mode tc --max-conns 1000 --max-services 100000 --max-dests 1000000

awk 'BEGIN {
	for (i = 0; i < 100000; i++) {
		vip = "10." int(i / 65536) "." int(i / 256) % 256 "." i % 256 ":80"
		print "-A -t " vip " -s wlc"
		for (k = 1; k <= 10; k++)
			print "-a -t " vip " -r 192.168." i % 256 "." k ":80 -g -w " k
	}
}' >"$LAB_DIR/rules"

# spends MILLISECONDS COMMAND...: it takes no more processor time, however busy the machine is.
spends() {
	local limit=$1 spent
	shift
	times >"$LAB_DIR/before"
	"$@"
	times >"$LAB_DIR/after"
	spent=$(awk '
		FNR == 2 {
			for (i = 1; i <= 2; i++) {
				split($i, part, /[ms]/)
				ms += (NR == FNR ? -1000 : 1000) * (part[1] * 60 + part[2])
			}
		}
		END { printf "%d", ms }' "$LAB_DIR/before" "$LAB_DIR/after")
	say "$*: $spent ms of processor time"
	between 0 "$limit" "$spent" "the time of $*"
}

restore() {
	ipvsadm -R <"$LAB_DIR/rules"
}

save() {
	ipvsadm -Sn >"$LAB_DIR/saved"
}

list() {
	ipvsadm -Ln "$@" >"$LAB_DIR/list"
}

spends 10000 restore
spends 2000 save
cmp "$LAB_DIR/rules" "$LAB_DIR/saved" || fail "what was saved is not what was restored"
spends 2000 list
expect 1100003 eval 'wc -l <"$LAB_DIR/list"'
spends 2000 list --stats
spends 2000 list --nosort
expect 1100003 eval 'wc -l <"$LAB_DIR/list"'
spends 4000 list --json
expect "100000 1000000" jq -r '.services | "\(length) \(map(.destinations | length) | add)"' "$LAB_DIR/list"

spends 100 ipvsadm -e -t 10.1.134.159:80 -r 192.168.159.7:80 -w 9
expect "  -> 192.168.159.7:80             Route   9      0          0         " \
	eval "ipvsadm -Ln -t 10.1.134.159:80 | grep -F '159.7:80'"
spends 5000 ipvsadm -C
expect "" ipvsadm -Sn
