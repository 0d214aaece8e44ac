#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -x: a server with so many connections gets no more; when all have, a new one is refused.
# -y: it gets new ones again when it has fewer than that; without, fewer than three quarters of -x.
# doors: xdp tc
# families: 4 6
# options: -x -y
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
LIMITS="-x 4" service -t 7 -s rr
ipvsadm -e -t "$VIP:7" -r "$R3:7" -g -x 4 -y 2
ipvsadm --set 900 1 300		# connections that were closed are forgotten after a second
talker tcp 7

expect "r3 r2 r1 r3 r2 r1 r3 r2 r1 r3 r2 r1 failed" talk order 13

# r3 has -y 2: two fewer are not enough, three are.
expect "2" talk close r3 2
within 30 $'r1 1 4 0\nr2 1 4 0\nr3 1 2 0' servers
expect "failed" talk order 1
expect "1" talk close r3 1
within 30 $'r1 1 4 0\nr2 1 4 0\nr3 1 1 0' servers
expect "r3 r3 r3 failed" talk order 4

# r2 has none: one fewer, which is three quarters, is not enough, two are.
expect "1" talk close r2 1
within 30 $'r1 1 4 0\nr2 1 3 0\nr3 1 4 0' servers
expect "failed" talk order 1
expect "1" talk close r2 1
within 30 $'r1 1 4 0\nr2 1 2 0\nr3 1 4 0' servers
expect "r2 r2 failed" talk order 3
expect "r1 4, r2 4, r3 4, failed 0" talk ask
