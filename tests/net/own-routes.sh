#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One service more or less changes the routes that lead the director's own packets to it, and no
# others; what somebody else took away is there again with the next one.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

routes() { on director ip "-$family" route show table 25463 | awk '$3 == "culvert0" { print $1 }' | sort; }
rules() { on director ip "-$family" rule | grep -c 'lookup 25463'; }
vip() { [ "$family" = 4 ] && echo "10.9.9.$1" || echo "fd99::$1"; }
at() { [ "$family" = 4 ] && echo "10.9.9.$1:$2" || echo "[fd99::$1]:$2"; }

cluster
marks_forward
ipvsadm -A -t "$(at 1 80)" -s rr
expect "$(vip 1)" routes
ipvsadm -A -t "$(at 2 80)" -s rr
ipvsadm -A -t "$(at 2 443)" -s rr
ipvsadm -A -u "$(at 3 53)" -s rr
expect "$(vip 1; vip 2; vip 3)" routes

# Two services share an address: its route goes with the second.
ipvsadm -D -t "$(at 2 80)"
expect "$(vip 1; vip 2; vip 3)" routes
ipvsadm -D -t "$(at 2 443)"
expect "$(vip 1; vip 3)" routes
expect 1 rules

# The table for marks has a route while there is one.
marks() { on director ip "-$family" route show table 25462 2>/dev/null | awk '{ print $1, $3 }'; }
six=()
[ "$family" = 4 ] || six=(-6)
ipvsadm -A -f 7 "${six[@]}" -s rr
expect "default culvert0" marks
ipvsadm -D -f 7 "${six[@]}"
expect "" marks
expect "$(vip 1; vip 3)" routes

# One that never leaves a host has none.
ipvsadm -A -t "$( [ "$family" = 4 ] && echo 127.0.0.5:80 || echo '[::1]:80' )" -s rr
expect "$(vip 1; vip 3)" routes

# Several at once, as -R does it.
ipvsadm -R <<-EOF
	-A -t $(at 4 80) -s rr
	-A -t $(at 5 80) -s rr
	-D -t $(at 1 80)
EOF
expect "$(vip 3; vip 4; vip 5)" routes

# The device was deleted, and all that led to it: the next service needs it.
on director ip link del culvert0
ipvsadm -A -t "$(at 6 80)" -s rr
expect "$(vip 3; vip 4; vip 5; vip 6)" routes
expect 1 rules

ipvsadm -D -u "$(at 3 53)"
ipvsadm -D -t "$(at 4 80)"
ipvsadm -D -t "$(at 5 80)"
ipvsadm -D -t "$(at 6 80)"
expect "" routes
expect 0 rules
