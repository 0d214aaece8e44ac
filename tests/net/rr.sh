#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rr gives every server the same share of 3000 real web requests, one connection after another.
# doors: xdp tc
# families: 4 6
# options: -t -g rr
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr

expect "r1 1000, r2 1000, r3 1000, failed 0" requests 3000
