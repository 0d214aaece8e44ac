#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datagrams larger than the MTU reach one real server each, whole.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
serve_names 7 r1 r2 r3
service -u 7 -s rr
talker udp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r1 2, r2 2, r3 2, failed 0" talk put 4000
expect "r1 2, r2 2, r3 2, failed 0" talk put 60000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers
