#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The director between client and servers: requests come in by one device and leave by another.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
service -t 80 -s rr
serve_names 7 r1 r2 r3
service -u 7 -s rr
expect "r1 1000, r2 1000, r3 1000, failed 0" requests 3000
talker udp 7
expect "r1 100, r2 100, r3 100, failed 0" talk open 300
