#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A slave with more addresses than a line of 64 KiB has room for is saved, and restored, as any other.
. "$(dirname "$0")/../lib/test.sh"
ours

lab_host director
ip -n "$LAB-director" link add up0 type veth peer name up1
mapfile -t addresses < <(for n in {0..15}; do for h in {1..240}; do echo "10.77.$n.$h/32"; done; done)
culvert link add link up0 name i0 type ipvlan mode l3
culvert addr add "${addresses[@]}" dev i0
owned() {
	culvert addr show -j | jq -r '.[].addr_info[] | select(.owned) | "\(.local)/\(.prefixlen)"' | sort
}
expect "$(printf '%s\n' "${addresses[@]}" | sort)" owned
before=$(owned)
culvert save -o "$LAB_DIR/saved"
[ "$(wc -L <"$LAB_DIR/saved")" -gt 65536 ] || fail "that is no long line"
culvert link del i0
culvert restore <"$LAB_DIR/saved"
expect "$before" owned
