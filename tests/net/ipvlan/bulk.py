#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bulk TCP into slaves and out of them stays in large packets (GRO, GSO), in every mode."""
import json
import subprocess
import time

from ipvlan_lab import SUBNET, Lab, expect, shown


def move(lab, target, reverse):
    """Bytes and packets that the slave's counters say for a second of iperf3."""
    server = lab.start("s1", "iperf3 -s -1 -p 5201", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    before = shown(lab, "s1")["stats"]
    out = lab.run("client", f"iperf3 -c {target} -p 5201 -t 1 -J {'-R' if reverse else ''}")[1]
    server.wait()
    after = shown(lab, "s1")["stats"]
    way = "tx" if reverse else "rx"
    moved = json.loads(out)["end"]["sum_received"]["bytes"]
    return moved, {k: after[f"{way}_{k}"] - before[f"{way}_{k}"] for k in ("bytes", "packets")}


def main():
    with Lab() as lab:
        lab.wire()
        for mode in ("l2", "l3", "l3s"):
            lab.slaves(mode)
            for target in (SUBNET[mode][0] + "11", SUBNET[mode][1] + "11"):
                for reverse in (False, True):
                    moved, seen = move(lab, target, reverse)
                    size = seen["bytes"] / seen["packets"]
                    what = f"{mode} {'out of' if reverse else 'into'} {target}"
                    print(f"{what}: {moved * 8 / 1e9:.1f} Gbit/s, {size:.0f} bytes a packet")
                    expect(seen["bytes"] >= moved, True, f"{what}: bytes counted")
                    expect(size > 5000, True, f"{what}: {size:.0f} bytes a packet")
            lab.drop_slaves()


main()
