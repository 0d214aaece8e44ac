#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside others on one device: macvlan, a bridge that the master is a port of, another's tc program."""
from ipvlan_lab import HOST, SUBNET, Lab, expect


def works(lab, mode, what, host=True):
    v4, v6 = SUBNET[mode]
    flows = [("client", v4 + "11"), ("client", v6 + "11"), ("s1", "10.0.0.2"), ("s1", "fd00::2"), ("s1", v4 + "12"),
             ("client", HOST[0]), ("client", HOST[1])]
    if host and mode != "l2":
        flows += [("host", v4 + "11"), ("s1", HOST[0])]
    for src, addr in flows:
        for kind in ("icmp", "tcp"):
            expect(lab.exchange(kind, src, addr)["ok"], True, f"{what}, {mode}: {kind} {src} to {addr}")


def macvlan(lab):
    lab.add_ns("mac")
    status, _, err = lab.run("host", ["ip", "link", "add", "mv0", "link", "e0", "netns", lab.ns("mac"), "type",
                                      "macvlan", "mode", "bridge"], check=False)
    if status:
        print(f"no macvlan in this kernel: {err.strip()}")
        return
    lab.ip("mac", "addr add 10.0.0.50/24 dev mv0")
    lab.ip("mac", "addr add fd00::50/64 dev mv0")
    lab.ip("mac", "link set mv0 up")
    lab.serve("mac")
    for mode in ("l2", "l3", "l3s"):
        lab.slaves(mode)
        works(lab, mode, "beside macvlan")
        for addr in ("10.0.0.50", "fd00::50"):
            expect(lab.exchange("tcp", "client", addr)["ok"], True, f"the macvlan beside {mode}, at {addr}")
        lab.drop_slaves()
    lab.ip("mac", "link del mv0")


def bridge_port(lab):
    """
    l2 and l3 need nothing of the bridge. l3s needs the bridge to forward, and that is not for culvert to
    turn on: it would forward for the other ports.
    """
    lab.bridge_above()
    for mode in ("l2", "l3"):
        lab.slaves(mode)
        works(lab, mode, "a bridge port as master", host=mode == "l3")
        if mode == "l3":
            for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                lab.sysctl("host", key, 0)
            status, _, err = lab.culvert(f"link -n {lab.ns('s1')} set i0 mode l3s", check=False)
            expect((status, err.count("\n")), (1, 1), f"l3s on a port of a bridge that does not forward ({err})")
            expect('"e0" is a port of "hbr", which does not forward IPv4' in err, True, err)
            # Before Linux 6.17 that switched the host ends off, too, until the next command (docs/ipvlan.md).
            lab.culvert("track --once")
            works(lab, "l3", "after l3s was refused")
        lab.drop_slaves()
    lab.forward_on_host()
    lab.slaves("l3s")
    works(lab, "l3s", "a port of a bridge that forwards")
    lab.drop_slaves()


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        macvlan(lab)
        bridge_port(lab)


main()
