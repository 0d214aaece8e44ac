#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""256 slaves on one master, every one of them reached, mode changes of all at once, and all gone again."""
import time

from ipvlan_lab import Lab, expect

COUNT = 256


def main():
    with Lab(names=("client", "host", "s1")) as lab:
        lab.wire()
        lab.ip("host", "link set e0 mtu 1500")
        # All in one namespace: what is many here is slaves.
        addr = lambda i: f"10.1.{i // 250}.{i % 250 + 1}"
        lab.ip("client", "route add 10.1.1.0/24 via 10.0.0.1")
        begin = time.monotonic()
        for i in range(COUNT):
            lab.culvert(f"link add link e0 name t{i} type ipvlan mode l3 netns {lab.ns('s1')} addr {addr(i)}/32 "
                        f"addr fd01::{i + 1:x}/128 up")
        added = time.monotonic() - begin
        lab.ip("s1", "route add default dev t0")
        lab.ip("s1", "-6 route add default dev t0")
        # Answers leave by t0, whatever address they are from.
        lab.culvert("link set t0 allow 10.1.0.0/16 allow fd01::/64")
        for name in ("all", *(f"t{i}" for i in range(COUNT))):
            lab.sysctl("s1", f"net.ipv4.conf.{name}.rp_filter", 0)
        for i in range(COUNT):
            expect(lab.ping("client", addr(i)), True, f"slave {i}")
            expect(lab.ping("client", f"fd01::{i + 1:x}"), True, f"slave {i} by IPv6")
        for mode in ("l3s", "l2", "l3"):
            begin = time.monotonic()
            lab.culvert(f"link set t5 mode {mode}")
            print(f"all to {mode}: {time.monotonic() - begin:.3f} s")
            noarp = lab.ip("s1", "-o link")[1].count("NOARP")
            expect(noarp, 0 if mode == "l2" else COUNT, f"slaves with NOARP in {mode}")
        for i in (0, COUNT // 2, COUNT - 1):
            expect(lab.ping("client", addr(i)), True, f"slave {i} after the changes")
        begin = time.monotonic()
        expect(lab.culvert("link show")[1].count("@e0"), COUNT, "slaves shown")
        print(f"{COUNT} slaves: added in {added:.1f} s, shown in {time.monotonic() - begin:.2f} s")
        lab.ip("host", "link del e0")
        lab.culvert("track --once")
        expect("@" in lab.ip("s1", "-o link show type veth")[1], False, "slaves of a master that went")


main()
