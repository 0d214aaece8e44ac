#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""l2: DHCP's and SLAAC's messages pass, and the addresses that come of them are the slave's (track)."""
import struct
import subprocess

from ipvlan_lab import (CLIENT_MAC, MASTER_MAC, Lab, Tap, addr_bytes, expect, l4_sum, mac, send_frame, udp_frame,
                        within)

PREFIX = "fd05::"


def router_advert():
    """With one prefix to make addresses of (RFC 4861, 4.2 and 4.6.2)."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    body += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 1800, 0) + addr_bytes(PREFIX)
    source, group = "fe80::2", "ff02::1"
    body = body[:2] + struct.pack("!H", l4_sum(source, group, 58, body)) + body[4:]
    return (mac("33:33:00:00:00:01") + mac(CLIENT_MAC) + b"\x86\xdd" +
            struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + addr_bytes(source) + addr_bytes(group) + body)


def addresses(lab, name):
    return [word.split("/")[0] for word in lab.ip(name, "-6 -o addr show dev i0")[1].split() if word.startswith("fd05:")]


def slaac(lab):
    send_frame(lab, "client", "br0", router_advert())
    for name in ("s1", "s2"):
        within(30, 1, f"addresses of {name}", lambda: len(addresses(lab, name)))
    one, two = addresses(lab, "s1")[0], addresses(lab, "s2")[0]
    expect(one != two, True, f"slaves with one MAC address have two addresses ({one}, {two})")
    lab.ip("client", f"addr add {PREFIX}2/64 dev br0")
    for addr in (one, two):
        within(30, True, f"the client reaches {addr}", lambda: lab.ping("client", addr))


def dhcp(lab):
    """What a client without an address says, and what a server says to it."""
    every = "ff:ff:ff:ff:ff:ff"
    with Tap(lab, "client", "br0") as wire, Tap(lab, "s1", "i0") as slave:
        send_frame(lab, "s1", "i0", udp_frame("0.0.0.0", "255.255.255.255", dmac=every, sport=68, dport=67))
        expect(len([f for f in wire.frames() if b"culvert!" in f]), 1, "discover")
        send_frame(lab, "client", "br0", udp_frame("10.0.0.2", "255.255.255.255", smac=CLIENT_MAC, dmac=every, sport=67,
                                                   dport=68))
        expect(len([f for f in slave.frames() if b"culvert!" in f]), 1, "offer")
        # But nobody says anything else without an address.
        send_frame(lab, "s1", "i0", udp_frame("0.0.0.0", "10.0.0.2", sport=68, dport=7, smac=MASTER_MAC))
        expect(len([f for f in wire.frames() if b"culvert!" in f]), 0, "anything else from 0.0.0.0")


def main():
    with Lab() as lab:
        lab.wire()
        for name in ("s1", "s2"):
            lab.add_slave(name, "l2")
        track = lab.start("host", [lab.culvert_path, "track"], stdout=subprocess.DEVNULL)
        slaac(lab)
        dhcp(lab)
        expect(track.poll(), None, "track")


main()
