#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A command that has the lock and is stopped holds up the others, but not for ever, and not without
# a word: who waits says for whom; when it goes on, so do they, and every edit has happened. Lists
# need no lock.
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director
lab_remember director
ipvsadm -A -t 10.0.0.1:80

# Stopped by the kernel where it gives the lock back: its edit is done.
start director strace -qq -e trace=flock -e inject=flock:signal=SIGSTOP:when=1 -o /dev/null \
	"$BUILD/culvert" ipvsadm -A -t 10.0.0.2:80
strace=$!
stopped() {
	local pid
	pid=$(cat "/proc/$strace/task/$strace/children" 2>/dev/null) && [ -n "$pid" ] &&
		sed -n 's/^State:.*\([Tt]\) .*/stopped/p' "/proc/${pid% }/status"
}
within 10 "stopped" stopped
holder=$(cat "/proc/$strace/task/$strace/children") holder=${holder% }

expect "-A -t 10.0.0.1:80 -s wlc" eval "ipvsadm -Sn | grep -F 10.0.0.1:80"
says="process $holder (culvert, stopped) has"

# Not for ever: a second is too short to be told twice.
CULVERT_LOCK_SECONDS=1 refused "$says held the lock for 1 s" ipvsadm -A -t 10.0.0.3:80
CULVERT_LOCK_SECONDS=1 refused "$says held the lock for 1 s" culvert attach lo
CULVERT_LOCK_SECONDS=1 refused "$says held the lock for 1 s" culvert detach --all
CULVERT_LOCK_SECONDS=1 refused "$says held the lock for 1 s" culvert upgrade
CULVERT_LOCK_SECONDS=1 refused "$says held the lock for 1 s" culvert sysctl sloppy_tcp=1

# Sixteen wait, each saying for whom; then they go on.
waiters=()
for i in {1..16}; do
	ipvsadm -A -t "10.0.1.$i:80" 2>"$LAB_DIR/waiter-$i" &
	waiters+=($!)
done
for i in {1..16}; do
	within 20 "culvert: waiting: $says the lock" cat "$LAB_DIR/waiter-$i"
done
kill -CONT "$holder"
wait "$strace"
for pid in "${waiters[@]}"; do
	wait "$pid"
done
expect "18" eval "ipvsadm -Sn | wc -l"
for i in {1..16}; do
	expect "1" eval "wc -l <'$LAB_DIR/waiter-$i'"
done
figure locked.waiters 16 "commands that waited for one that was stopped: each said for whom, none was lost"
