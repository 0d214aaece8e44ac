#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# attach and detach refuse what they cannot do in one line, and change nothing.
. "$(dirname "$0")/lib/test.sh"
ours

# What is on the director's devices, and what culvert says of itself.
picture() {
	on director ip -d -j link show | jq -c '.[] | [.ifname, .xdp]'
	on director tc filter show dev eth0 ingress
	on director bpftool net list
	culvert status 2>&1 | sed 4q || true
}

unprivileged() {
	on director setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		--bounding-set=-all "$BUILD/culvert" "$@"
}

lab_up
before=$(picture)
refused "nosuch0" culvert attach nosuch0
refused "sideways" culvert attach eth0 --mode sideways
refused "max-conns" culvert attach eth0 --max-conns many
refused "usage" culvert attach
refused "ermission denied" unprivileged attach eth0
refused "no culvert" culvert detach eth0

# Another's XDP program stays where it is.
start director foreign-xdp eth0 >"$LAB_DIR/foreign"
foreign=$!
within 30 "ready" cat "$LAB_DIR/foreign"
with_foreign=$(picture)
refused "XDP" culvert attach eth0 --mode xdp
expect "$with_foreign" picture
kill "$foreign"
wait "$foreign" || true
within 30 "$before" picture

culvert attach eth0 --max-conns 65536 --max-conns6 8192
attached=$(picture)
refused "attached" culvert attach eth0
refused "attached" culvert attach eth0 --mode tc
refused "65536" culvert attach lo --max-conns 1000
refused "8192 of IPv6" culvert attach lo --max-conns6 65536
expect true eval "culvert status -j | jq '.tables | .conns4.slots >= 65536 and .conns6.slots >= 8192 and .conns6.slots < 16384'"
refused "nosuch0" culvert detach nosuch0
refused "lo" culvert detach lo
refused "ermission denied" unprivileged detach eth0
expect "$attached" picture

culvert detach --all
expect "$before" picture
