#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A slave is not a hop: TTLs and hop limits of 1, 2, 64, 254 and 255 arrive as they were sent."""
from ipvlan_lab import Lab, expect, targets, version


def arrive(lab, mode, what):
    for flow, src, addrs in targets(mode):
        for addr in addrs:
            lab.ping(src, addr)
            for ttl in (1, 2, 64, 254, 255):
                got = lab.exchange("udp", src, addr, ttl=ttl)
                expect((got["ok"], got.get("ttl"), got.get("reply_ttl")), (True, ttl, 64),
                       f"{what} {flow} IPv{version(addr)} TTL {ttl}")
                expect(lab.exchange("icmp", src, addr, ttl=ttl)["ok"], True, f"{what} {flow} ping, TTL {ttl}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            if mode == "l2":
                lab.culvert(f"link -n {lab.ns('s1')} set i0 hostreach on")
            arrive(lab, mode, mode)
            if mode == "l3":
                # Through the host's stack, and not past it (straight.py).
                lab.run("host", ["nft", "-f", "-"], stdin="table inet t { chain c { type filter hook forward priority 0; }\n}\n")
                arrive(lab, mode, "l3 and netfilter")
                lab.run("host", "nft delete table inet t")
            lab.drop_slaves()


main()
