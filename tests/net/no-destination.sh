#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No server for a new connection, because there is none or none has weight: the virtual address
# answers that the port is unreachable, to TCP as to UDP.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
mute
refused_as() {
	echo "client: icmp $VIP_ADDR > $CLIENT_ADDR port-unreachable ttl 64 about $1"
}
tcp="tcp $CLIENT_ADDR:4000 > $VIP_ADDR:80"
udp="udp $CLIENT_ADDR:4000 > $VIP_ADDR:53"

ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -A -u "$VIP:53" -s rr
expect "$(refused_as "$tcp S ttl 64")" wire "tcp $CLIENT:4000 > $VIP:80 S"
expect "$(refused_as "$udp ttl 64 len 4")" wire "udp $CLIENT:4000 > $VIP:53 len 4"

ipvsadm -a -t "$VIP:80" -r "$R1:80" -g -w 0
ipvsadm -a -u "$VIP:53" -r "$R1:53" -g -w 0
expect "$(refused_as "$tcp S ttl 7")" wire "tcp $CLIENT:4000 > $VIP:80 S ttl 7"
expect "$(refused_as "$udp ttl 64 len 600")" wire "udp $CLIENT:4000 > $VIP:53 len 600"
expect "" connections
