#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Large uploads through the director arrive whole.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
if [ "$door" = tc ]; then
	# The tc door takes packets as a local stack makes them: 64 kB long, checksums to be done.
	on client ethtool -K eth0 tx on tso on gso on >/dev/null
	on switch ethtool -K director-eth0 tx on tso on gso on >/dev/null
fi
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "ok" talk wait 20
expect "r1 2, r2 2, r3 2, failed 0" talk put 20000000
