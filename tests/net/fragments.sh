#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datagrams larger than the MTU reach one real server each, whole.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster 2
serve_names 7 r1 r2 r3
service -u 7 -s rr
talker udp 7
expect "r1 2, r2 2, r3 2, failed 0" talk open 6
expect "r1 2, r2 2, r3 2, failed 0" talk put 4000
expect "r1 2, r2 2, r3 2, failed 0" talk put 60000
expect $'r1 1 0 2\nr2 1 0 2\nr3 1 0 2' servers

# Not every option stands in every fragment (RFC 791, 3.1): their headers are of different lengths.
[ "$family" = 4 ] || exit 0
options='
import socket, struct, sys
vip, order, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((vip, 7))
udp.settimeout(3)
source, port = udp.getsockname()
whole = struct.pack("!4H", port, 7, 8 + size, 0) + b"x" * size
def piece(options, at, end):
    offset = at // 8 | (0x2000 if end < len(whole) else 0)
    return struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + end - at, port, offset,
        64, 17, 0, socket.inet_aton(source), socket.inet_aton(vip)) + options + whole[at:end]
half = len(whole) // 16 * 8
pieces = [piece(b"\1" * 8, 0, half), piece(b"", half, len(whole))]
for each in pieces if order == "first" else reversed(pieces):
    raw.sendto(each, (vip, 0))
print(udp.recv(100).decode().strip())
'
for order in first last; do
	for size in 100 2000; do
		on client python3 -c "$options" "$VIP" $order $size >"$LAB_DIR/heard" ||
			fail "no answer to $size bytes, the $order fragment first"
	done
done
