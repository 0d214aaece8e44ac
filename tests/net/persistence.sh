#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -p: a client stays with its server, until it is forgotten; -M: so do the others of its network;
# any port; what is listed of it. -o: each datagram is scheduled by itself.
# doors: xdp tc
# families: 4 6
# options: -p -M -o --persistent-conn -c
. "$(dirname "$0")/lib/test.sh"

cluster
for port in 7 8 9; do
	serve_names $port r1 r2 r3
done
if [ "$family" = 4 ]; then
	lab_address client eth0 207.175.44.2/32 207.175.44.66/32
	clients=(207.175.44.1 207.175.44.2 207.175.44.66) half="255.255.255.192"
else
	lab_address client eth0 2001:db8:44::2/128 2001:db8:44:0:8000::1/128
	clients=(2001:db8:44::1 2001:db8:44::2 2001:db8:44:0:8000::1) half=65
	ip -n "$LAB-r1" route add 2001:db8:44:0:8000::/65 via 2001:db8:10::253
fi

# from CLIENT PORT: the server that its next connection reaches.
from() {
	on client /usr/bin/python3 - "$1" "$VIP_ADDR" "$2" <<-'END'
		import socket, sys
		with socket.create_connection((sys.argv[2], int(sys.argv[3])), 2, (sys.argv[1], 0)) as sock:
		    sock.sendall(b"who\n")
		    print(sock.recv(100).decode().strip())
	END
}

# Templates have the client's address and port 0.
templates() { ipvsadm -Lcn | awk '$4 ~ /:0$/ { n++ } END { print n + 0 }'; }

# Forgotten, when its connections are.
ipvsadm --set 900 1 300
service -t 7 -s rr -p 2
expect "r3" from "${clients[0]}" 7
expect 1 templates
within 10 0 templates
expect "r2" from "${clients[0]}" 7
within 10 0 templates
ipvsadm -C
ipvsadm --set 900 120 300

service -t 8 -s rr -p 60
expect "r3 r3 r3" echo "$(for _ in 1 2 3; do from "${clients[0]}" 8; done | xargs)"
expect "r2 r2 r2" echo "$(for _ in 1 2 3; do from "${clients[1]}" 8; done | xargs)"
expect "r1" from "${clients[2]}" 8
expect "r3" from "${clients[0]}" 8
expect 3 templates		# one a client
expect "TCP $VIP:8 1 1 1" echo "TCP $VIP:8 $(ipvsadm -Ln --persistent-conn | awk '/->/ && NR > 3 { print $4 }' | xargs)"

# The first and the second are of one network.
ipvsadm -C
service -t 9 -s rr -p 60 -M $half
expect "r3" from "${clients[0]}" 9
expect "r3" from "${clients[1]}" 9
expect "r2" from "${clients[2]}" 9

# Any port: what is asked for does not matter, who asks does.
ipvsadm -C
service -t 0 -s rr -p 60
expect "r3" from "${clients[0]}" 7
expect "r3 r3" echo "$(from "${clients[0]}" 8) $(from "${clients[0]}" 9)"
expect "r2" from "${clients[1]}" 7

# Datagrams: a flow keeps its server; with -o it has none, and nothing is listed.
ipvsadm -C
service -u 7 -s rr
talker udp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r3 6, failed 0" echo "$(talk close >/dev/null; talk open 1 >/dev/null; for _ in 1 2 3 4 5 6; do talk ask; done |
	cut -d' ' -f1 | sort | uniq -c | awk '{ print $2, $1 ", failed 0" }')"
ipvsadm -C
service -u 7 -s rr -o
talker udp 7
talk open 1 >/dev/null
expect "2 r1,2 r2,2 r3" echo "$(for _ in 1 2 3 4 5 6; do talk ask; done | cut -d' ' -f1 | sort | uniq -c | xargs -n2 | paste -sd,)"
expect "" awk "/ $VIP_ADDR:7 |\\[$VIP_ADDR\\]:7 / && /UDP/ && !/ 0[0-4]:[0-9][0-9] /" <(ipvsadm -Lcn)
