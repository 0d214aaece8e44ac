#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wrr: weights 3, 2 and 1 share 3000 real web requests as 1500, 1000 and 500.
# doors: xdp tc
# families: 4 6
# options: -e -w wrr
. "$(dirname "$0")/lib/test.sh"

cluster
WEIGHTS="3 2 1" service -t 80 -s wrr

expect "r1 1500, r2 1000, r3 500, failed 0" requests 3000

# A changed weight counts from the next connection on.
ipvsadm -e -t "$VIP:80" -r "$R3:80" -g -w 3
expect "r1 375, r2 250, r3 375, failed 0" requests 1000
