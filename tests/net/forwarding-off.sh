#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# doors: xdp tc
# families: 4 6
# The administrator makes a router of the director and takes that back, which turns all devices'
# forwarding off, and loopback's with them: what is served goes on, and the next command finds routes again.
. "$(dirname "$0")/lib/test.sh"
ours

router() {
	on director sysctl -qw net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$1"
}

cluster
service -t 80 -s rr
expect "r1 2, r2 2, r3 2, failed 0" requests 6
router 1
sleep 1.1
expect "r1 2, r2 2, r3 2, failed 0" requests 6
router 0
sleep 1.1			# what was looked up is believed for a second
expect "r1 2, r2 2, r3 2, failed 0" requests 6
ipvsadm -C
service -t 80 -s rr
expect "r1 2, r2 2, r3 2, failed 0" requests 6
culvert detach --all
expect 0 on director sysctl -n net.ipv4.conf.lo.forwarding
expect 0 on director sysctl -n net.ipv6.conf.lo.forwarding
