#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ipvlan_matrix.py DRIVER [MODE...] - every cell of the matrix, as JSON lines.

{l2, l3, l3s} x {bridge, private, vepa} x {IPv4, IPv6} x {outside->slave, slave->outside,
slave->slave, host->slave, slave->host} x {ICMP, TCP, UDP}: did it work, with what TTL did
request and answer arrive, and which netfilter hooks did they cross in which namespace.
DRIVER is "culvert", or "kernel" where the kernel has ipvlan.
"""
import json
import sys
import time

from ipvlan_lab import Hooks, Lab, targets, version


def observe(lab, hooks, kind, src, addr):
    """One exchange and the hooks that it crossed. What fails is tried again: machines get busy."""
    pause = 0.2 if lab.driver == "kernel" else 0.02     # the reference machine is slow
    for _ in range(2):
        time.sleep(pause)
        for one in hooks.values():
            one.take()
        result = lab.exchange(kind, src, addr)
        time.sleep(pause)
        crossed = {name: found for name, one in hooks.items() if (found := one.take())}
        if result["ok"]:
            break
    return result, crossed


def cells(lab, hooks, mode, flag):
    lab.reflect(flag == "vepa")
    lab.slaves(mode, flag)
    for flow, src, addrs in targets(mode):
        for addr in addrs:
            # The first packet's neighbour discovery is not what is asked about.
            lab.ping(src, addr)
            for kind in ("icmp", "tcp", "udp"):
                result, crossed = observe(lab, hooks, kind, src, addr)
                print(json.dumps({"mode": mode, "flag": flag, "flow": flow, "ip": version(addr), "kind": kind,
                                  **{k: result[k] for k in ("ok", "at", "ttl", "reply_ttl") if k in result},
                                  "hooks": crossed}), flush=True)
    lab.drop_slaves()


def main():
    driver, modes = sys.argv[1], sys.argv[2:] or ("l2", "l3", "l3s")
    with Lab(driver) as lab:
        lab.wire()
        lab.forward_on_host()
        lab.serve("client", "host", "s1", "s2")
        hooks = {name: Hooks(lab, name) for name in ("host", "s1", "s2")}
        for mode in modes:
            for flag in ("bridge", "private", "vepa"):
                cells(lab, hooks, mode, flag)


main()
