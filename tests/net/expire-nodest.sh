#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# expire_nodest_conn: with the server, its connections go, and their templates; without it they wait
# for the server to come back.
# families: 4 6
# options: -d -D -p
. "$(dirname "$0")/lib/test.sh"

cluster
mute
service -t 80 -s rr -p 300
service -u 53 -s rr
wire "tcp $CLIENT:5001 > $VIP:80 S" "udp $CLIENT:5001 > $VIP:53" "udp $CLIENT:5002 > $VIP:53" >"$LAB_DIR/sent"
kept="TCP NONE $CLIENT:0 $VIP:80 $R3:80
TCP SYN_RECV $CLIENT:5001 $VIP:80 $R3:80
UDP UDP $CLIENT:5001 $VIP:53 $R3:53
UDP UDP $CLIENT:5002 $VIP:53 $R2:53"
expect "$kept" connections

# A server that leaves meanwhile, and comes back.
ipvsadm -d -t "$VIP:80" -r "$R3:80"
sleep 0.5
expect "$kept" connections
ipvsadm -a -t "$VIP:80" -r "$R3:80" -g

setting expire_nodest_conn=1
ipvsadm -d -u "$VIP:53" -r "$R3:53"
within 5 "$(grep -vF "$CLIENT:5001 $VIP:53" <<<"$kept")" connections
ipvsadm -D -t "$VIP:80"
within 5 "$(grep -F "$CLIENT:5002" <<<"$kept")" connections
ipvsadm -C
within 5 "" connections
