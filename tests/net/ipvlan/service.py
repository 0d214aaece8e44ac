#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 120
"""The load balancer and slaves on one device: a service over slaves of this very host, by NAT and by
direct routing, at either door; and slaves that are reached beside it."""
from ipvlan_lab import PORT, Lab, expect, shown

VIP, VIP6 = "10.0.0.100", "fd00::100"


def who_answers(lab, addr, times=6):
    answers = [lab.exchange("tcp", "client", addr, wait=0.9) for _ in range(times)]
    return {one.get("at", one.get("error")) for one in answers}


def services(lab, method):
    for vip, real in ((VIP, "10.1.0.{}"), (f"[{VIP6}]", "[fd01::{}]")):
        lab.culvert(f"ipvsadm -A -t {vip}:{PORT} -s rr")
        for tail in ("11", "12"):
            lab.culvert(f"ipvsadm -a -t {vip}:{PORT} -r {real.format(tail)}:{PORT} {method}")


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
        for mode in ("l3", "l3s"):
            lab.slaves(mode)
            for name in ("s1", "s2"):
                lab.culvert(f"link -n {lab.ns(name)} set i0 allow {VIP}/32 allow {VIP6}/128")
            host_ends = [shown(lab, name)["linkinfo"]["info_data"]["host_end"] for name in ("s1", "s2")]
            for door in ("tc", "xdp"):
                lab.culvert(f"attach e0 --mode {door} --max-conns 4096")
                # Masquerading has to see the answers: they come by the host ends.
                for host_end in host_ends:
                    lab.culvert(f"attach {host_end} --mode tc")
                for method in ("-m", "-g"):
                    services(lab, method)
                    for vip in (VIP, VIP6):
                        expect(who_answers(lab, vip), {"s1", "s2"}, f"{mode} {door} {method}: who answers for {vip}")
                    for addr in ("10.1.0.11", "fd01::12"):
                        expect(lab.exchange("tcp", "client", addr)["ok"], True, f"{mode} {door}: beside it, {addr}")
                    lab.culvert("ipvsadm -C")
                for device in ("e0", *host_ends):
                    lab.culvert(f"detach {device}")
            lab.drop_slaves()


main()
