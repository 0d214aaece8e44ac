#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipvsadm --rate approaches the rate of the last seconds, and falls back when there is nothing.
# doors: xdp tc
# options: --rate --exact
. "$(dirname "$0")/lib/test.sh"

cluster
service -t 80 -s rr
rate() {		# COLUMN: of the service: 3 CPS, 4 InPPS, 6 InBPS
	ipvsadm -Ln --rate --exact | awk -v column="$1" '$1 == "TCP" { print $column }'
}

expect "0" rate 3
load_begin -r 100		# what an emulated machine can do, too
sleep 12
cps=$(rate 3) pps=$(rate 4) bps=$(rate 6)
say "$cps connections/s, $pps packets/s, $bps bytes/s"
load_end >&2
between 60 110 "$cps" "connections a second"
# A request is 5 to 7 packets of the client's: SYN, ACK, GET, ACKs, FIN; 40 to 140 bytes each.
between $((5 * cps - 20)) $((7 * cps + 20)) "$pps" "packets a second"
between $((40 * pps)) $((140 * pps)) "$bps" "bytes a second"
expect "0" rate 5

sleep 12
between 0 $((cps / 3)) "$(rate 3)" "connections a second after the end"
