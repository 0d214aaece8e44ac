#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The load balancer and slaves on one device: a service over slaves of this very host, by NAT and by
direct routing, at either door; and slaves that are reached beside it."""
from ipvlan_lab import PORT, SUBNET, Lab, expect, shown

VIP, VIP6 = "10.0.0.100", "fd00::100"


def who_answers(lab, addr, times=6):
    answers = [lab.exchange("tcp", "client", addr, wait=0.9) for _ in range(times)]
    return {one.get("at", one.get("error")) for one in answers}


def services(lab, mode, method):
    v4, v6 = SUBNET[mode]
    for vip, real in ((VIP, v4 + "{}"), (f"[{VIP6}]", f"[{v6}{{}}]")):
        lab.culvert(f"ipvsadm -A -t {vip}:{PORT} -s rr")
        for tail in ("11", "12"):
            lab.culvert(f"ipvsadm -a -t {vip}:{PORT} -r {real.format(tail)}:{PORT} {method}")


def balanced(lab, mode, door, host_ends):
    lab.culvert(f"attach e0 --mode {door} --max-conns 4096")
    # Masquerading has to see the answers, which come by the host ends; in l2 they go straight to the wire.
    answers = host_ends if mode != "l2" else []
    for host_end in answers:
        lab.culvert(f"attach {host_end} --mode tc")
    for method in ("-m", "-g") if answers else ("-g",):
        services(lab, mode, method)
        for vip in (VIP, VIP6):
            expect(who_answers(lab, vip), {"s1", "s2"}, f"{mode} {door} {method}: who answers for {vip}")
        for addr in (SUBNET[mode][0] + "11", SUBNET[mode][1] + "12"):
            expect(lab.exchange("tcp", "client", addr)["ok"], True, f"{mode} {door}: beside it, {addr}")
        lab.culvert("ipvsadm -C")
    for device in ("e0", *answers):
        lab.culvert(f"detach {device}")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        # As from a real wire: XDP cannot complete checksums that a local stack left to its device.
        lab.run("client", "ethtool -K p0 tx off")
        for name in ("s1", "s2"):
            lab.ip(name, f"addr add {VIP}/32 dev lo")
            lab.ip(name, f"addr add {VIP6}/128 dev lo")
        lab.ip("client", f"route add {VIP}/32 via 10.0.0.1")
        lab.ip("client", f"-6 route add {VIP6}/128 via fd00::1")
        for name in ("s1", "s2"):
            # Nobody but the host says on the wire that it has the virtual address.
            lab.sysctl(name, "net.ipv4.conf.all.arp_ignore", 1)
            lab.sysctl(name, "net.ipv4.conf.all.arp_announce", 2)
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            for name in ("s1", "s2"):
                lab.culvert(f"link -n {lab.ns(name)} set i0 allow {VIP}/32 allow {VIP6}/128")
            host_ends = [shown(lab, name)["linkinfo"]["info_data"]["host_end"] for name in ("s1", "s2")]
            if mode == "l2":
                # The host has no way to its own slaves there: one is made for the load balancer.
                for host_end, tail in zip(host_ends, ("11", "12")):
                    lab.ip("host", f"route add 10.0.0.{tail}/32 dev {host_end}")
                    lab.ip("host", f"-6 route add fd00::{tail}/128 dev {host_end}")
            for door in ("tc", "xdp"):
                balanced(lab, mode, door, host_ends)
            lab.drop_slaves()


main()
