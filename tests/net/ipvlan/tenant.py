#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A tenant that is root in its namespace: what it sends is its own, and names the master's MAC."""
from ipvlan_lab import (CLIENT, CLIENT_MAC, MASTER_MAC, Lab, Tap, arp_frame, dropped, expect, mac, nd_frame,
                        send_frame, shown, udp_frame)

EVIL = "02:66:66:66:66:66"


def counted(lab, why, count, act):
    before = dropped(lab, "s1", why)
    act()
    got = dropped(lab, "s1", why) - before
    # The tenant's own stack may have had a broadcast or multicast of its own to send.
    expect(got >= count if why == "group" else got == count, True, f"{got} dropped for {why}, of {count}")


def forged(lab, mode):
    """Sources that are not its own leave neither for the wire nor for the neighbour nor for the host."""
    v4, v6 = ("10.0.0.", "fd00::") if mode == "l2" else ("10.1.0.", "fd01::")
    with Tap(lab, "client", "br0") as wire, Tap(lab, "s2", "i0") as neighbour, Tap(lab, "host", "e0", True) as host:
        for dst4, dst6, dmac in ((CLIENT[0], CLIENT[1], CLIENT_MAC), (v4 + "12", v6 + "12", MASTER_MAC),
                                 ("10.0.0.1", "fd00::1", MASTER_MAC)):
            for src, dst in ((v4 + "12", dst4), ("192.0.2.1", dst4), ("10.0.0.1", dst4), (v6 + "12", dst6),
                             ("2001:db8::1", dst6), ("fd00::1", dst6), ("0.0.0.0", dst4), ("::", dst6)):
                counted(lab, "source", 1, lambda: send_frame(lab, "s1", "i0", udp_frame(src, dst, dmac=dmac)))
        frames = [f for tap in (wire, neighbour, host) for f in tap.frames(0.1) if b"culvert!" in f]
        expect(frames, [], f"{mode}: forged frames")
    # Its own pass, so the taps would have seen those.
    with Tap(lab, "client", "br0") as wire:
        send_frame(lab, "s1", "i0", udp_frame(v4 + "11", CLIENT[0]))
        send_frame(lab, "s1", "i0", udp_frame(v6 + "11", CLIENT[1]))
        expect(len([f for f in wire.frames() if b"culvert!" in f]), 2, f"{mode}: honest frames")


def odd_frames(lab):
    good = udp_frame("10.0.0.11", CLIENT[0])
    tagged = good[:12] + b"\x81\x00\x00\x05" + good[12:]
    twice = good[:12] + b"\x88\xa8\x00\x05\x81\x00\x00\x06" + good[12:]
    with Tap(lab, "client", "br0") as wire, Tap(lab, "client", "p0") as port:
        counted(lab, "vlan", 2, lambda: [send_frame(lab, "s1", "i0", f) for f in (tagged, twice)])
        counted(lab, "protocol", 2, lambda: [send_frame(lab, "s1", "i0", f) for f in (
            mac("01:80:c2:00:00:00") + mac(MASTER_MAC) + b"\x00\x26" + bytes(46),
            mac(CLIENT_MAC) + mac(MASTER_MAC) + b"\x88\xb5" + b"culvert!" + bytes(40))])
        counted(lab, "malformed", 3, lambda: [send_frame(lab, "s1", "i0", f) for f in (
            good[:30], good[:14] + b"\x65" + good[15:], mac(CLIENT_MAC) + mac(MASTER_MAC) + b"\x08\x06" + bytes(10))])
        expect([f for f in wire.frames(0.1) + port.frames(0.1) if mac(MASTER_MAC) == f[6:12] and f[12:14] not in
                (b"\x08\x06", b"\x86\xdd")], [], "odd frames on the wire")


def other_mac(lab):
    """It gives its end another MAC address: the wire sees the master's, in ARP and ND as well."""
    lab.ip("s1", f"link set i0 address {EVIL}")
    lab.ip("s1", "neigh flush all")
    lab.ip("client", "neigh flush all")
    with Tap(lab, "client", "p0") as wire:
        for addr in CLIENT:
            expect(lab.ping("s1", addr), True, f"ping {addr} from another MAC address")
        for addr in ("10.0.0.11", "fd00::11"):
            expect(lab.ping("client", addr), True, f"ping to {addr}, which has another MAC address")
        send_frame(lab, "s1", "i0", arp_frame(2, EVIL, "10.0.0.11", CLIENT[0], dmac=CLIENT_MAC))
        send_frame(lab, "s1", "i0", nd_frame(136, "fd00::11", "ff02::1", "fd00::11", EVIL, smac=EVIL))
        frames = wire.frames()
    expect([f for f in frames if mac(EVIL) in f], [], "frames that name the tenant's MAC address")
    advertised = [f for f in frames if f[12:14] == b"\x86\xdd" and f[54] == 136 and mac(MASTER_MAC) in f[78:]]
    expect(bool(advertised), True, "an advertisement with the master's MAC address")
    for addr in ("10.0.0.11", "fd00::11"):
        out = lab.ip("client", f"neigh show {addr}")[1]
        expect(MASTER_MAC in out, True, f"the client's neighbour {addr} ({out.strip()})")
    lab.ip("s1", f"link set i0 address {MASTER_MAC}")


def poison(lab):
    """It speaks for somebody else's address: ARP and ND for the gateway, and for its neighbour."""
    with Tap(lab, "client", "p0") as wire, Tap(lab, "s2", "i0") as neighbour:
        frames = [arp_frame(2, MASTER_MAC, "10.0.0.1", "10.0.0.1"), arp_frame(1, MASTER_MAC, "10.0.0.12", "10.0.0.2"),
                  nd_frame(136, "fd00::11", "ff02::1", "fd00::2", MASTER_MAC),
                  nd_frame(136, "fd00::12", "ff02::1", "fd00::12", MASTER_MAC)]
        counted(lab, "source", 4, lambda: [send_frame(lab, "s1", "i0", f) for f in frames])
        expect([f for f in wire.frames(0.1) + neighbour.frames(0.1)
                if f[12:14] == b"\x08\x06" or f[12:14] == b"\x86\xdd" and f[54] == 136], [], "poison")


def promiscuous(lab):
    """s2 listens to everything; what is for s1 and for the host does not come by."""
    lab.ip("s2", "link set i0 promisc on")
    with Tap(lab, "s2", "i0") as tap:
        for addr in ("10.0.0.11", "fd00::11", "10.0.0.1", "fd00::1"):
            lab.ping("client", addr)
        lab.ping("s1", CLIENT[0])
        seen = [f for f in tap.frames() if f[12:14] == b"\x08\x00" or f[12:14] == b"\x86\xdd" and f[54] in (128, 129)]
    expect(seen, [], "others' packets at a promiscuous slave")


def allowed(lab):
    lab.culvert(f"link -n {lab.ns('s1')} set i0 allow 192.168.7.0/24 allow fd07::/64")
    with Tap(lab, "client", "br0") as wire:
        for src, dst in (("192.168.7.9", CLIENT[0]), ("fd07::9", CLIENT[1]), ("192.168.8.9", CLIENT[0])):
            send_frame(lab, "s1", "i0", udp_frame(src, dst))
        got = [f for f in wire.frames() if b"culvert!" in f]
    expect(len(got), 2, "frames from allowed sources")
    expect(sorted(shown(lab, "s1")["linkinfo"]["info_data"]["allow"]), ["192.168.7.0/24", "fd07::/64"], "allow")
    lab.culvert(f"link -n {lab.ns('s1')} set i0 disallow 192.168.7.0/24")
    counted(lab, "source", 1, lambda: send_frame(lab, "s1", "i0", udp_frame("192.168.7.9", CLIENT[0])))


def allowed_twice(lab):
    """What is named twice is allowed once, and what stands behind it as well."""
    netns = lab.ns("s2")
    lab.culvert(f"link add link e0 i9 type ipvlan netns {netns} allow 10.9.0.0/16 allow 10.9.0.0/16 allow fd09::/64")
    allow = shown(lab, "s2", "i9")["linkinfo"]["info_data"]["allow"]
    expect(sorted(allow), ["10.9.0.0/16", "fd09::/64"], "allowed, one of them twice")
    lab.culvert(f"link -n {netns} del i9")


def class_e(lab):
    """240.0.0.0/4 are addresses as others are, but for the last."""
    netns = lab.ns("s1")
    lab.culvert(f"addr -n {netns} add 240.1.0.11/24 dev i0")
    lab.ip("client", "addr add 240.0.0.9/32 dev lo")
    lab.ip("client", "route add 240.1.0.0/24 via 10.0.0.1")
    lab.ip("host", f"route add 240.0.0.9 via {CLIENT[0]}")
    lab.ip("s1", "route add 240.0.0.9 dev i0 src 240.1.0.11")
    expect(lab.ping("s1", "240.0.0.9"), True, "l3: ping from class E to class E")
    expect(lab.ping("client", "240.1.0.11"), True, "l3: ping to class E")
    lab.culvert(f"addr -n {netns} del 240.1.0.11/24 dev i0")


def arp_on(lab):
    """l3: a tenant that turns ARP on and broadcasts, for nobody."""
    lab.ip("s1", "link set i0 arp on")
    with Tap(lab, "client", "p0") as wire, Tap(lab, "s2", "i0") as neighbour:
        frames = [arp_frame(1, MASTER_MAC, "10.1.0.11", "10.1.0.12"),
                  nd_frame(135, "fd01::11", "ff02::1", "fd01::12", MASTER_MAC),
                  udp_frame("10.1.0.11", "255.255.255.255", dmac="ff:ff:ff:ff:ff:ff"),
                  udp_frame("10.1.0.11", "239.1.1.1", dmac="01:00:5e:01:01:01"),
                  udp_frame("fd01::11", "ff05::1234", dmac="33:33:00:00:12:34")]
        counted(lab, "group", 5, lambda: [send_frame(lab, "s1", "i0", f) for f in frames])
        expect([f for f in wire.frames(0.1) + neighbour.frames(0.1) if f[6:12] == mac(MASTER_MAC)], [], "broadcasts")
    lab.ip("s1", "link set i0 arp off")
    lab.ip("s1", f"link set i0 address {EVIL}")
    for name, addr in (("s1", CLIENT[0]), ("s1", CLIENT[1]), ("client", "10.1.0.11"), ("client", "fd01::11"),
                       ("s1", "10.1.0.12"), ("s2", "fd01::11")):
        expect(lab.ping(name, addr), True, f"l3 with another MAC address: {name} to {addr}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        lab.slaves("l2")
        lab.sysctl("s1", "net.ipv6.conf.i0.disable_ipv6", 0)
        for act in (odd_frames, other_mac, poison, promiscuous, allowed):
            act(lab)
        lab.drop_slaves()
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            forged(lab, mode)
            if mode == "l3":
                allowed_twice(lab)
                class_e(lab)
                arp_on(lab)
            lab.drop_slaves()


main()
