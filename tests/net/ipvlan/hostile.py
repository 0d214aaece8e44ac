#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tenant that is root in its namespace may try against its neighbours, the host and the wire: each
attempt is stopped where it leaves the tenant's hands, and counted by its cause. (tests/faults takes
the checks out of the data path one by one, and this test must notice.)"""
import struct

from ipvlan_lab import (CLIENT, CLIENT_MAC, HOST, MASTER_MAC, SUBNET, Lab, Tap, addr_bytes, arp_frame, dropped, expect,
                        l4_sum, mac, nd_frame, send_frame, shown, udp_frame, within)

ALL_MACS, ALL_NODES = "ff:ff:ff:ff:ff:ff", "ff02::1"
NODES_MAC = "33:33:00:00:00:01"
GATEWAY6 = "fe80::ff:fe00:2"        # the client's own link-local address
EVIL = "02:66:66:66:66:66"
MARK = b"culvert!"


def ip6(src, dst, proto, body, hops=255, smac=MASTER_MAC, dmac=NODES_MAC):
    return (mac(dmac) + mac(smac) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), proto, hops) +
            addr_bytes(src) + addr_bytes(dst) + body)


def icmp6(src, dst, kind, rest):
    body = struct.pack("!BBH", kind, 0, 0) + rest
    return body[:2] + struct.pack("!H", l4_sum(src, dst, 58, body)) + body[4:]


def advert(src, dst, target):
    """A neighbour advertisement for `target`, overriding, that names a MAC address."""
    return icmp6(src, dst, 136, struct.pack("!I", 0x20000000) + addr_bytes(target) + b"\2\1" + mac(MASTER_MAC))


def router(src, dst):
    return icmp6(src, dst, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + MARK)


def redirect(src, dst, target):
    return icmp6(src, dst, 137, bytes(4) + addr_bytes(target) * 2 + MARK)


def tagged(frame, *tags):
    return frame[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + frame[12:]


class Watch:
    """The wire, the neighbour and the host, for frames that a test calls its own."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.taps = {"the wire": Tap(self.lab, "client", "p0"), "the neighbour": Tap(self.lab, "s2", "i0"),
                     "the host": Tap(self.lab, "host", "e0")}
        return self

    def __exit__(self, *_):
        for tap in self.taps.values():
            tap.sock.close()

    def saw(self, mine):
        return {where: found for where, tap in self.taps.items() if (found := [f for f in tap.frames(0.1) if mine(f)])}


def attempt(lab, what, why, frames, mine=lambda f: MARK in f, at_least=False):
    before = dropped(lab, "s1", why)
    with Watch(lab) as watch:
        for frame in frames:
            send_frame(lab, "s1", "i0", frame)
        # Frames that a test takes for its own are never sent by anybody's stack.
        expect(watch.saw(mine), {}, f"{what}: got through")
    count = dropped(lab, "s1", why) - before
    # The tenant's own stack may have had something to send as well.
    expect(count >= len(frames) if at_least else count == len(frames), True,
           f"{what}: {count} counted as {why}, of {len(frames)}")


def spoofed(lab, mode):
    v4, v6 = SUBNET[mode]
    frames = [udp_frame(src, dst, dmac=dmac)
              for dst4, dst6, dmac in ((*CLIENT, CLIENT_MAC), (v4 + "12", v6 + "12", MASTER_MAC), (*HOST, MASTER_MAC))
              for src, dst in ((v4 + "12", dst4), (HOST[0], dst4), ("192.0.2.1", dst4), ("127.0.0.1", dst4),
                               ("0.0.0.0", dst4), (v6 + "12", dst6), (HOST[1], dst6), ("2001:db8::1", dst6),
                               ("::1", dst6), ("::", dst6))]
    attempt(lab, f"{mode}: sources that are not its own", "source", frames)


def vlans(lab, mode):
    v4, v6 = SUBNET[mode]
    q, ad = 0x8100, 0x88a8
    frames = [tagged(udp_frame(src, dst, dmac=dmac), *tags)
              for src, dst, dmac in ((v4 + "11", CLIENT[0], CLIENT_MAC), (v6 + "11", CLIENT[1], CLIENT_MAC),
                                     (v4 + "11", v4 + "12", MASTER_MAC), (v4 + "11", v4 + "12", ALL_MACS))
              for tags in (((q, 5),), ((q, 0),), ((ad, 5),), ((ad, 5), (q, 6)), ((q, 5), (q, 6)), ((q, 0), (ad, 6)))]
    attempt(lab, f"{mode}: VLAN tags", "vlan", frames)
    # And what comes tagged from the wire is for no slave.
    with Tap(lab, "s1", "i0") as tap:
        for tags in (((q, 5),), ((ad, 5), (q, 6))):
            send_frame(lab, "client", "p0", tagged(udp_frame(CLIENT[0], v4 + "11", smac=CLIENT_MAC, dmac=MASTER_MAC),
                                                   *tags))
        expect([f for f in tap.frames(0.1) if MARK in f], [], f"{mode}: tagged frames from the wire")


def flood_of_macs(lab, mode):
    """A switch would forget where everybody is; all it sees is one MAC address."""
    v4, v6 = SUBNET[mode]
    macs = [f"06:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(300)]
    with Tap(lab, "client", "p0") as wire, Tap(lab, "s2", "i0") as neighbour:
        for n, evil in enumerate(macs):
            src, dst, to = ((v4 + "11", CLIENT[0], v4 + "12"), (v6 + "11", CLIENT[1], v6 + "12"))[n % 2]
            send_frame(lab, "s1", "i0", udp_frame(src, dst, smac=evil))
            if mode == "l2":
                send_frame(lab, "s1", "i0", udp_frame(src, to, smac=evil, dmac=ALL_MACS))
        seen = wire.frames(0.2)
        beside = neighbour.frames(0.1)
    expect(len([f for f in seen if MARK in f]) >= len(macs) // 2, True, f"{mode}: the flood on the wire")
    expect({f[6:12] for f in seen + beside} - {mac(MASTER_MAC), mac(CLIENT_MAC)}, set(), f"{mode}: foreign MACs")


def poison(lab):
    """ARP and ND in others' names: the gateway's, the host's, the neighbour's."""
    arp = [arp_frame(op, MASTER_MAC, whose, tpa, dmac=dmac)
           for op, tpa, dmac in ((2, None, ALL_MACS), (1, "10.0.0.12", ALL_MACS), (2, "10.0.0.12", MASTER_MAC),
                                 (2, CLIENT[0], CLIENT_MAC))
           for whose in (CLIENT[0], HOST[0], "10.0.0.12", "169.254.1.1") for tpa in (tpa or whose,)]
    attempt(lab, "ARP in others' names", "source", arp, lambda f: f in arp)
    nd = [ip6("fd00::11", dst, 58, advert("fd00::11", dst, target), dmac=dmac)
          for dst, dmac in ((ALL_NODES, NODES_MAC), ("fd00::12", MASTER_MAC), (CLIENT[1], CLIENT_MAC))
          for target in (CLIENT[1], HOST[1], "fd00::12", GATEWAY6)]
    nd += [nd_frame(135, whose, ALL_NODES, "fd00::12", MASTER_MAC) for whose in (CLIENT[1], HOST[1], GATEWAY6)]
    attempt(lab, "ND in others' names", "source", nd, lambda f: f in nd)


def takes_the_hosts(lab):
    """The host's own link-local addresses: that which it had before it had slaves, and one that came later."""
    lab.ip("host", "addr add fe80::1a7e/64 dev e0 nodad")
    lab.run("client", "ping -q -c1 -W2 fe80::1a7e%br0")
    out = lab.ip("host", "-6 -o addr show dev e0 scope link")[1]
    for own in (part.split("/")[0] for part in out.split("inet6 ")[1:]):
        frames = [ip6(own, ALL_NODES, 58, advert(own, ALL_NODES, own), dmac=NODES_MAC), udp_frame(own, CLIENT[1]),
                  nd_frame(135, own, ALL_NODES, "fd00::12", MASTER_MAC)]
        attempt(lab, f"the host's link-local address {own}", "source", frames, lambda f: f in frames)
        lab.run("client", f"ping -q -c3 -i0.2 -W2 {own}%br0")
    lab.ip("host", "addr del fe80::1a7e/64 dev e0")
    # One that is nobody's yet may be claimed, still.
    before = shown(lab, "s1")["stats"]["tx_packets"]
    send_frame(lab, "s1", "i0", udp_frame("fe80::5e1f", CLIENT[1]))
    within(5, True, "a frame from a free link-local address", lambda: shown(lab, "s1")["stats"]["tx_packets"] > before)


def hidden(lab, mode):
    """The same behind extension headers, where a quick look does not find it."""
    src = SUBNET[mode][1] + "11"
    dst, dmac = (ALL_NODES, NODES_MAC) if mode == "l2" else (CLIENT[1], CLIENT_MAC)
    na, ra = advert(src, dst, CLIENT[1]), router(src, dst)
    options = struct.pack("!BBBBI", 58, 0, 1, 4, 0)                     # padding, and then ICMPv6
    many = b"".join(struct.pack("!BBBBI", 60, 0, 1, 4, 0) for _ in range(9)) + options
    fragment, reserved = struct.pack("!BBHI", 58, 0, 1, 7), struct.pack("!BBHI", 58, 2, 1, 7)
    auth = struct.pack("!BBHIII", 58, 2, 0, 1, 1, 0)
    frames = [ip6(src, dst, proto, head + body, dmac=dmac) for body in (na, ra)
              for proto, head in ((0, options), (60, options), (43, options), (44, fragment), (44, reserved), (51, auth), (60, many),
                                  (0, b"\x3c" + options[1:] + options), (60, b"\x2c" + options[1:] + fragment))]
    frames.append(ip6(src, dst, 60, b"\x3a", dmac=dmac))
    attempt(lab, f"{mode}: ND behind extension headers", "malformed", frames, lambda f: f in frames)
    # Honest ones pass: with the largest hop limit, or not ICMPv6 behind it.
    udp = udp_frame(src, CLIENT[1])[54:]
    with Tap(lab, "client", "p0") as wire:
        send_frame(lab, "s1", "i0", ip6(src, CLIENT[1], 60, b"\x11" + options[1:] + udp, dmac=CLIENT_MAC))
        send_frame(lab, "s1", "i0", ip6(src, CLIENT[1], 60, options + icmp6(src, CLIENT[1], 128, bytes(4) + MARK),
                                        dmac=CLIENT_MAC))
        expect(len([f for f in wire.frames(0.2) if MARK in f]), 2, f"{mode}: honest packets with extension headers")


def crowded(lab):
    """Another MAC address behind so many options that nobody looks so far but the receiver."""
    def claim(options):
        nonce = b"\x0e\1" + bytes(6)
        body = struct.pack("!I", 0x20000000) + addr_bytes("fd00::11") + nonce * options + b"\2\1" + mac(EVIL)
        return ip6("fd00::11", ALL_NODES, 58, icmp6("fd00::11", ALL_NODES, 136, body), dmac=NODES_MAC)

    attempt(lab, "options without end", "malformed", [claim(n) for n in (8, 9, 100)], lambda f: mac(EVIL) in f)
    with Tap(lab, "client", "p0") as wire:
        send_frame(lab, "s1", "i0", claim(7))
        seen = [f[-6:] for f in wire.frames(0.2) if f[54:55] == b"\x88" and len(f) == len(claim(7))]
    expect(seen, [mac(MASTER_MAC)], "the address that the eighth option names")


def routers(lab):
    frames = [ip6("fd00::11", ALL_NODES, 58, router("fd00::11", ALL_NODES)),
              ip6("fd00::11", "fd00::12", 58, router("fd00::11", "fd00::12"), dmac=MASTER_MAC),
              ip6("fd00::11", CLIENT[1], 58, redirect("fd00::11", CLIENT[1], "2001:db8::1"), dmac=CLIENT_MAC)]
    attempt(lab, "it calls itself a router", "router", frames)


def solicited_by_l3(lab, mode):
    """l3: never ARP or ND; one that is routed would arrive with the hop limit that makes it believed."""
    src = "fd01::11"
    frames = [ip6(src, dst, 58, body, dmac=dmac) for dst, dmac in ((CLIENT[1], CLIENT_MAC), ("fd01::12", MASTER_MAC))
              for body in (advert(src, dst, CLIENT[1]), router(src, dst), redirect(src, dst, "2001:db8::1"))]
    frames += [arp_frame(2, MASTER_MAC, "10.1.0.11", "10.1.0.11"), arp_frame(1, MASTER_MAC, "10.1.0.11", CLIENT[0]),
               udp_frame("10.1.0.11", "255.255.255.255", dmac=ALL_MACS),
               udp_frame("10.1.0.11", CLIENT[0], dmac=ALL_MACS), udp_frame("10.1.0.11", "10.1.0.12", dmac=NODES_MAC),
               udp_frame("10.1.0.11", "224.0.0.1", dmac=CLIENT_MAC), udp_frame(src, "ff05::1", dmac=CLIENT_MAC),
               udp_frame("10.1.0.11", "127.0.0.1", dmac=MASTER_MAC), udp_frame(src, "::1", dmac=MASTER_MAC)]
    attempt(lab, f"{mode}: ND, ARP, groups", "group", frames, lambda f: MARK in f or f in frames, at_least=True)


def past_the_rules(lab, mode):
    """A host rule stops a port for all tenants: by whatever MAC address the frame goes."""
    lab.run("host", ["nft", "-f", "-"], stdin="""table inet stop {
        counter stopped { }
        chain f { type filter hook forward priority 0; iifname "cvslave*" udp dport 7 counter name stopped drop; }
    }""")
    v4, v6 = SUBNET[mode]
    frames = [udp_frame(src, dst, dmac=dmac, ttl=ttl) for dmac in (MASTER_MAC, CLIENT_MAC, "02:77:77:77:77:77")
              for ttl in (1, 64, 255) for src, dst in ((v4 + "11", CLIENT[0]), (v6 + "11", CLIENT[1]))]
    with Tap(lab, "client", "p0") as wire:
        for frame in frames:
            send_frame(lab, "s1", "i0", frame)
        expect([f for f in wire.frames(0.2) if MARK in f], [], f"{mode}: past the host's rule")
    out = lab.run("host", "nft list counter inet stop stopped")[1]
    expect(f"packets {len(frames)} " in out, True, f"{mode}: the rule saw all {len(frames)} ({out.split()})")
    lab.run("host", "nft delete table inet stop")


def private(lab, mode):
    """To the neighbour all the same: directly, by broadcast, and by a switch that sends it back."""
    v4, v6 = SUBNET[mode]
    lab.culvert(f"link -n {lab.ns('s1')} set i0 private")
    direct = [udp_frame(v4 + "11", v4 + "12", dmac=MASTER_MAC), udp_frame(v6 + "11", v6 + "12", dmac=MASTER_MAC)]
    attempt(lab, f"{mode}: private", "private", direct)
    if mode == "l2":
        lab.ip("client", "link set p0 type bridge_slave hairpin on")
        with Tap(lab, "s2", "i0") as neighbour, Tap(lab, "host", "e0") as back:
            for dst4, dst6 in ((v4 + "12", v6 + "12"), ("255.255.255.255", ALL_NODES)):
                send_frame(lab, "s1", "i0", udp_frame(v4 + "11", dst4, dmac=ALL_MACS))
                send_frame(lab, "s1", "i0", udp_frame(v6 + "11", dst6, dmac=NODES_MAC))
            expect(len([f for f in back.frames(0.2) if MARK in f]), 4, "what the switch sends back")
            expect([f for f in neighbour.frames(0.1) if MARK in f], [], "private: sent back to the neighbour")
        lab.ip("client", "link set p0 type bridge_slave hairpin off")
    lab.culvert(f"link -n {lab.ns('s1')} set i0 bridge")


def main():
    with Lab() as lab:
        lab.wire()
        lab.sysctl("client", "net.ipv6.conf.br0.accept_ra", 0)
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            for addr in CLIENT:
                within(30, True, f"the way out in {mode}", lambda: lab.ping("s1", addr))
            # The gateway is heard of: in l2 its link-local address is nobody's to claim from then on.
            lab.ping("client", f"{SUBNET[mode][1]}11")
            send_frame(lab, "client", "br0", nd_frame(136, GATEWAY6, ALL_NODES, GATEWAY6, CLIENT_MAC, smac=CLIENT_MAC))
            for act in (spoofed, vlans, flood_of_macs, hidden, private):
                act(lab, mode)
            if mode == "l2":
                poison(lab)
                takes_the_hosts(lab)
                routers(lab)
                crowded(lab)
            else:
                solicited_by_l3(lab, mode)
                past_the_rules(lab, mode)
            for addr in CLIENT:
                expect(lab.ping("s1", addr), True, f"{mode}: honest ones after all that, to {addr}")
            lab.drop_slaves()


main()
