#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A mode change under a running iperf3 and a ping flood loses no more than the packets in flight."""
import json
import os
import re
import subprocess
import time

from ipvlan_lab import Lab, expect

# Of a flood of 100 a second and more, what may be on its way at one of the changes.
IN_FLIGHT = 2
# Fewer pings than these in five seconds are no flood; an emulated machine sends no more.
FLOOD = 30 if "CULVERT_VM" in os.environ else 150


def change(lab, modes):
    """Through the modes, and back to the first; the pings lost."""
    server = lab.start("s1", "iperf3 -s -1 -p 5201", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    bulk = lab.start("client", f"iperf3 -c {lab.target} -p 5201 -t 5 -J", stdout=subprocess.PIPE)
    flood = lab.start("client", f"ping -q -i 0.002 -w 5 {lab.target}", stdout=subprocess.PIPE, text=True)
    back = lab.start("s1", "ping -q -i 0.002 -w 5 10.0.0.2", stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    changes = 0
    for _ in range(3):
        for mode in modes:
            lab.culvert(f"link -n {lab.ns('s1')} set i0 mode {mode}")
            changes += 1
            time.sleep(0.3)
    lost, few = [], False
    for one in (flood, back):
        text = one.communicate()[0]
        sent, got = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
        lost.append(sent - got)
        few = few or sent <= FLOOD
    report = json.loads(bulk.communicate()[0])
    server.wait()
    expect("error" in report, False, f"iperf3 ({report.get('error')})")
    seconds = [i["sum"]["bytes"] for i in report["intervals"]]
    expect(min(seconds[:5]) > 0, True, f"bytes in each second of iperf3 ({seconds})")
    bad = any(count > changes * IN_FLIGHT for count in lost)
    print(f"{' '.join(modes)}: {changes} changes, lost {lost[0]} and {lost[1]} pings, "
          f"{report['end']['sum_sent']['retransmits']} segments sent again")
    if few:
        return "too few pings for a flood"
    return None if not bad else f"{lost} pings lost in {changes} changes"


def main():
    with Lab() as lab:
        lab.wire()
        # An address that works in every mode: routed by the client, and on the wire's subnet in l2.
        lab.target = "10.0.0.11"
        lab.ip("client", "route add 10.0.0.11/32 via 10.0.0.1")
        for name, tail in (("s1", "11"), ("s2", "12")):
            lab.add_slave(name, "l3")
            lab.add_addr(name, f"10.0.0.{tail}/24")
        for modes in (("l3s", "l3"), ("l2", "l3"), ("l2", "l3s", "l3")):
            # A machine that is busy with other things drops packets by itself, or floods no one: not twice, though.
            expect(change(lab, modes) and change(lab, modes), None, " ".join(modes))


main()
