#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""1:1 NAT inside a tenant, to a private network behind its slave: in all three modes."""
from ipvlan_lab import CLIENT, SUBNET, Lab, expect

NFT = """table {table} nat {{
chain pre {{ type nat hook prerouting priority -100; {table} daddr {outer} dnat to {inner}; }}
chain post {{ type nat hook postrouting priority 100; {table} saddr {inner} oif i0 snat to {outer}; }}
}}
"""


def main():
    with Lab(names=("client", "host", "s1", "s2", "inner")) as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2", "inner")
        lab.ip("s1", f"link add v0 type veth peer name v1 netns {lab.ns('inner')}")
        lab.ip("s1", "link set v0 up")
        lab.ip("inner", "link set v1 up")
        for name, dev, tail in (("s1", "v0", "1"), ("inner", "v1", "2")):
            lab.ip(name, f"addr add 192.168.5.{tail}/24 dev {dev}")
            lab.ip(name, f"addr add fd05::{tail}/64 dev {dev}")
        lab.ip("inner", "route add default via 192.168.5.1")
        lab.ip("inner", "-6 route add default via fd05::1")
        lab.sysctl("s1", "net.ipv4.ip_forward", 1)
        lab.sysctl("s1", "net.ipv6.conf.all.forwarding", 1)
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            v4, v6 = SUBNET[mode]
            for table, outer, inner in (("ip", v4 + "11", "192.168.5.2"), ("ip6", v6 + "11", "fd05::2")):
                lab.run("s1", ["nft", "-f", "-"], stdin=NFT.format(table=table, outer=outer, inner=inner))
            for kind in ("udp", "tcp"):
                for addr in (v4 + "11", v6 + "11"):
                    got = lab.exchange(kind, "client", addr)
                    expect((got["ok"], got.get("at")), (True, "inner"), f"{mode}: {kind} from outside to {addr}")
                for addr, outer in zip(CLIENT, (v4 + "11", v6 + "11")):
                    got = lab.exchange(kind, "inner", addr)
                    expect((got["ok"], got.get("seen_from")), (True, outer), f"{mode}: {kind} from inside to {addr}")
            lab.run("s1", "nft flush ruleset")
            lab.drop_slaves()


main()
