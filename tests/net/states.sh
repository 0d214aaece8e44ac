#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A TCP connection's state, what is left of its time, and whether it counts as active, after each
# packet of the client's: the director of direct routing sees no other.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"

cluster
mute
port=8000

# "STATE SECONDS ACTIVE INACTIVE"; the clock may have ticked on since the packet.
state() {
	local row left known shown=
	row=$(ipvsadm -Lcn | grep -F " $VIP:$port ")
	read -r _ left state _ <<<"$row"
	left=$((10#${left%:*} * 60 + 10#${left#*:}))
	for known in 10 60 120 300 900; do
		[ $((known - left)) -lt 0 ] || [ $((known - left)) -gt 2 ] || shown=$known
	done
	read -r _ _ active inactive <<<"$(servers)"
	echo "$state ${shown:-$left} $active $inactive"
}

# conversation NAME FLAGS STATE...
conversation() {
	local name=$1 flags
	shift
	port=$((port + 1))
	ipvsadm -A -t "$VIP:$port" -s rr
	ipvsadm -a -t "$VIP:$port" -r "$R1:$port" -g
	while [ $# -gt 0 ]; do
		flags=$1
		say "$name: $flags"
		expect "r1: tcp $CLIENT_ADDR:4000 > $VIP_ADDR:$port $flags ttl 63" \
			wire --wait "${STATE_WAIT:-0.06}" "tcp $CLIENT:4000 > $VIP:$port $flags"
		expect "$2" state
		shift 2
	done
	ipvsadm -D -t "$VIP:$port"
}

conversation "closed by the client" \
	S "SYN_RECV 60 1 0" A "ESTABLISHED 900 1 0" PA "ESTABLISHED 900 1 0" \
	FA "FIN_WAIT 120 0 1" A "FIN_WAIT 120 0 1" PA "FIN_WAIT 120 0 1"
conversation "reset" S "SYN_RECV 60 1 0" A "ESTABLISHED 900 1 0" R "CLOSE 10 0 1"
conversation "refused" S "SYN_RECV 60 1 0" R "SYN_RECV 60 1 0"
conversation "SYN repeated" S "SYN_RECV 60 1 0" S "SYN_RECV 60 1 0"
conversation "SYN in an open connection" \
	S "SYN_RECV 60 1 0" A "ESTABLISHED 900 1 0" S "ESTABLISHED 900 1 0"
conversation "SYN after FIN" S "SYN_RECV 60 1 0" A "ESTABLISHED 900 1 0" \
	FA "FIN_WAIT 120 0 1" S "SYN_RECV 60 1 0"
conversation "SYN after a reset" S "SYN_RECV 60 1 0" A "ESTABLISHED 900 1 0" \
	R "CLOSE 10 0 1" S "SYN_RECV 60 1 0"
conversation "FIN before ACK" S "SYN_RECV 60 1 0" FA "TIME_WAIT 120 0 1"
conversation "FIN without ACK" S "SYN_RECV 60 1 0" F "TIME_WAIT 120 0 1"

# With two servers: after FIN a new connection from the same port stays, after a reset it moves on.
ipvsadm -A -t "$VIP:80" -s rr
ipvsadm -a -t "$VIP:80" -r "$R1:80" -g
ipvsadm -a -t "$VIP:80" -r "$R2:80" -g
from="tcp $CLIENT:4001 > $VIP:80"
at="tcp $CLIENT_ADDR:4001 > $VIP_ADDR:80"
expect "r2: $at S ttl 63
r2: $at A ttl 63
r2: $at FA ttl 63
r2: $at S ttl 63
r2: $at A ttl 63
r2: $at R ttl 63" wire "$from S" "$from A" "$from FA" "$from S" "$from A" "$from R"
expect "r1: $at S ttl 63
r1: $at A ttl 63" wire "$from S" "$from A"
