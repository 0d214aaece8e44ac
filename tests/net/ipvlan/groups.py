#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Broadcast and multicast: in l2 between the wire and all slaves, in l3 and l3s for no slave."""
import socket
import struct

from ipvlan_lab import Lab, Tap, addr_bytes, expect, family_of, shown

GROUPS = ("10.0.0.255", "255.255.255.255", "239.1.1.1", "ff02::1", "ff05::1234")
DEVICES = {"client": "br0", "host": "e0", "s1": "i0", "s2": "i0"}
# As recorded of the kernel's driver: who sees a frame from whom. hostreach adds the host to l2's.
SEEN = {
    "l2": {"client": {"host", "s1", "s2"}, "s1": {"client", "s2"}, "host": {"client"}},
    "l3": {"client": {"host"}, "s1": set(), "host": {"client"}},
    "l3s": {"client": {"host"}, "s1": set(), "host": {"client"}},
    "l2 private": {"client": {"host", "s1", "s2"}, "s1": {"client"}, "host": {"client"}},
    "l2 hostreach": {"client": {"host", "s1", "s2"}, "s1": {"client", "host", "s2"}, "host": {"client", "s1", "s2"}},
}


def send_group(lab, source, group):
    with lab.inside(source):
        sock = socket.socket(family_of(group), socket.SOCK_DGRAM)
        index = socket.if_nametoindex(DEVICES[source])
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICES[source].encode())
        if family_of(group) == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4sI", b"", b"", index))
        sock.sendto(b"to all of you", (group, 5000))


def who_sees(lab, source, group):
    taps = {name: Tap(lab, name, dev) for name, dev in DEVICES.items() if name != source}
    send_group(lab, source, group)
    seen = set()
    for name, tap in taps.items():
        with tap:
            times = len([f for f in tap.frames(0.06) if b"to all of you" in f])
            expect(times in (0, 1), True, f"{times} copies from {source} at {name}")
            if times:
                seen.add(name)
    return seen


def main():
    with Lab() as lab:
        lab.wire()
        for case, seen in SEEN.items():
            mode, _, more = case.partition(" ")
            lab.slaves(mode, more if more == "private" else "bridge")
            if more == "hostreach":
                lab.culvert(f"link -n {lab.ns('s1')} set i0 hostreach on")
            for source, want in seen.items():
                for group in GROUPS:
                    expect(who_sees(lab, source, group), want, f"{case}: {source} to {group}")
            lab.drop_slaves()
        arp_and_nd(lab)


def arp_and_nd(lab):
    """l2: who is asked for gets the question, and no other slave; l3: nobody, and nobody answers."""
    for mode, answers in (("l2", True), ("l3", False), ("l3s", False)):
        lab.slaves(mode)
        if mode != "l2":
            # On the wire's own subnet, where the client has to ask.
            lab.add_addr("s1", "10.0.0.11/24")
            lab.add_addr("s1", "fd00::11/64")
        for addr in ("10.0.0.11", "fd00::11"):
            lab.ip("client", "neigh flush all")
            with Tap(lab, "s2", DEVICES["s2"]) as tap:
                expect(lab.ping("client", addr), answers, f"{mode}: {addr} found")
                asked = [frame.hex() for frame in tap.frames(0.06) if addr_bytes(addr) in frame]
            expect(asked, [], f"{mode}: what s2 heard of {addr}")
            out = lab.ip("client", f"neigh show {addr}")[1]
            expect("02:00:00:00:00:01" in out, answers, f"{mode}: the neighbour {out.strip()}")
        expect("NOARP" in shown(lab, "s1")["flags"], not answers, f"{mode}: NOARP")
        lab.drop_slaves()


main()
