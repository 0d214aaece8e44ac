#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ipvlan's programs are replaced under a running iperf3 and ping floods, by another build and back: nothing is
lost; by tcx, and by clsact as before Linux 6.6. Counters go on, and what may not pass does not."""
import json
import os
import re
import subprocess
import time

from ipvlan_lab import PATIENCE, Lab, expect, within


def pings(one):
    text = one.communicate()[0]
    return [int(n) for n in re.search(r"(\d+) packets transmitted, (\d+) received", text).groups()]


def programs(lab):
    """Ids of the programs that ipvlan has pinned."""
    pins = f"/run/culvert/{lab.cookies[0]}/ipvlan/progs"
    return [json.loads(lab.run("host", f"bpftool -j prog show pinned {pins}/{name}")[1])["id"] for name in os.listdir(pins)]


def still_there(lab, ids):
    """Of these programs, those that some hook still runs: nothing else keeps them."""
    return [one for one in ids if lab.run("host", f"bpftool prog show id {one}", check=False)[0] == 0]


def upgrades(lab, newer, count):
    """iperf3 into s1 (at 100 Mbit/s: unhindered, it fills the queues of a veth, which then drops), floods into s1 and
    between the slaves, a slow machine's slower; how many pings there were."""
    seconds = 3 * count * PATIENCE
    server = lab.start("s1", "iperf3 -s -1 -p 5201", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    bulk = lab.start("client", f"iperf3 -c 10.1.0.11 -p 5201 -b {100 // PATIENCE}M -t {seconds} -J",
                     stdout=subprocess.PIPE)
    floods = [lab.start(src, f"ping -q -i {0.005 * PATIENCE} -w {seconds} {dst}", stdout=subprocess.PIPE, text=True)
              for src, dst in (("client", "10.1.0.12"), ("s1", "10.1.0.12"), ("client", "fd01::11"))]
    time.sleep(0.5)
    rx = statistics(lab)
    for number in range(count):
        path = newer if number % 2 == 0 else lab.culvert_path
        old = programs(lab)
        said = json.loads(lab.run("host", [path, "upgrade", "-j"])[1])
        expect([one["part"] for one in said], ["ipvlan"], "the parts upgraded")
        expect(said[0]["hooks"], 6, "the hooks of a master and two slaves")
        expect(statistics(lab) > rx, True, "counters that go on")
        rx = statistics(lab)
        within(30, [], "hooks that run the old programs", lambda ids=old: still_there(lab, ids))
        time.sleep(0.5)
    sent = 0
    for flood in floods:
        there, back = pings(flood)
        expect(there > 100, True, "a flood")
        # The last one may be on its way when the time is up.
        expect(there - back <= 1, True, f"{there - back} of {there} pings lost")
        sent += there
    report = json.loads(bulk.communicate()[0])
    server.wait()
    expect("error" in report, False, f"iperf3 ({report.get('error')})")
    return sent


def statistics(lab):
    return sum(one["stats"]["rx_packets"] for one in json.loads(lab.culvert("link -s show -j")[1]))


def spoofed(lab):
    """What the slave s1 drops because its source is not its own: the programs are all there."""
    lab.ip("s1", "addr add 10.9.9.9/32 dev i0")
    lab.run("s1", "ping -q -c3 -i0.05 -W1 -I 10.9.9.9 10.0.0.2", check=False)
    lab.ip("s1", "addr del 10.9.9.9/32 dev i0")
    return json.loads(lab.culvert("link -s show -j")[1])[0]["stats"]["drop_source"]


def main():
    build = os.path.realpath(os.environ.get("BUILD", "build"))
    subprocess.run(["flock", f"{build}/tests", "ninja", "-C", build, "tests/other/culvert-newer"],
                   check=True, stdout=subprocess.DEVNULL)
    count = 10 if os.environ.get("CULVERT_LONG") else 4
    sent = 0
    for clsact in (False, True):
        if clsact:
            os.environ["CULVERT_NO_TCX"] = "1"
        with Lab() as lab:
            lab.wire()
            lab.slaves("l3")
            before = spoofed(lab)
            expect(before >= 3, True, "spoofed packets dropped")
            sent += upgrades(lab, build + "/tests/other/culvert-newer", count)
            expect(spoofed(lab) >= before + 3, True, "spoofed packets dropped afterwards")
            shown = lab.culvert("link show")[1]
            for name in ("s1", "s2"):
                lab.culvert(f"link -n {lab.ns(name)} del i0")
            expect(shown.count("@e0"), 2, "slaves that were there all the time")
    if os.environ.get("CULVERT_FIGURES"):
        with open(os.environ["CULVERT_FIGURES"], "a", encoding="ascii") as out:
            out.write(f"figure upgrade.ipvlan {2 * count} upgrades of ipvlan under iperf3 and ping floods\n"
                      f"figure upgrade.pings {sent} pings sent meanwhile\nfigure upgrade.pings-lost 0 of these lost\n")


main()
