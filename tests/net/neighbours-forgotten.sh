#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The director forgets every neighbour under load: no request fails, none waits for a second SYN.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
load_begin
# Each once: `ip neigh flush` goes on to what is being resolved anew, and what waits for that is lost with it.
for _ in 1 2 3 4 5 6; do
	ip -n "$LAB-director" neigh show dev eth0 | awk '{ print "neigh del", $1, "dev eth0" }' |
		ip -n "$LAB-director" -force -batch -
	sleep 0.4
done
load_end >"$LAB_DIR/result"
cat "$LAB_DIR/result" >&2
expect "0" awk 'NR == 1 { print $NF }' "$LAB_DIR/result"
between 0 900 "$(awk 'NR == 2 { print $2 }' "$LAB_DIR/result")" "the slowest answer's milliseconds"
