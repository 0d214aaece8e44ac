#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UDP: rr deals flows out in turn, and the datagrams of a flow stay with its server.
# doors: xdp tc
# families: 4 6
# options: -u
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -u 7 -s rr
talker udp 7

expect "r1 100, r2 100, r3 100, failed 0" talk open 300
expect "r1 100, r2 100, r3 100, failed 0" talk ask
# UDP connections are never active.
expect $'r1 1 0 100\nr2 1 0 100\nr3 1 0 100' servers
