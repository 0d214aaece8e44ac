#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A slave is not a hop: TTLs and hop limits of 1, 2, 64, 254 and 255 arrive as they were sent."""
from ipvlan_lab import Lab, expect, targets, version


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            if mode == "l2":
                lab.culvert(f"link -n {lab.ns('s1')} set i0 hostreach on")
            for flow, src, addrs in targets(mode):
                for addr in addrs:
                    lab.ping(src, addr)
                    for ttl in (1, 2, 64, 254, 255):
                        got = lab.exchange("udp", src, addr, ttl=ttl)
                        expect((got["ok"], got.get("ttl"), got.get("reply_ttl")), (True, ttl, 64),
                               f"{mode} {flow} IPv{version(addr)} TTL {ttl}")
                        expect(lab.exchange("icmp", src, addr, ttl=ttl)["ok"], True, f"{mode} {flow} ping, TTL {ttl}")
            lab.drop_slaves()


main()
