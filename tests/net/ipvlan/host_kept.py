#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 180
"""The host stays what it was: it keeps the default route that a router advertised, and the load balancer
beside l3s slaves does not make a router of it either."""
import struct

from ipvlan_lab import CLIENT, CLIENT_MAC, Lab, Tap, addr_bytes, expect, l4_sum, mac, send_frame, within

ROUTER = "fe80::ff:fe00:2"


def advertise(lab):
    """A router advertisement (RFC 4861, 4.2) from the client."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    body = body[:2] + struct.pack("!H", l4_sum(ROUTER, "ff02::1", 58, body)) + body[4:]
    send_frame(lab, "client", "br0", mac("33:33:00:00:00:01") + mac(CLIENT_MAC) + b"\x86\xdd" +
               struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + addr_bytes(ROUTER) + addr_bytes("ff02::1") + body)


def advertised(lab):
    return "proto ra" in lab.ip("host", "-6 route show default")[1]


def keeps_route(lab):
    lab.ip("host", "-6 route del default")
    lab.sysctl("host", "net.ipv6.conf.e0.accept_ra", 1)
    advertise(lab)
    within(5, True, "the advertised route", lambda: advertised(lab))
    before = {name: lab.sysctl("host", f"net.ipv6.conf.e0.{name}") for name in ("accept_ra", "forwarding")}
    for command in ("link add link e0 name i0 type ipvlan mode l2 netns " + lab.ns("s1"),
                    f"addr -n {lab.ns('s1')} add 10.1.0.11/24 fd01::11/64 dev i0",
                    "link set i0 mode l3", "link set i0 mode l3s", "link set i0 mode l2", "attach e0 --mode tc",
                    "ipvsadm -A -t [fd00::100]:7 -s rr", "ipvsadm -a -t [fd00::100]:7 -r [fd01::11]:7 -m",
                    "ipvsadm -A -f 7 -6 -s rr", "ipvsadm -C", "detach --all", "link del i0"):
        # Without force_forwarding that needs a router: refused, it leaves no less as it was.
        works = "-6" not in command or version6_works(lab)
        status, _, err = lab.culvert(command, check=False)
        expect(status == 0, works, f"{command} ({err})")
        expect(advertised(lab), True, f"the advertised default route after {command}")
        expect({name: lab.sysctl("host", f"net.ipv6.conf.e0.{name}") for name in before}, before, command)
    lab.ip("host", "-6 route del default")
    lab.ip("host", f"-6 route add default via {CLIENT[1]}")


def reaches(lab, want, what):
    """The network behind the host, from the wire and back; if it is not to be reached, no request gets there."""
    for addr in ("10.9.0.2", "fd09::2"):
        with Tap(lab, "beyond", "x1") as tap:
            expect(lab.ping("client", addr), want, f"{what}: the client to {addr}")
            through = [f for f in tap.frames(0.05) if b"culvert!" in f]
        expect(bool(through), want, f"{what}: requests to {addr} that the host let through")


def slaves_work(lab, what):
    for src, addr in (("client", "10.1.0.11"), ("client", "fd01::11"), ("s1", CLIENT[0]), ("s1", CLIENT[1])):
        if version6_works(lab) or ":" not in addr:
            expect(lab.ping(src, addr, wait=1.0), True, f"{what}: {src} to {addr}")


def version6_works(lab):
    """Before Linux 6.17 IPv6 of l3s needs a router (docs/ipvlan.md)."""
    try:
        return lab.sysctl("host", "net.ipv6.conf.e0.force_forwarding") is not None
    except FileNotFoundError:
        return False


def with_the_balancer(lab):
    """In either order."""
    lab.slaves("l3s")
    reaches(lab, False, "l3s")
    lab.culvert("attach e0 --mode tc")
    reaches(lab, False, "l3s, and then the load balancer")
    slaves_work(lab, "l3s, and then the load balancer")
    lab.culvert("detach --all")
    reaches(lab, False, "without the load balancer again")
    lab.drop_slaves()
    lab.culvert("attach e0 --mode tc")
    lab.slaves("l3s")
    reaches(lab, False, "the load balancer, and then l3s")
    slaves_work(lab, "the load balancer, and then l3s")
    router(lab, "beside the load balancer", told=True)
    lab.culvert("detach --all")
    router(lab, "without it", told=False)


def router(lab, what, told):
    """The administrator makes a router of it, and takes that back."""
    for on in (1, 0):
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            lab.sysctl("host", name, on)
        if told or not on:
            lab.culvert("track --once")
        reaches(lab, bool(on), f"{what}, with ip_forward {on}")
        slaves_work(lab, f"{what}, with ip_forward {on}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.sysctl("host", "net.ipv6.conf.all.forwarding", 0)
        keeps_route(lab)
        lab.serve("client", "host", "s1", "s2")
        lab.beyond()
        with_the_balancer(lab)


main()
