#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipvsadm -S, -C and -R while clients are connected: their connections go on.
# doors: xdp tc
# families: 4 6
# options: -R -C
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
WEIGHTS="3 2 1" service -t 7 -s wrr
ipvsadm -A -t "$VIP:81" -s rr
talker tcp 7
expect "r1 15, r2 10, r3 5, failed 0" talk open 30

ipvsadm -Sn >"$LAB_DIR/saved"
{ echo -C; cat "$LAB_DIR/saved"; } | ipvsadm -R
expect "ok" talk wait 10
expect "r1 15, r2 10, r3 5, failed 0" talk ask
ipvsadm -Sn | sort >"$LAB_DIR/again"
expect "$(sort "$LAB_DIR/saved")" cat "$LAB_DIR/again"
