#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A masq real server that is the director itself: its answers leave as the virtual address's. The
# program that sees to that is there as long as such a server is; with its connections it stays until
# the next change that finds none.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours

# answering: the devices that carry it.
answering() {
	local pin name
	for pin in "/run/culvert/$(tail -n1 "$LAB_DIR/instances")/links/"*-out; do
		name=$(on director ip -j link | jq -r ".[] | select(.ifindex == $(basename "${pin%%-*}")) | .ifname")
		[ "$name" = culvert0 ] || echo "$name"
	done | sort
}

own=$DIRECTOR_ADDR
[ "$family" = 4 ] || own="[$own]"
cluster
start director serve director 22 "$DIRECTOR_ADDR" >"$LAB_DIR/serve"
disown
within 20 "ready" cat "$LAB_DIR/serve"
for proto in t u; do
	ipvsadm -A -$proto "$VIP:7" -s rr
	ipvsadm -a -$proto "$VIP:7" -r "$own:22" -m
done
expect "$(printf '%s\n' eth0 lo)" answering
for proto in tcp udp; do
	talker $proto 7
	expect "director 6, failed 0" talk open 6
	expect "director 6, failed 0" talk ask
done
expect "6" awk '/^TCP/ { n++ } END { print n + 0 }' <(connections)

# What a server still has to say when it has left its service reaches the client.
mkfifo "$LAB_DIR/word"
start director python3 -c '
import socket, sys
s = socket.create_server((sys.argv[1], 23), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c = s.accept()[0]
print(c.recv(9).decode(), flush=True)
c.sendall(open(sys.argv[2], "rb").read())
c.recv(9)' "$DIRECTOR_ADDR" "$LAB_DIR/word" >"$LAB_DIR/late"
disown
within 20 "ready" cat "$LAB_DIR/late"
ipvsadm -A -t "$VIP:8" -s rr
ipvsadm -a -t "$VIP:8" -r "$own:23" -m
start client python3 -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 8), timeout=20)
c.sendall(b"hello")
print(c.recv(9).decode(), flush=True)' "$VIP_ADDR" >"$LAB_DIR/heard"
heard=$!
within 20 $'ready\nhello' cat "$LAB_DIR/late"
for gone in "-t $VIP:8 -r $own:23" "-t $VIP:7 -r $own:22" "-u $VIP:7 -r $own:22"; do
	# shellcheck disable=SC2086 # options
	ipvsadm -d $gone
	expect "$(printf '%s\n' eth0 lo)" answering
done
echo late >"$LAB_DIR/word"
wait $heard
expect "late" cat "$LAB_DIR/heard"

# It goes with the change that ends the last connection.
culvert sysctl expire_nodest_conn=1 >/dev/null
ipvsadm -a -t "$VIP:8" -r "$own:23" -m
ipvsadm -a -t "$VIP:7" -r "$own:22" -m
ipvsadm -a -u "$VIP:7" -r "$own:22" -m
ipvsadm -C
expect "" connections
expect "" answering
