#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What stands in ipvsadm's way is told, and shows in the exit status.
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director

# status COMMAND...: its exit status, then what it said on standard error.
status() {
	local status=0
	"$@" 2>"$LAB_DIR/err" >/dev/null || status=$?
	echo "$status"
	cat "$LAB_DIR/err"
}

# Root in name only, with and without an instance.
unprivileged() {
	on director setpriv --bounding-set=-all --inh-caps=-all "$BUILD/culvert" ipvsadm "$@"
}
denied="2
Can't initialize ipvs: Permission denied (you must be root)
Are you sure that IP Virtual Server is built in the kernel or as module?"
expect "$denied" status unprivileged -Ln
ipvsadm -A -t 10.0.0.1:80
expect "$denied" status unprivileged -Ln
expect "$denied" status unprivileged -A -t 10.0.0.2:80
expect "0" status unprivileged -v
expect "2
illegal virtual server address[:port] specified" status unprivileged -A -t nonsense:

# A list that cannot be written.
full() {
	local status=0
	ipvsadm "$@" 2>"$LAB_DIR/err" >/dev/full || status=$?
	echo "$status"
	cat "$LAB_DIR/err"
}
for list in -Ln -Sn -Lcn -Lj -Lcj "-L --timeout"; do
	# shellcheck disable=SC2086 # options
	expect "1
standard output: No space left on device" full $list
done
