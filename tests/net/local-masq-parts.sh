#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A masq real server that is the director itself: its answers in fragments, and its ICMP errors,
# are the virtual address's too. They are counted as the server sent them, whole.
# options: --stats
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

own=$DIRECTOR_ADDR
[ "$family" = 4 ] || own="[$own]"
cluster
# A server that answers with as many bytes as it is asked for.
start director /usr/bin/python3 -u -c '
import socket, sys
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 22))
print("ready")
while True:
    data, client = sock.recvfrom(100)
    sock.sendto(bytes(i % 251 for i in range(int(data))), client)
' "$DIRECTOR_ADDR" >"$LAB_DIR/server"
disown
within 20 "ready" cat "$LAB_DIR/server"
ipvsadm -A -u "$VIP:7" -s rr
ipvsadm -a -u "$VIP:7" -r "$own:22" -m
ipvsadm -A -u "$VIP:8" -s rr
ipvsadm -a -u "$VIP:8" -r "$own:23" -m		# where nobody listens

# ask PORT BYTES...: what comes of asking for so many, from one socket that hears the virtual address alone.
ask() {
	on client /usr/bin/python3 - "$VIP_ADDR" "$@" <<-'END'
		import socket, sys
		address, port, *sizes = sys.argv[1:]
		sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
		sock.settimeout(3)
		sock.connect((address, int(port)))
		for size in map(int, sizes):
		    try:
		        sock.send(b"%d" % size)
		        print("whole" if sock.recv(65536) == bytes(i % 251 for i in range(size)) else "damaged")
		    except OSError as error:
		        print(error.strerror or "no answer")
	END
}

expect $'whole\nwhole\nwhole\nwhole' ask 7 100 4000 1473 60000
headers=28
[ "$family" = 4 ] || headers=48
answered() { stats | awk 'NR == 1 { print $2, $4, $6 }'; }
within 30 "1 4 $((100 + 4000 + 1473 + 60000 + 4 * headers))" answered	# the kernel's are as old as its last estimate
expect "Connection refused" ask 8 100
