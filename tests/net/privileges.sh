#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every command works with the capabilities that docs/security.md says, without one of them it says
# which in one line and changes nothing; and with all it gives up those that it has no use for.
. "$(dirname "$0")/lib/test.sh"
ours

# with SET COMMAND...: in the director's namespace, with these capabilities alone
with() {
	local set=$1 name bound=-all
	shift
	for name in ${set//,/ }; do bound+=,+$name; done
	on director setpriv --bounding-set="$bound" --inh-caps=-all "$BUILD/culvert" "$@"
}

# lacking CAP SET COMMAND...: SET is not enough, and CAP is named
lacking() {
	local cap=$1 before
	shift
	before=$(ipvsadm -Sn 2>/dev/null || true)
	refused "$cap" with "$@"
	[ "$before" = "$(ipvsadm -Sn 2>/dev/null || true)" ] ||
		fail "something has changed: $*"
}

# ipvsadm says so in two lines, which are its own.
denied() {
	local said status=0
	said=$("$@" 2>&1) || status=$?
	[[ $status -eq 2 && $said == *"Permission denied (you must be root)"* ]] || fail "$status, $said: $*"
}

lab_up
edit=bpf,net_admin load=bpf,net_admin,perfmon

lacking CAP_PERFMON $edit attach eth0
lacking CAP_BPF net_admin,perfmon attach eth0
lacking CAP_NET_ADMIN bpf,perfmon attach eth0
with $load attach eth0 --max-conns 4096 >/dev/null

with $edit ipvsadm -A -t "$VIP:80" -s rr
with $edit ipvsadm -a -t "$VIP:80" -r "$R1:80" -g
with $edit sysctl drop_entry=3 >/dev/null
for command in status sysctl save "sysctl drop_entry=0"; do
	# shellcheck disable=SC2086 # words
	with $edit $command >/dev/null
	# shellcheck disable=SC2086
	lacking CAP_BPF net_admin $command
	# shellcheck disable=SC2086
	lacking CAP_NET_ADMIN bpf $command
done
for listing in -Ln -Lcn -Sn "-Ln --stats"; do
	# shellcheck disable=SC2086
	with $edit ipvsadm $listing >/dev/null
	# shellcheck disable=SC2086
	denied with net_admin ipvsadm $listing
done
denied with bpf ipvsadm -D -t "$VIP:80"
expect "1" awk '/^-A/ { n++ } END { print n }' <(ipvsadm -Sn)
with $edit,sys_admin upgrade >/dev/null

# All of root's are given up but those of the table, and nothing that is run could get more.
mkfifo "$LAB_DIR/lines"
exec {lines}<>"$LAB_DIR/lines"
start director "$BUILD/culvert" ipvsadm -R <"$LAB_DIR/lines" {lines}>&-
command=$!
within 30 "NoNewPrivs:	1" grep NoNewPrivs "/proc/$command/status"
kept=$(sed -n 's/^CapEff:\t//p' "/proc/$command/status")
# DAC_OVERRIDE 1, DAC_READ_SEARCH 2, NET_ADMIN 12, SYS_CHROOT 18, SYS_PTRACE 19, SYS_ADMIN 21, PERFMON 38, BPF 39
allowed=$((1 << 1 | 1 << 2 | 1 << 12 | 1 << 18 | 1 << 19 | 1 << 21 | 1 << 38 | 1 << 39))
[ $((0x$kept & ~allowed)) -eq 0 ] || fail "capabilities $kept are kept"
expect "CapPrm:	$kept" grep CapPrm "/proc/$command/status"
exec {lines}>&-
wait "$command"

with $edit ipvsadm -C
with $edit detach --all
