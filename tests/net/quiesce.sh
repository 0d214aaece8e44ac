#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Weight 0: connections that a server has go on, new ones it does not get, until it has weight again.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 10, r2 10, r3 10, failed 0" talk open 30

ipvsadm -e -t "$VIP:7" -r "$R1:7" -g -w 0
expect "r1 10, r2 10, r3 10, failed 0" talk ask
expect "r2 10, r3 10, failed 0" talk open 20
expect "r1 10, r2 20, r3 20, failed 0" talk ask

ipvsadm -e -t "$VIP:7" -r "$R1:7" -g -w 1
expect "r1 10, r2 10, r3 10, failed 0" talk open 30
