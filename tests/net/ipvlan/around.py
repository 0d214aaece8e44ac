#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""l3 does not ask the host's leave to forward: out of the master, to a network behind another of its devices,
by a master that is a bridge's port; before Linux 6.17, too, where IPv6 goes past the host's stack for that."""
from ipvlan_lab import CLIENT, Lab, Tap, expect


def goes_out(lab, what):
    for addr in CLIENT:
        for kind in ("icmp", "udp", "tcp"):
            expect(lab.exchange(kind, "s1", addr)["ok"], True, f"{what}: {kind} from s1 to {addr}")
    # Nothing comes back: there the host would have to be a router.
    for addr in ("10.9.0.2", "fd09::2"):
        with Tap(lab, "beyond", "x1") as tap, Tap(lab, "client", "p0") as wire:
            lab.ping("s1", addr, wait=0.5)
            expect(any(b"culvert!" in f for f in tap.frames()), True, f"{what}: s1's request arrives at {addr}")
            expect(any(b"culvert!" in f for f in wire.frames()), False, f"{what}: the wire sees what is for {addr}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.beyond()
        lab.serve("client", "s1", "s2")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            lab.sysctl("host", key, 0)
        lab.slaves("l3")
        goes_out(lab, "no router")
        lab.drop_slaves()

        lab.bridge_above()
        lab.slaves("l3")
        goes_out(lab, "no router, and a bridge above the master")


main()
