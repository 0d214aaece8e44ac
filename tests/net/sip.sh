#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --pe sip, with a real SIP client and real servers: a call stays with its server, whatever port
# and whichever address of the client's network its messages come from; calls of one client go to
# all servers.
# doors: xdp tc
# families: 4 6
# options: --pe -p -M
. "$(dirname "$0")/lib/test.sh"
export TERM=dumb		# which SIPp would draw on

calls=12
cluster
if [ "$family" = 4 ]; then
	other=207.175.44.2 network=255.255.255.0
	lab_address client eth0 $other/32
else
	other=2001:db8:44::2 network=64
	lab_address client eth0 $other/128
fi

# keeping NAME: options of a SIPp that keeps its logs by that name.
keeping() {
	echo -nostdin -max_socket 1000 -watchdog_interval 0 -trace_logs -log_file "$LAB_DIR/$1.log" \
		-trace_err -error_file "$LAB_DIR/$1.errors"
}

# callers NAME SCENARIO ADDRESS: as many calls from that address, each from a port of its own.
callers() {
	# shellcheck disable=SC2046 # options
	on client sipp $(keeping "$1") -sf "$here/sip/$2.xml" -i "$3" -t un -m $calls -r 50 \
		-cid_str 'call-%u@culvert' -timeout 30 -timeout_error "$VIP:5060" >"$LAB_DIR/$1.out" 2>&1 ||
		fail "the $1: $(tail -n 5 "$LAB_DIR/$1.errors" "$LAB_DIR/$1.out")"
}

listening() { on "$1" ss -Huln "sport = 5060" | wc -l; }

# heard METHOD: the calls of which a server got such a message: "SERVER CALL-ID", sorted.
heard() {
	local server
	for server in r1 r2 r3; do
		sed -n "s/.*$1 \(call-[^ ]*\).*/$server \1/p" "$LAB_DIR/$server.log"
	done | sort
}

ipvsadm -A -u "$VIP:5060" -s rr -p 60 -M $network --pe sip
for n in 1 2 3; do
	address=R$n
	ipvsadm -a -u "$VIP:5060" -r "${!address}:5060" -g
	# shellcheck disable=SC2046 # options
	start r$n sipp $(keeping r$n) -sf "$here/sip/answer.xml" -i "$VIP_ADDR" -p 5060 -t u1 \
		>"$LAB_DIR/r$n.out" 2>&1 </dev/null
	disown
	within 20 1 listening r$n
done

callers first begin "$CLIENT_ADDR"
expect "4 4 4" echo "$(heard INVITE | cut -d' ' -f1 | uniq -c | awk '{ print $1 }' | xargs)"
expect "$(heard INVITE)" heard ACK
callers second end "$other"
expect "$(heard INVITE)" heard BYE

# Each call is listed with its Call-ID, which is once.
expect "$(seq $calls | sed 's/.*/sip call-&@culvert/' | sort)" \
	echo "$(ipvsadm -Lcn --persistent-conn | awk '$7 == "sip" { print $7, $8 }' | sort)"

[ "${DIRECTOR:-}" != kernel ] || exit 0
# Without its call a template is none: connections are saved, it is not.
saved=$(culvert save -c)
expect 0 grep -c '^conn .* template ' <<<"$saved"
[ "$(grep -c '^conn udp' <<<"$saved")" -ge $calls ] || fail "the calls' own connections are not saved: $saved"
