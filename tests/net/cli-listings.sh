#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every list of ipvsadm, to the letter, trailing blanks included, with connections in it.
# doors: tc xdp
. "$(dirname "$0")/lib/test.sh"

cluster
on director ping -q -c1 -W2 2001:db8:10::1 >/dev/null
mute

VIP6="[2001:db8:44::110]"
ipvsadm -A -t "$VIP:80" -s wrr
ipvsadm -a -t "$VIP:80" -r "$R1" -w 2
ipvsadm -a -t "$VIP:80" -r "$R2" -x 100 -y 50
ipvsadm -A -t "$VIP:443" -s lc
ipvsadm -A -u "$VIP:53" -s rr
ipvsadm -a -u "$VIP:53" -r "$R3" -w 0
ipvsadm -A -t "$VIP6:80" -s wlc
ipvsadm -a -t "$VIP6:80" -r "[2001:db8:10::1]:80"

wire "tcp $CLIENT:4000 > $VIP:80 S" "tcp $CLIENT:4001 > $VIP:80 S" "tcp $CLIENT:4002 > $VIP:80 S" \
	"tcp $CLIENT:4000 > $VIP:80 A" "tcp $CLIENT:4001 > $VIP:80 A" "tcp $CLIENT:4001 > $VIP:80 FA" \
	"tcp [2001:db8:44::1]:4003 > $VIP6:80 S" >/dev/null

# list OPTION...: the list, but for what differs from one machine to the next: the size of the
# connection table, and the seconds (not the minutes) that connections have left.
list() {
	ipvsadm "$@" | sed -E 's/\(size=[0-9]+\)/(size=N)/; s/^(TCP [0-9]+):[0-9]{2} /\1:SS /'
}

title="IP Virtual Server version 1.2.1 (size=N)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
expect "$title
TCP  207.175.44.110:80 wrr
  -> 192.168.10.1:80              Route   2      1          1         
  -> 192.168.10.2:80              Route   1      1          0         
TCP  207.175.44.110:443 lc
UDP  207.175.44.110:53 rr
  -> 192.168.10.3:53              Route   0      0          0         
TCP  [2001:db8:44::110]:80 wlc
  -> [2001:db8:10::1]:80          Route   1      1          0         " list -Ln

# One service: without the first line.
expect "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  207.175.44.110:53 rr
  -> 192.168.10.3:53              Route   0      0          0         " list -Ln -u "$VIP:53"

# Servers as they come: the last added first.
expect "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  207.175.44.110:80 wrr
  -> 192.168.10.2:80              Route   1      1          0         
  -> 192.168.10.1:80              Route   2      1          1         " \
	list -Ln --nosort -t "$VIP:80"

expect "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  207.175.44.110:80                   3        6        0      240        0
  -> 192.168.10.1:80                     2        4        0      160        0
  -> 192.168.10.2:80                     1        2        0       80        0" \
	list -Ln --stats -t "$VIP:80"
expect "$(list -Ln --stats)" list -Ln --stats --exact

expect "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  207.175.44.110:80 wrr
  -> 192.168.10.1:80              0          0          1          1         
  -> 192.168.10.2:80              100        50         1          0         " \
	list -Ln --thresholds -t "$VIP:80"

expect "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  207.175.44.110:80 wrr
  -> 192.168.10.1:80              2         0           1          1         
  -> 192.168.10.2:80              1         0           1          0         " \
	list -Ln --persistent-conn -t "$VIP:80"

expect "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn
TCP  [2001:db8:44::110]:80 wlc
  -> [2001:db8:10::1]:80          Route   n/a           1      1          0         " \
	list -Ln --tun-info -t "$VIP6:80"

# Connections come in no order.
ordered() {
	list "$@" | awk 'NR <= 2 { print; next } { print | "LC_ALL=C sort" }'
}

connections_title="IPVS connection entries
pro expire state       source             virtual            destination"
expect "$connections_title
TCP 00:SS  SYN_RECV    207.175.44.1:4002  207.175.44.110:80  192.168.10.1:80
TCP 00:SS  SYN_RECV    [2001:db8:44::1]:4003 [2001:db8:44::110]:80 [2001:db8:10::1]:80
TCP 01:SS  FIN_WAIT    207.175.44.1:4001  207.175.44.110:80  192.168.10.1:80
TCP 14:SS  ESTABLISHED 207.175.44.1:4000  207.175.44.110:80  192.168.10.2:80" ordered -Lcn

expect "Timeout (tcp tcpfin udp): 900 120 300" list -L --timeout
expect "" list -L --daemon
expect "-A -t 207.175.44.110:80 -s wrr
-a -t 207.175.44.110:80 -r 192.168.10.1:80 -g -w 2
-a -t 207.175.44.110:80 -r 192.168.10.2:80 -g -w 1
-A -t 207.175.44.110:443 -s lc
-A -u 207.175.44.110:53 -s rr
-a -u 207.175.44.110:53 -r 192.168.10.3:53 -g -w 0
-A -t [2001:db8:44::110]:80 -s wlc
-a -t [2001:db8:44::110]:80 -r [2001:db8:10::1]:80 -g -w 1" list -Sn

# -Z: the counters alone.
ipvsadm -Z -t "$VIP:80"
expect "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  207.175.44.110:80                   0        0        0        0        0
  -> 192.168.10.1:80                     0        0        0        0        0
  -> 192.168.10.2:80                     0        0        0        0        0" \
	list -Ln --stats -t "$VIP:80"
expect "TCP  [2001:db8:44::110]:80               1        1        0       60        0" \
	eval "list -Ln --stats | grep 8:44::110"
ipvsadm -Z
expect "TCP  [2001:db8:44::110]:80               0        0        0        0        0" \
	eval "list -Ln --stats | grep 8:44::110"

ipvsadm -C
expect "$title" list -Ln
