#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Frames of a VLAN on an attached device pass, untouched, to the stack, whatever they carry: the VLAN
# has a device of its own, and that may be attached.
# doors: xdp tc
# families: 4 6
. "$(dirname "$0")/lib/test.sh"
ours				# the kernel's IPVS is on every device at once

cluster
mute
service -t 80 -s rr
# Counts behind the doors, and before the stack looks for the VLAN's device.
on director nft -f - <<-END
	table netdev behind {
		counter tagged { }
		chain in {
			type filter hook ingress device eth0 priority 0;
			vlan id 100 counter name tagged
		}
	}
END
passed() {
	on director nft -j list counter netdev behind tagged | jq '.nftables[1].counter.packets'
}

syn="tcp $CLIENT:4000 > $VIP:80 S"
expect "" wire --vlan 100 "$syn x5"
expect "5" passed
expect "" connections
expect "r3: tcp $CLIENT_ADDR:4000 > $VIP_ADDR:80 S ttl 63" wire "$syn"
expect "5" passed
