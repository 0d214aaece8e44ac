#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A server is taken out of service and put back under load, and no request fails.
# doors: xdp tc
# families: 4 6
# options: -d -w
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
load_begin -r 2000
for _ in 1 2 3; do
	ipvsadm -e -t "$VIP:80" -r "$R2:80" -g -w 0
	sleep 0.3			# its last answers
	ipvsadm -d -t "$VIP:80" -r "$R2:80"
	sleep 0.1
	ipvsadm -a -t "$VIP:80" -r "$R2:80" -g
	sleep 0.1
done
load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
