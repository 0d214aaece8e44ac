#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lc follows the load: new connections go where the fewest are open.
# doors: xdp tc
# families: 4 6
# options: lc
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -t 7 -s lc
talker tcp 7

expect "r1 10, r2 10, r3 10, failed 0" talk open 30
within 30 $'r1 1 10 0\nr2 1 10 0\nr3 1 10 0' servers

# What is closed no longer counts as active, but 256 of it weigh as much as one that is.
expect "10" talk close r2
within 30 $'r1 1 10 0\nr2 1 0 10\nr3 1 10 0' servers
expect "r2 10, failed 0" talk open 10
expect "r3 r1 r2" talk order 3
