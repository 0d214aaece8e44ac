#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real server that nobody can find is looked for again and again, by the kernel's own neighbour
# resolution: it is used soon after its cable is plugged in. The others are not disturbed.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
ip -n "$LAB-switch" link set r1-eth0 down

for _ in 1 2 3 4; do
	expect "r2 2, r3 2, failed 2" requests 6 --wait 0.9
done
ip -n "$LAB-switch" link set r1-eth0 up
within 4 "r1 2, r2 2, r3 2, failed 0" requests 6 --wait 0.9
expect "r1 100, r2 100, r3 100, failed 0" requests 300 --wait 0.9
