#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing is sent to a server that was deleted, not even what belongs to its connections; added
# again, it has them back.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -t 7 -s rr
talker tcp 7
expect "r1 5, r2 5, r3 5, failed 0" talk open 15
watch r1

ipvsadm -d -t "$VIP:7" -r "$R1:7"
sleep 0.1			# what was already on its way
before=$(seen r1)
expect "ok" talk wait 0.5
expect "r2 5, r3 5, failed 5" talk ask
expect "r2 10, r3 10, failed 0" talk open 20
expect "$before" seen r1

ipvsadm -a -t "$VIP:7" -r "$R1:7" -g
expect "ok" talk wait 5
expect "r1 5, r2 15, r3 15, failed 0" talk ask
[ "$(seen r1)" != "$before" ]
