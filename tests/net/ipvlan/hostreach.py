#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hostreach: the host and its slaves reach each other or not, in every mode, with either default."""
from ipvlan_lab import HOST, SUBNET, Lab, expect, shown


def reach(lab, mode, want, what):
    v4, v6 = SUBNET[mode]
    for src, addr in (("host", v4 + "11"), ("host", v6 + "11"), ("s1", HOST[0]), ("s1", HOST[1]), ("s2", HOST[0])):
        for kind in ("icmp", "udp", "tcp"):
            expect(lab.exchange(kind, src, addr, wait=0.25)["ok"], want, f"{mode}, {what}: {kind} {src} to {addr}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            default = mode != "l2"
            expect(shown(lab, "s1")["linkinfo"]["info_data"]["hostreach"], default, f"{mode}: hostreach by default")
            reach(lab, mode, default, "default")
            lab.culvert(f"link -n {lab.ns('s2')} set i0 hostreach {'off' if default else 'on'}")
            for name in ("host", "s1", "s2"):
                lab.ip(name, "neigh flush all")
            reach(lab, mode, not default, "changed")
            # Everything else goes on.
            v4, v6 = SUBNET[mode]
            for src, addr in (("client", v4 + "11"), ("client", v6 + "11"), ("s1", v4 + "12"), ("s1", "10.0.0.2"),
                              ("s1", "fd00::2"), ("host", "10.0.0.2"), ("client", HOST[0])):
                expect(lab.ping(src, addr), True, f"{mode}: {src} to {addr}")
            lab.drop_slaves()


main()
