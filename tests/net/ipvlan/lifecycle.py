#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Slaves come and go: by link del, with their namespace, with their device, with their master;
and a `link add` that is killed at any moment leaves nothing, or what the next command removes."""
import json
import os
import random
import signal
import subprocess
import time

from ipvlan_lab import Lab, expect, shown, within


def links(lab):
    return lab.culvert("link show -j")[1].strip()


def nothing_left(lab, what):
    """After the next command that changes something, which is one that finds nothing to do."""
    lab.culvert("track --once")
    expect(links(lab), "[]", f"{what}: slaves")
    out = lab.ip("host", "-o link")[1]
    expect("cvslave" in out, False, f"{what}: host ends ({out})")
    expect("proto 67" in lab.ip("host", "route show table all")[1], False, f"{what}: routes")
    expect(os.path.exists(f"/run/culvert/{lab.cookies[0]}"), False, f"{what}: the instance")


def entries(lab):
    """How many there are in each table of the data path."""
    def dumped(name):
        return json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned",
                                          f"/run/culvert/{lab.cookies[0]}/ipvlan/maps/{name}"],
                                         capture_output=True, check=True).stdout)
    return {name: len(dumped(name)) for name in ("addrs", "ports", "allows")}


def ends(lab):
    """Four ways to end."""
    lab.add_slave("s1", "l3")
    lab.add_addr("s1", "10.1.0.11/24")
    alone = entries(lab)
    lab.add_slave("s2", "l3")
    for addr in ("10.1.0.12/24", "fd01::12/64"):
        lab.add_addr("s2", addr)
    lab.culvert(f"link -n {lab.ns('s2')} set i0 allow 10.7.0.0/16")
    lab.culvert(f"link -n {lab.ns('s2')} del i0")
    expect(entries(lab), alone, "what is left of one of two slaves")
    lab.drop_slaves()

    lab.slaves("l3")
    for name in ("s1", "s2"):
        lab.culvert(f"link -n {lab.ns(name)} del i0")
        expect("i0" in lab.ip(name, "-o link")[1], False, "the inner end")
    nothing_left(lab, "link del")

    lab.slaves("l3s")
    for name in ("s1", "s2"):
        lab.ip(name, "link del i0")
    nothing_left(lab, "ip link del inside")

    lab.add_ns("short")
    lab.slaves("l3")
    lab.add_slave("short", "l3")
    lab.add_addr("short", "10.1.0.13/24")
    os.close(lab.fds.pop("short"))
    lab.names.remove("short")
    subprocess.run(["ip", "netns", "del", lab.ns("short")], check=True)
    within(30, 2, "slaves when a namespace went", lambda: lab.culvert("link show")[1].count("ipvlan") or
           lab.culvert("link show")[1].count("@e0"))
    lab.add_addr("s1", "10.1.0.13/24")      # free again
    expect(lab.ping("client", "10.1.0.13"), True, "the address with its new owner")
    for name in ("s1", "s2"):
        lab.culvert(f"link -n {lab.ns(name)} del i0")
    nothing_left(lab, "a namespace that went")

    lab.slaves("l2")
    lab.ip("host", "link del e0")
    nothing_left(lab, "a master that went")
    for name in ("s1", "s2"):
        expect("i0" in lab.ip(name, "-o link")[1], False, "the inner end without its master")


def interrupted(lab):
    """Killed after a random time, again and again; whatever is left, the next command copes."""
    lab.wire_again()
    lab.slaves("l3")
    rng, died = random.Random(7), 0
    build = lab.culvert_path
    for _ in range(60):
        child = lab.start("host", [build, "link", "add", "link", "e0", "name", "i1", "type", "ipvlan", "netns",
                                   lab.ns("s1"), "addr", "10.1.0.21/24", "addr", "fd01::21/64"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        died += child.wait() == -signal.SIGKILL
        lab.children.remove(child)
        status, _, err = lab.culvert(f"link -n {lab.ns('s1')} del i1", check=False)
        if status:
            expect('Cannot find device "i1"' in err, True, f"del after a kill ({err.strip()})")
        expect("i1" in lab.ip("s1", "-o link")[1], False, "i1 after del")
        # Its addresses are free, and its name.
        lab.culvert(f"link add link e0 name i1 type ipvlan netns {lab.ns('s1')} addr 10.1.0.21/24 addr fd01::21/64")
        lab.culvert(f"link -n {lab.ns('s1')} del i1")
    expect(died >= 10, True, f"only {died} of 60 were killed in time")
    expect(lab.ping("client", "10.1.0.11"), True, "the others meanwhile")
    lab.drop_slaves()
    nothing_left(lab, "interrupted")


def killed(lab, rng, command):
    """Runs it, and kills it at a random moment; whether that came in time."""
    child = lab.start("host", [lab.culvert_path, *command.split()], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    time.sleep(rng.uniform(0, 0.02))
    child.send_signal(signal.SIGKILL)
    lab.children.remove(child)
    return child.wait() == -signal.SIGKILL


def changes_interrupted(lab):
    """The same for link set, addr and link del: half a change is completed or undone by the next command."""
    lab.slaves("l3")
    s1, rng, died = lab.ns("s1"), random.Random(11), 0
    add = f"link add link e0 name i1 type ipvlan netns {s1} addr 10.1.0.21/24 addr fd01::21/64 up"
    for turn in range(30):
        lab.culvert(add)
        for command in (f"link -n {s1} set i1 mode {('l2', 'l3s')[turn % 2]}", f"link -n {s1} set i1 private",
                        f"addr -n {s1} add 10.1.0.22/24 dev i1", f"link -n {s1} del i1"):
            died += killed(lab, rng, command)
        status, _, err = lab.culvert(f"link -n {s1} set i1 up", check=False)
        expect(status == 0 or 'Cannot find device "i1"' in err, True, f"after the kills ({err.strip()})")
        lab.culvert(f"link -n {s1} set i0 mode l3 bridge")
        lab.culvert(f"link -n {s1} del i1", check=False)
        expect("i1" in lab.ip("s1", "-o link")[1], False, "i1 after del")
        if turn % 10 == 9:
            for addr in ("10.1.0.11", "fd01::11", "10.1.0.12"):
                within(30, True, f"the others meanwhile, {addr}", lambda: lab.ping("client", addr))
    expect(died >= 20, True, f"only {died} of 120 were killed in time")
    lab.drop_slaves()
    nothing_left(lab, "changes interrupted")


def names(lab):
    """i0 here and there; renamed and moved ones are found by what they are called now."""
    lab.slaves("l3")
    lab.ip("s1", "link set i0 down")
    lab.ip("s1", "link set i0 name uplink")
    lab.culvert("link set uplink up")
    expect(shown(lab, "s1", "uplink")["link"], "e0", "a renamed slave")
    lab.culvert(f"link set uplink netns {lab.ns('s2')}")
    expect(shown(lab, "s2", "uplink")["netns"], lab.ns("s2"), "a moved slave")
    expect(lab.culvert("addr show uplink")[1].count("inet "), 0, "addresses of a moved slave")
    lab.culvert("addr add 10.1.0.11/24 dev uplink")
    lab.culvert("link set uplink up")
    lab.ip("s2", "route del default dev i0")
    lab.ip("s2", "route add default dev uplink")
    expect(lab.exchange("udp", "client", "10.1.0.11")["ok"], True, "to a moved slave")
    lab.culvert("link del uplink")
    lab.drop_slaves()
    # In the master's own namespace.
    lab.culvert("link add link e0 name own type ipvlan mode l2")
    expect(lab.ip("host", "-o link show own")[0], 0, "a slave in the master's namespace")
    lab.culvert("link del own")
    nothing_left(lab, "names")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        ends(lab)
        interrupted(lab)
        changes_interrupted(lab)
        names(lab)


main()
