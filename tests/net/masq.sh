#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Masquerading: the director rewrites both directions, the port too, and sees both halves of every
# connection.
# doors: xdp tc
# families: 4 6
# options: -m
. "$(dirname "$0")/lib/test.sh"

cluster 2
lab_masq
culvert attach eth1 --mode "$door"
ipvsadm -A -t "$VIP:8080" -s rr
for server in "$R1" "$R2" "$R3"; do
	ipvsadm -a -t "$VIP:8080" -r "$server:80" -m
done
expect "r1 200, r2 200, r3 200, failed 0" on client web -n 600 "http://$VIP:8080/"
# The client closed every one of them, and both FINs were seen.
finished() { connections | grep -c '^TCP TIME_WAIT '; }
if [ -z "${CULVERT_VM:-}" ]; then
	within 30 600 finished
	expect $'r1 1 0 200\nr2 1 0 200\nr3 1 0 200' servers
else
	# So slow that some FIN is sent again, to a client that has closed: a reset, and CLOSE, which lasts 10 s.
	within 60 $'r1 1 0\nr2 1 0\nr3 1 0' eval "servers | cut -d' ' -f1-3"
	within 60 0 eval "connections | grep -vc '^TCP TIME_WAIT ' || true"
	between 500 600 "$(finished)" "both FINs were seen"
fi
read -r _ conns inpkts outpkts _ < <(stats | head -n 1)
expect 600 echo "$conns"
between 2400 9000 "$inpkts" "packets in"
between 2400 9000 "$outpkts" "packets out"
