#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Settings: by either name, within their ranges; what is refused leaves all as it was.
. "$(dirname "$0")/lib/test.sh"
ours

cluster
before=$(culvert sysctl)
refused "sync_version is at most 1" culvert sysctl sync_version=2
refused "there is no setting nosuch" culvert sysctl nosuch=1
refused "nat_icmp_send: \"yes\" is not a number" culvert sysctl nat_icmp_send=yes
expect "$before" culvert sysctl
culvert sysctl conntrack=0 net.ipv4.vs.ignore_tunneled=0 >/dev/null
expect "$before" culvert sysctl
for name in nat_icmp_send snat_reroute ignore_tunneled; do
	culvert sysctl $name=1 net.ipv4.vs.$name=0 >/dev/null
	expect "net.ipv4.vs.$name = 0" culvert sysctl $name
	expect "{\"$name\":0}" jq -c . <(culvert sysctl -j $name)
	culvert sysctl $name=1 >/dev/null
done
