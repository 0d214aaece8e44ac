#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real server that does not answer its neighbour: the client hears after three seconds that the
# host is unreachable, from the virtual address; and no more once the server is there.
# doors: xdp tc
# families: 4 6
# seconds: 240
. "$(dirname "$0")/lib/test.sh"
ours

# to PORT: a datagram from it, and what becomes of that; unreachable PORT: which may be this.
to() {
	wire "udp $CLIENT:$1 > $VIP:7"
}

unreachable() {
	echo "client: icmp $VIP_ADDR > $CLIENT_ADDR host-unreachable ttl 64 about udp $CLIENT_ADDR:$1 > $VIP_ADDR:7 ttl 63"
}

# from_then_on SECONDS PORT: datagrams from that port and those above are not answered before so many
# seconds have passed, and then they are.
from_then_on() {
	local begin=${EPOCHREALTIME/./} now port=$2 got
	while :; do
		port=$((port + 1))
		got=$(to $port)
		now=$(((${EPOCHREALTIME/./} - begin) / 1000))
		[ -z "$got" ] || break
		[ $now -lt 20000 ] || fail "silent for $now ms"
	done
	expect "$(unreachable "$port")" echo "$got"
	[ $now -ge $(($1 * 1000)) ] || fail "an answer after $now ms"
}

cluster
lab_masq
mute
# Somebody nobody has: nothing answers for it.
nobody=${R_ADDR[1]%1}99
real=$nobody len=24
[ "$family" = 4 ] || real="[$nobody]" len=64
for method in -g -m -i; do
	ipvsadm -A -u "$VIP:7" -s rr
	ipvsadm -a -u "$VIP:7" -r "$real:7" $method
	from_then_on 3 4000
	# It stays so, as long as somebody asks; a packet now and then asks the neighbour itself.
	heard=0
	for port in {5001..5016}; do
		[ -z "$(to "$port")" ] || heard=$((heard + 1))
	done
	between 5 16 "$heard" "answers to 16 packets"
	sleep 6		# after a pause it begins anew, for whichever method
	ipvsadm -C
done

# A server that comes to be there gets the next packet, or the one after that.
ipvsadm -A -u "$VIP:7" -s rr
ipvsadm -a -u "$VIP:7" -r "$real:7" -g
from_then_on 3 6000
lab_address r2 eth0 "$nobody/$len"
arrives() { to 6500 | sed -n 's/^\(r2: udp\) .* ttl 63$/\1/p'; }
within 20 "r2: udp" arrives
expect "r2: udp $CLIENT_ADDR:7000 > $VIP_ADDR:7 ttl 63" to 7000
