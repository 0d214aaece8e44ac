#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A command that cannot have the lock says who has it; lists do not need it.
# seconds: 90
# long
. "$(dirname "$0")/lib/test.sh"
ours

lab_host director
ipvsadm -A -t 10.0.0.1:80
cookie=$(on director python3 -c 'import socket; print(int.from_bytes(
	socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8), "little"))')	# SO_NETNS_COOKIE
exec {held}<"/run/culvert/$cookie"
flock --exclusive "$held"
expect "-A -t 10.0.0.1:80 -s wlc" ipvsadm -Sn
refused "has held the lock for 30 s" ipvsadm -A -t 10.0.0.2:80
exec {held}<&-
expect "-A -t 10.0.0.1:80 -s wlc" ipvsadm -Sn
ipvsadm -A -t 10.0.0.2:80
