#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each door does its own work: by XDP, packets leave in the driver, all but the first and one in a
# while, which asks the neighbour table; by tc, none does.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

in_the_driver() {
	on director ethtool -S eth0 | awk '$1 == "rx_queue_0_xdp_redirect:" { print $2 }'
}

cluster
service -t 80 -s rr
expect "r1 10, r2 10, r3 10, failed 0" requests 30	# each next hop is known now
sleep 1
before=$(in_the_driver)
expect "r1 1000, r2 1000, r3 1000, failed 0" requests 3000
read -r _ _ packets _ <<<"$(stats | grep service)"
redirected=$((${before:+$(in_the_driver) - before}))
say "$redirected of $packets packets left in the driver"
if [ "$door" = xdp ]; then
	between $((packets * 8 / 10)) "$packets" "$redirected"
else
	expect "0" echo "$redirected"
fi
