#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux 6.1, the oldest kernel that culvert supports, loads and attaches every program, the load balancer's and
# ipvlan's, by XDP and by tc (clsact), and packet/live, which takes all ways through the data path, passes there.
# All tests do: tests/reference/suite.
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

inside() {
	PATH=$build:$PATH
	uname -r
	ip netns add s1
	for device in e0 e1; do
		ip link add $device type veth peer name $device-far
		ip link set $device up
		ip link set $device-far up
	done
	ip address add 10.1.0.1/24 dev e0-far

	culvert attach e0 --mode xdp --max-conns 1024
	attached e0 "xdp native, clsact ingress"
	culvert attach e1 --mode tc
	attached e1 "clsact ingress"
	culvert link add link e0 name i0 type ipvlan netns s1 addr 10.1.0.11/24 addr fd01::11/64 up
	tc filter show dev e0 ingress | grep -q 'master_in' || fail "ipvlan is not at e0"
	culvert ipvsadm -A -t 10.1.0.1:80 -s rr
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
