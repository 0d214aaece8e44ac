#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""l3s makes the host forward for its slaves, and for nobody else; and leaves it as it was."""
from ipvlan_lab import CLIENT, HOST, Lab, expect


def settings(lab):
    names = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]
    names += [f"net.ipv4.conf.{dev}.forwarding" for dev in ("default", "e0", "x0", "lo")]
    return {name: lab.sysctl("host", name) for name in names}


def force_forwarding(lab):
    try:
        return lab.sysctl("host", "net.ipv6.conf.e0.force_forwarding")
    except FileNotFoundError:
        return None


def reaches(lab, want, what):
    """The network behind the host, from the wire and back."""
    for src, addr in (("client", "10.9.0.2"), ("client", "fd09::2"), ("beyond", CLIENT[0]), ("beyond", CLIENT[1])):
        # Before Linux 6.17 the lab's host forwards IPv6 for all: l3s would not work.
        if want or ":" not in addr or force_forwarding(lab) is not None:
            expect(lab.ping(src, addr), want, f"{what}: {src} to {addr}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        lab.beyond()
        reaches(lab, False, "before")
        before, force = settings(lab), force_forwarding(lab)

        lab.slaves("l3s")
        reaches(lab, False, "with l3s slaves")
        families = ("10.1.0.11", "fd01::11") if force is not None else ("10.1.0.11",)
        for addr in families:
            expect(lab.exchange("udp", "client", addr)["ok"], True, f"l3s without ip_forward: to {addr}")
        for addr in CLIENT[:len(families)]:
            expect(lab.exchange("udp", "s1", addr)["ok"], True, f"l3s without ip_forward: to {addr}")
        for addr in HOST:
            expect(lab.ping("client", addr), True, f"the host itself at {addr}")

        # When the administrator makes it a router, it is one, at once.
        lab.sysctl("host", "net.ipv4.ip_forward", 1)
        lab.sysctl("host", "net.ipv6.conf.all.forwarding", 1)
        reaches(lab, True, "when the host is a router")
        lab.sysctl("host", "net.ipv4.ip_forward", 0)
        lab.sysctl("host", "net.ipv6.conf.all.forwarding", before["net.ipv6.conf.all.forwarding"])
        reaches(lab, False, "when it is none again")
        lab.drop_slaves()
        lab.culvert("link show")
        lab.slaves("l3s")
        lab.culvert(f"link -n {lab.ns('s1')} set i0 mode l3")
        expect((settings(lab), force_forwarding(lab)), (before, force), "the settings after l3s")
        lab.culvert(f"link -n {lab.ns('s1')} set i0 mode l3s")
        for name in ("s1", "s2"):
            lab.culvert(f"link -n {lab.ns(name)} del i0")
        expect((settings(lab), force_forwarding(lab)), (before, force), "the settings after the last slave")
        reaches(lab, False, "after")


main()
