#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A restore that waits for its next line keeps no other command waiting.
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director
mkfifo "$LAB_DIR/fifo"
exec {feed}<>"$LAB_DIR/fifo"
start director "$BUILD/culvert" ipvsadm -R <"$LAB_DIR/fifo" 2>"$LAB_DIR/err" {feed}>&-
restoring=$!

echo "-A -t 10.0.0.1:80" >&$feed
within 30 "-A -t 10.0.0.1:80 -s wlc" ipvsadm -Sn
before=$SECONDS
ipvsadm -A -t 10.0.0.2:80
between 0 20 $((SECONDS - before)) "seconds until the other command was done"

# Half a line is not carried out, and keeps nobody waiting either.
printf '%s' "-A -t 10.0.0.3:80 -s r" >&$feed
sleep 0.2
ipvsadm -A -t 10.0.0.4:80
expect "-A -t 10.0.0.1:80 -s wlc
-A -t 10.0.0.2:80 -s wlc
-A -t 10.0.0.4:80 -s wlc" ipvsadm -Sn
echo r >&$feed
exec {feed}>&-
wait "$restoring"
expect "-A -t 10.0.0.3:80 -s rr" eval "ipvsadm -Sn | grep 0.3:80"
expect "" cat "$LAB_DIR/err"
