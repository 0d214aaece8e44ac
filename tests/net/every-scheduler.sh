#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every scheduler that rr, wrr, lc, wlc do not stand for, and every flag, with real connections that
# stay open: the server that each one reaches. The servers are looked at last added first, r3 before r2.
# doors: xdp tc
# families: 4 6
# options: -s -b sed nq fo ovf dh sh mh lblc lblcr sh-fallback sh-port mh-fallback mh-port
. "$(dirname "$0")/lib/test.sh"

cluster
serve_names 7 r1 r2 r3

# begin SCHEDULER [OPTION...]: a service with weights 3, 2 and 1, and nothing open.
begin() {
	say "$*"
	[ -z "${to:-}" ] || talk close >/dev/null
	ipvsadm -C
	WEIGHTS=${WEIGHTS:-3 2 1} service -t 7 -s "$@"
	talker tcp 7
}

# same N: N more connections reach one server, whose name this prints; or "several".
same() {
	local name rest
	read -r name _ rest <<<"$(talk open "$1")"
	[ "$rest" = "failed 0" ] && echo "$name" || echo several
}

# How long a server would be busy: (connections + 1) / weight.
begin sed
expect "r1 r2 r1 r3 r2 r1 r1 r2 r1 r3 r2 r1" talk order 12
expect "3" talk close r2 3
expect "r2 r2 r2" talk order 3

# The same, but one that is idle comes first.
begin nq
expect "r3 r2 r1" talk order 3
expect "r1 r2 r1 r1" talk order 4
expect "1" talk close r3 1
expect "r3" talk order 1

# The heaviest takes all, and its successor when it is taken out.
begin fo
expect "r1 5, failed 0" talk open 5
ipvsadm -e -t "$VIP:7" -r "$R1:7" -g -w 0
expect "r2 5, failed 0" talk open 5
expect "r1 5, r2 5, failed 0" talk ask

# The heaviest until it has more connections than its weight, then the next.
begin ovf
expect "r1 r1 r1 r1 r2 r2 r2 r3 r3 failed" talk order 10

# By the address asked for: one address, one server. Its cache is empty again in a new service.
begin dh
[ "$(same 8)" != several ] || fail "dh: several servers for one address"
for scheduler in lblc lblcr; do
	WEIGHTS="100 100 100" begin $scheduler
	chosen=$(same 8)
	[ "$chosen" != several ] || fail "$scheduler: several servers for one address"
	number=${chosen#r} server=R$number
	ipvsadm -e -t "$VIP:7" -r "${!server}:7" -g -w 0
	other=$(same 8)
	[[ $other != several && $other != "$chosen" ]] ||
		fail "$scheduler: $chosen was taken out, and new connections go to $other"
done

# By the client's address: one client, one server; with its port, all of them. Without a fallback
# a server that is taken out leaves its clients with none.
declare -A fallback=([sh]=sh-fallback [mh]=mh-fallback) port=([sh]=sh-port [mh]=mh-port)
for scheduler in sh mh; do
	WEIGHTS="1 1 1" begin $scheduler
	chosen=$(same 8)
	[ "$chosen" != several ] || fail "$scheduler: several servers for one client"
	number=${chosen#r} server=R$number
	ipvsadm -e -t "$VIP:7" -r "${!server}:7" -g -w 0
	expect "failed 1" talk open 1
	ipvsadm -E -t "$VIP:7" -s $scheduler -b "${fallback[$scheduler]}"
	other=$(same 8)
	[[ $other != several && $other != "$chosen" ]] ||
		fail "$scheduler-fallback: $chosen was taken out, and new connections go to $other"
	WEIGHTS="1 1 1" begin $scheduler -b "${port[$scheduler]}"
	[[ $(talk open 40) =~ ^r1\ [0-9]+,\ r2\ [0-9]+,\ r3\ [0-9]+,\ failed\ 0$ ]] ||
		fail "$scheduler-port: not all servers were reached"
done
