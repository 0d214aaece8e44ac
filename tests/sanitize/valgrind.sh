#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command under valgrind, as it is built: what it lists, edits, saves, restores and refuses touches
# no memory that is not its own, and leaves none behind. (What bpf() writes valgrind takes for never
# written, so it is not asked about that.)
# seconds: 300
. "$(dirname "$0")/../net/lib/test.sh"
ours

# checked STATUS ARGUMENT...: ends like that, and valgrind has found nothing
checked() {
	local want=$1 status=0 log=$LAB_DIR/valgrind.$RANDOM
	shift
	on director valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible \
		--errors-for-leak-kinds=definite --undef-value-errors=no --suppressions="$here/../../sanitize/lib/valgrind.supp" --log-file="$log" \
		"$BUILD/culvert" "$@" >"$LAB_DIR/said" 2>&1 || status=$?
	if [ $status -ne "$want" ] || grep -q '^==.*\(Invalid\|naddressable\|definitely lost\)' "$log"; then
		cat "$LAB_DIR/said" "$log" >&2
		fail "status $status, not $want: culvert $*"
	fi
}

command -v valgrind >/dev/null || skip "there is no valgrind"
lab_up
culvert attach eth0 --max-conns 4096 >/dev/null
checked 0 ipvsadm -A -t "$VIP:80" -s wrr -p 60
checked 0 ipvsadm -a -t "$VIP:80" -r "$R1:80" -g -w 3
checked 0 ipvsadm -e -t "$VIP:80" -r "$R1:80" -m -w 2
checked 0 ipvsadm -Ln
checked 0 ipvsadm -Ln --stats --json
checked 0 ipvsadm -Lcn
checked 0 status -j
checked 0 save
cp "$LAB_DIR/said" "$LAB_DIR/saved"
checked 0 sysctl -j
checked 2 ipvsadm -A -t 10.0.0.1:80x
checked 2 ipvsadm -a -t "$VIP:80" -r "[fd00::1]:80" -g
checked 1 detach nosuch0
checked 1 restore "$BUILD/../README.md"
checked 0 ipvsadm -R </dev/null
checked 0 ipvsadm -C
