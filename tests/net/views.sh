#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What each view of ipvsadm -L says while clients are connected.
# doors: xdp tc
# options: -l -c -n --thresholds --persistent-conn --tun-info --sort --nosort --stats --timeout -j
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3
LIMITS="-x 50 -y 40" WEIGHTS="3 2 1" service -t 7 -s rr -p 60
ipvsadm -A -u "$VIP:9" -s rr
ipvsadm -a -u "$VIP:9" -r "$R1:9" -i --tun-type gue --tun-port 6080 --tun-csum
talker tcp 7
expect "r3 4, failed 0" talk open 4

# row OPTION...: what stands behind the address of r3.
row() {
	ipvsadm -Ln "$@" | awk -v server="$R3:7" '$2 == server { $1 = $2 = ""; print }' | xargs
}

expect "Route 1 4 0" row
expect "50 40 4 0" row --thresholds
expect "1 1 4 0" row --persistent-conn
read -r conns inpkts outpkts inbytes outbytes <<<"$(row --stats)"
expect "4 0 0" echo "$conns $outpkts $outbytes"
between 12 40 "$inpkts" "packets in"
between 500 4000 "$inbytes" "bytes in"
expect "gue:6080:+c" echo "$(ipvsadm -Ln --tun-info | awk -v server="$R1:9" '$2 == server { print $4 }')"
expect "$VIP:9 $VIP:7" echo "$(ipvsadm -Ln --nosort | awk '/^(TCP|UDP)/ { print $2 }' | sort -r | xargs)"
expect "$R1:7 $R2:7 $R3:7" echo "$(ipvsadm -Ln --sort -t "$VIP:7" | awk '$1 == "->" && NR > 3 { print $2 }' | xargs)"
expect "4" echo "$(connections | grep -c "^TCP ESTABLISHED $CLIENT_ADDR:.* $VIP:7 $R3:7$")"
expect "Timeout (tcp tcpfin udp): 900 120 300" ipvsadm -l --timeout
if [ "${DIRECTOR:-}" != kernel ]; then
	expect "4" echo "$(ipvsadm -Lcn -j | jq '[.. | objects | select(.state? == "ESTABLISHED")] | length')"
fi
# By name, without -n: what the hosts file and the list of services say of it, or the number.
expect "4" echo "$(ipvsadm -Lc | grep -c ESTABLISHED)"
