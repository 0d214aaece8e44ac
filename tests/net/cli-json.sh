#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -j says what the tables say, of every list, and all of it in one document.
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

cluster
mute
WEIGHTS="3 0 1" LIMITS="-x 9 -y 4" service -t 80 -s wrr
service -u 53 -s lc
ipvsadm -A -t "$VIP:443" -s wlc
wire "tcp $CLIENT:4000 > $VIP:80 S" "tcp $CLIENT:4001 > $VIP:80 S" "tcp $CLIENT:4000 > $VIP:80 A" \
	"udp $CLIENT:4000 > $VIP:53 10" >/dev/null

json() {
	ipvsadm "$@" | jq -e -r "$query"
}

# Functions for jq: an endpoint as ipvsadm writes it.
endpoint='def where: if .address | contains(":") then "[\(.address)]:\(.port)" else "\(.address):\(.port)" end;'

# tables OPTION...: the entries of a list, blanks between the columns.
tables() {
	ipvsadm -Ln "$@" | awk 'NR > 3 { $1 = $1; print }'
}

query="$endpoint"'.services[] | "\(.protocol | ascii_upcase) \(where) \(.scheduler)",
	(.destinations[] | "-> \(where) \({route: "Route"}[.method]) \(.weight) \(.active_conns) \(.inactive_conns)")'
expect "$(tables)" json -Lj
query="$endpoint"'def row(who): [who, (.stats | .conns, .in_pkts, .out_pkts, .in_bytes, .out_bytes)]
	| map(tostring) | join(" ");
	.services[] | row("\(.protocol | ascii_upcase) \(where)"), (.destinations[] | row("-> \(where)"))'
expect "$(tables --stats --exact)" json -Lj --stats
query="$endpoint"'.services[] | "\(.protocol | ascii_upcase) \(where) \(.scheduler)", (.destinations[] |
	"-> \(where) \(.upper_threshold) \(.lower_threshold) \(.active_conns) \(.inactive_conns)")'
expect "$(tables --thresholds)" json -L --json
query="$endpoint"'.services[] | "\(.protocol | ascii_upcase) \(where) \(.scheduler)", (.destinations[] |
	"-> \(where) \(.weight) \(.persistent_conns) \(.active_conns) \(.inactive_conns)")'
expect "$(tables --persistent-conn)" json -Lj

# One service, and one that is not there.
query='.services | length, .[0].port'
expect "1
53" json -Lj -u "$VIP:53"
refused "No such service" ipvsadm -Lj -u "$VIP:54"

# In order, or as they come.
query="$endpoint"'.services[0].destinations[] | where'
expect "$(ipvsadm -Ln -u "$VIP:53" | awk '$1 == "->" && NR > 2 { print $2 }')" json -Lj -u "$VIP:53"
expect "$(ipvsadm -Ln --nosort -u "$VIP:53" | awk '$1 == "->" && NR > 2 { print $2 }')" \
	json -Lj --nosort -u "$VIP:53"

query="$endpoint"'.connections[] | "\(.protocol | ascii_upcase) \(.state) \(.client | where) \(.virtual | where)
	\(.destination | where)" | gsub("\\s+"; " ")'
expect "$(connections)" eval "json -Lcj | sort"
query='(.connections | map(.in_pkts) | sort | tostring), (.connections | map(select(.expires > 900)) | length)'
expect "[1,1,2]
0" json -Lcj

ipvsadm --set 300 60 100
query='.timeouts | "\(.tcp) \(.tcp_fin) \(.udp)"'
expect "300 60 100" json -L --timeout -j
query='.daemons | length'
expect 0 json -L --daemon -j

# -j may stand before the command, as with ip(8).
for command in "ipvsadm -Ln" "status" "sysctl" "link show" "addr show" "ipvsadm -Lcn"; do
	# shellcheck disable=SC2086 # words
	first=$(culvert -j $command) last=$(culvert $command -j)
	# Timers go on meanwhile.
	expect "$(jq -cS 'del(.. | .expires?)' <<<"$last")" jq -cS 'del(.. | .expires?)' <<<"$first"
done
refused "unknown option -j" culvert -j detach

# Nothing at all.
ipvsadm -C
query='.services | length'
expect 0 json -Lj
