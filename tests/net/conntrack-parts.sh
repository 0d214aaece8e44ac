#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# conntrack=1: answers in fragments are the virtual address's, and are counted as the packets that
# they are of, whether their server sends them so or the director cuts them. A connection whose
# segments are cut stays established.
# doors: xdp tc
# families: 4 6
# options: -m --stats
. "$(dirname "$0")/lib/test.sh"

cluster 2
lab_masq
on director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
culvert attach eth1 --mode "$door"
setting conntrack=1
all_tracked
headers=28
[ "$family" = 4 ] || headers=48

# A server that answers with as many bytes as it is asked for, and one that sends a lot at once, in
# segments that may be cut (IP_PMTUDISC_DONT).
start r1 /usr/bin/python3 -u -c '
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock, many = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family)
sock.bind((sys.argv[1], 22))
many.setsockopt(socket.IPPROTO_IP, 10, 0)
many.bind((sys.argv[1], 23))
many.listen()
def pour():
    client = many.accept()[0]
    client.sendall(bytes(200000))
    client.recv(1)
threading.Thread(target=pour, daemon=True).start()
print("ready")
while True:
    data, client = sock.recvfrom(100)
    sock.sendto(bytes(i % 251 for i in range(int(data))), client)
' "${R_ADDR[1]}" >"$LAB_DIR/server"
disown
within 20 "ready" cat "$LAB_DIR/server"
ipvsadm -A -u "$VIP:7" -s rr
ipvsadm -a -u "$VIP:7" -r "$R1:22" -m

# ask BYTES...: what comes of asking for so many, from one socket that hears the virtual address alone.
ask() {
	on client /usr/bin/python3 - "$VIP_ADDR" "$@" <<-'END'
		import socket, sys
		address, *sizes = sys.argv[1:]
		sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
		sock.settimeout(5)
		sock.connect((address, 7))
		for size in map(int, sizes):
		    sock.send(b"%d" % size)
		    print("whole" if sock.recv(65536) == bytes(i % 251 for i in range(size)) else "damaged")
	END
}

answered() { stats | awk 'NR == 1 { print $2, $4, $6 }'; }
expect $'whole\nwhole\nwhole\nwhole' ask 100 4000 1473 60000
within 30 "1 4 $((100 + 4000 + 1473 + 60000 + 4 * headers))" answered	# the kernel's are as old as its last estimate

# The way to the client is narrower than the server's: the director cuts IPv4 that may be cut.
[ "$family" = 4 ] || exit 0
ip -n "$LAB-director" link set eth0 mtu 1300
ipvsadm -C
ipvsadm -A -t "$VIP:9" -s rr
ipvsadm -a -t "$VIP:9" -r "$R1:23" -m
start client /usr/bin/python3 -u -c '
import socket, sys, time
sock = socket.create_connection((sys.argv[1], 9), 10)
print(len(sock.makefile("rb").read(200000)))
time.sleep(60)
' "$VIP_ADDR" >"$LAB_DIR/got"
disown
within 20 200000 cat "$LAB_DIR/got"
cut=$(on director awk '/^Ip:/ { print $18 }' /proc/net/snmp | tail -n 1)	# FragOKs
[ "$cut" -gt 100 ] || fail "$cut packets were cut"
expect "TCP ESTABLISHED" awk '$1 == "TCP" { print $1, $2 }' <(connections)
expect "-> 1 0" awk '$1 == "->" && $2 ~ /:23$/ { print $1, $5, $6 }' <(ipvsadm -Ln)
