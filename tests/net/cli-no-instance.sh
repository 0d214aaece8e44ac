#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A namespace without services: lists are empty, there is nothing to change, and nothing is made.
. "$(dirname "$0")/lib/test.sh"

lab_host director

title="Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
expect "IP Virtual Server version 1.2.1 (size=4096)
$title" ipvsadm -Ln
expect "IP Virtual Server version 1.2.1 (size=4096)
$title" ipvsadm
expect "IPVS connection entries
pro expire state       source             virtual            destination" ipvsadm -Lcn
expect "Timeout (tcp tcpfin udp): 900 120 300" ipvsadm -L --timeout
expect "" ipvsadm -L --daemon
expect "" ipvsadm -Sn
expect "" ipvsadm -R </dev/null
ipvsadm -C
ipvsadm -Z
refused "No such service" ipvsadm -Ln -t 10.0.0.1:80
refused "No such service" ipvsadm -D -t 10.0.0.1:80
refused "No such service" ipvsadm -E -t 10.0.0.1:80 -s rr
refused "No such service" ipvsadm -Z -t 10.0.0.1:80
refused "Service not defined" ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1
refused "Service not defined" ipvsadm -e -t 10.0.0.1:80 -r 10.0.1.1
refused "Service not defined" ipvsadm -d -t 10.0.0.1:80 -r 10.0.1.1
refused "Scheduler or persistence engine not found" ipvsadm -A -t 10.0.0.1:80 -s nosuch
refused "No daemon is running" ipvsadm --stop-daemon master

ours
cookie=$(on director python3 -c 'import socket; print(int.from_bytes(
	socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8), "little"))')	# SO_NETNS_COOKIE
on director ip link add up0 type veth peer name up1
refused 'Cannot find device "nosuch"' culvert link add link nosuch name i0 type ipvlan
refused "cannot be a master" culvert link add link lo name i0 type ipvlan
refused 'no network namespace "nosuch"' culvert link add link up0 name i0 type ipvlan netns nosuch
refused 'Cannot find device "i0"' culvert link del i0
expect "" culvert track --once
refused "no culvert in this network namespace" culvert detach --all
refused "at most" culvert attach up0 --max-conns 4000000000
refused "there is no setting" culvert sysctl nosuch=1
# Made for a setting that then cannot be set: the last of its locks is refused. (Before those come others', of all
# instances that there are, which may be one more or less the next time: until it is the last.)
traced=(on director strace -qq -o "$LAB_DIR/trace" -e "trace=flock,mkdirat")
for _ in {1..5}; do
	"${traced[@]}" "$BUILD/culvert" sysctl sloppy_tcp=1 >/dev/null
	culvert detach --all
	last=$(grep '^flock' "$LAB_DIR/trace" | awk '/LOCK_EX/ { n = NR } END { print n }')
	if "${traced[@]}" -e "inject=flock:error=ENOLCK:when=$last" "$BUILD/culvert" sysctl sloppy_tcp=1 \
		>/dev/null 2>"$LAB_DIR/err"; then
		culvert detach --all
	elif grep -q '"maps"' "$LAB_DIR/trace"; then
		break
	fi
done
expect "1" grep -c "No locks available" "$LAB_DIR/err"
grep -q '"maps"' "$LAB_DIR/trace" || fail "nothing was made: $(cat "$LAB_DIR/trace")"
refused "does not exist" culvert link show link nosuch
echo "culvert-save 1" | culvert restore
[ ! -e "/run/culvert/$cookie" ] || fail "/run/culvert/$cookie was made"
expect '{"services":[]}' ipvsadm -Lj
expect '{"services":[]}' culvert -j ipvsadm

# What needs none.
expect "$(culvert --version)" jq -r '"culvert \(.version)"' <(culvert -j --version)
expect "$(culvert help | awk '/^  [a-z]/ { print $1 }')" jq -r '.[].command' <(culvert help -j)
expect "$(culvert attach --help)" culvert help attach
refused 'no command "nosuch"' culvert help nosuch

# The data path of ipvlan goes with the last slave, however that goes, and the instance with it.
add_slave() {
	culvert link add link up0 name i0 type ipvlan
	[ -e "/run/culvert/$cookie/ipvlan" ] || fail "no data path of ipvlan"
}

for remove in "culvert link del i0" "on director ip link del i0" "on director ip link del up0"; do
	add_slave
	refused "no load balancer in this network namespace" culvert detach --all
	expect "" culvert link add link up0 name i1 type ipvlan
	culvert link del i1
	[ -e "/run/culvert/$cookie/ipvlan" ] || fail "the data path went before the last slave"
	$remove
	culvert track --once
	[ ! -e "/run/culvert/$cookie" ] || fail "/run/culvert/$cookie stayed: $remove"
done
# What a killed command has left: a data path without slaves.
on director ip link add up0 type veth peer name up1
add_slave
on director ip link del i0
culvert detach --all
[ ! -e "/run/culvert/$cookie" ] || fail "/run/culvert/$cookie stayed: detach --all"

# The first service makes it.
ipvsadm -A -t 10.0.0.1:80
expect "-A -t 10.0.0.1:80 -s wlc" ipvsadm -Sn
[ -e "/run/culvert/$cookie" ] || fail "/run/culvert/$cookie is not there"
