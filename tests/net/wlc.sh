#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wlc keeps open connections in proportion to the weights.
# doors: xdp tc
# families: 4 6
# options: wlc
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
WEIGHTS="3 2 1" service -t 7 -s wlc
talker tcp 7

expect "r1 30, r2 20, r3 10, failed 0" talk open 60
expect "30" talk close r1
within 30 $'r1 3 0 30\nr2 2 20 0\nr3 1 10 0' servers
expect "r1 30, failed 0" talk open 30
