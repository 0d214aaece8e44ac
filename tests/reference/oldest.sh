#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux 6.1, the oldest kernel that culvert supports, loads and attaches every program, the load balancer's and
# ipvlan's, by XDP and by tc (clsact), and packet/live, which takes all ways through the data path, passes there.
# All tests do: tests/reference/suite. And here is a clock that may be set: connections do not notice.
# seconds: 180
set -euo pipefail
build=$(realpath "${BUILD:-$(dirname "$0")/../../build}")

fail() {
	echo "$*" >&2
	exit 1
}

# attached DEVICE HOW: what `culvert status` says of it
attached() {
	culvert status | grep "^  $1 " | grep -qF "$2" || fail "$1 is not attached by $2: $(culvert status)"
}

# One connection, half open, has its minute, whatever the time of day.
minute() {
	culvert ipvsadm -Lcn -j | jq -e '.connections | length == 1 and .[0].expires > 30 and .[0].expires <= 60' \
		>/dev/null || fail "$1: $(culvert ipvsadm -Lcn)"
}

clock_jumps() {
	culvert ipvsadm -A -t 10.9.9.9:80 -s rr
	culvert ipvsadm -a -t 10.9.9.9:80 -r 10.1.0.2 -g
	ip netns exec far timeout 0.3 bash -c '</dev/tcp/10.9.9.9/80' 2>/dev/null || true
	minute "a connection"
	date -s "10 years" >/dev/null
	sleep 0.5
	minute "years later"
	date -s "20 years ago" >/dev/null
	sleep 0.5
	minute "years before"
	culvert ipvsadm -D -t 10.9.9.9:80
}

inside() {
	PATH=$build:$PATH
	uname -r
	ip netns add s1
	for device in e0 e1; do
		ip link add $device type veth peer name $device-far
		ip link set $device up
		ip link set $device-far up
	done
	ip netns add far
	ip link set e0-far netns far
	ip -n far address add 10.1.0.2/24 dev e0-far
	ip -n far link set e0-far up
	ip -n far route add 10.9.9.9 via 10.1.0.1
	ip address add 10.1.0.1/24 dev e0

	culvert attach e0 --mode xdp --max-conns 1024
	attached e0 "xdp native, clsact ingress"
	culvert attach e1 --mode tc
	attached e1 "clsact ingress"
	culvert link add link e0 name i0 type ipvlan netns s1 addr 10.1.0.11/24 addr fd01::11/64 up
	tc filter show dev e0 ingress | grep -q 'master_in' || fail "ipvlan is not at e0"
	clock_jumps
	culvert detach --all
	culvert link -n s1 del i0
	! culvert status 2>/dev/null || fail "culvert is still there"
	"$build/tests/packet/packet-live"
}

if [ -n "${CULVERT_VM:-}" ]; then
	inside
	exit
fi
for file in /usr/bin/qemu-system-x86_64 /usr/lib/qemu/virtiofsd /boot/vmlinuz-*-cloud-amd64; do
	[ -e "$file" ] || { echo "no ${file##*/}: tools/install-deps vm installs it" && exit 77; }
done
exec "$(dirname "$0")/vm" --timeout 150 env BUILD="$build" "$(realpath "$0")"
