#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rr begins with the server that was added last, and goes on where it was when a weight changes.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7

expect "r3 r2 r1 r3 r2 r1 r3" talk order 7
ipvsadm -e -t "$VIP:7" -r "$R1:7" -g -w 5
expect "r2 r1 r3 r2 r1 r3" talk order 6
