#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipvsadm --set: connections that are silent for so long are forgotten, and no longer counted;
# connections that are not stay.
# doors: xdp tc
# families: 4 6
# options: --set --timeout
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
service -t 7 -s rr
expect "Timeout (tcp tcpfin udp): 900 120 300" ipvsadm -L --timeout
ipvsadm --set 3 1 2
expect "Timeout (tcp tcpfin udp): 3 1 2" ipvsadm -L --timeout
talker tcp 7
expect "r1 4, r2 4, r3 4, failed 0" talk open 12
expect $'r1 1 4 0\nr2 1 4 0\nr3 1 4 0' servers

# Those that talk outlive their time.
for _ in 1 2 3 4 5 6 7 8; do
	sleep 0.5
	expect "r1 4, r2 4, r3 4, failed 0" talk ask
done
expect "12" awk 'END { print NR }' <(connections)

# Closed ones go first, silent ones later.
expect "4" talk close r1
within 1 $'r1 1 0 4\nr2 1 4 0\nr3 1 4 0' servers
within 3 $'r1 1 0 0\nr2 1 4 0\nr3 1 4 0' servers
within 5 $'r1 1 0 0\nr2 1 0 0\nr3 1 0 0' servers
expect "" connections

ipvsadm -D -t "$VIP:7"
service -u 7 -s rr
talker udp 7
expect "r1 4, r2 4, r3 4, failed 0" talk open 12
expect $'r1 1 0 4\nr2 1 0 4\nr3 1 0 4' servers
within 5 $'r1 1 0 0\nr2 1 0 0\nr3 1 0 0' servers
expect "" connections

# 0 leaves a value as it is.
ipvsadm --set 0 0 7
expect "Timeout (tcp tcpfin udp): 3 1 7" ipvsadm -L --timeout
