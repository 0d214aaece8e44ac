#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""l3s: the host's firewall sees both directions, conntrack the whole connection; l3: as the kernel's."""
from ipvlan_lab import CLIENT, PORT, SUBNET, Lab, expect, version

MODES = {"l2": (0, False), "l3": (1, False), "l3s": (1, True)}  # entries in conntrack, with an answer seen


def conntrack(lab, addr):
    family = "ipv6" if version(addr) == 6 else "ipv4"
    return [line for line in lab.run("host", f"conntrack -L -f {family} -p udp", check=False)[1].splitlines()
            if f"dport={PORT} " in line]


def entries(lab, mode):
    """One entry per flow, ESTABLISHED in l3s only."""
    v4, v6 = SUBNET[mode]
    for src, addr in (("client", v4 + "11"), ("client", v6 + "11"), ("s1", CLIENT[0]), ("s1", CLIENT[1])):
        lab.run("host", "conntrack -F", check=False)
        expect(lab.exchange("udp", src, addr)["ok"], True, f"{mode}: {src} to {addr}")
        found = conntrack(lab, addr)
        expect((len(found), any("UNREPLIED" not in one for one in found)), MODES[mode],
               f"{mode}: conntrack of {src} to {addr} ({found})")
    if mode != "l3s":
        return
    for src, addr in (("client", v4 + "11"), ("s1", CLIENT[1])):
        lab.run("host", "conntrack -F", check=False)
        expect(lab.exchange("tcp", src, addr)["ok"], True, f"{mode}: TCP {src} to {addr}")
        lines = [l for l in lab.run("host", f"conntrack -L -f ipv{version(addr)} -p tcp", check=False)[1].splitlines()
                 if f"dport={PORT} " in l]
        expect(len(lines) == 1 and "UNREPLIED" not in lines[0], True, f"one complete TCP entry ({lines})")


def drops(lab, mode):
    """Which hook of the host stops which direction, if it drops everything."""
    v4, v6 = SUBNET[mode]
    stops = {"l2": (), "l3": ("prerouting", "forward", "postrouting"), "l3s": ("prerouting", "forward", "postrouting")}
    for hook in ("prerouting", "input", "forward", "output", "postrouting"):
        lab.run("host", ["nft", "-f", "-"], stdin=f"table inet stop {{ chain c {{ type filter hook {hook} priority 0;\n"
                "meta l4proto udp drop\n}\n}\n")
        for src, addr in (("client", v4 + "11"), ("client", v6 + "11"), ("s1", CLIENT[0]), ("s1", CLIENT[1]),
                          ("s1", v4 + "12")):
            want = hook not in stops[mode] or addr == v4 + "12"
            expect(lab.exchange("udp", src, addr, wait=0.2)["ok"], want, f"{mode}: {src} to {addr} past {hook}")
        lab.run("host", "nft delete table inet stop")


def inbound_only(lab):
    """l3: what comes in meets no rule; l3s: it does, by the name of the device that it came in by."""
    rule = "table inet stop { chain c { type filter hook forward priority 0;\niifname e0 udp dport 7 drop\n}\n}\n"
    lab.run("host", ["nft", "-f", "-"], stdin=rule)
    for mode, want in (("l3", True), ("l3s", False)):
        lab.slaves(mode)
        for addr in ("10.1.0.11", "fd01::11"):
            expect(lab.exchange("udp", "client", addr)["ok"], want, f"{mode}: past a rule for what e0 forwards")
            expect(lab.ping("client", addr), True, f"{mode}: what the rule does not name")
        lab.drop_slaves()
    lab.run("host", "nft delete table inet stop")


def main():
    with Lab() as lab:
        lab.wire()
        lab.serve("client", "host", "s1", "s2")
        # Somebody has to ask for conntrack.
        lab.run("host", ["nft", "-f", "-"], stdin="table inet track { chain c { type filter hook prerouting priority 0;\n"
                "ct state new\n}\n}\n")
        for mode in MODES:
            lab.slaves(mode)
            entries(lab, mode)
            drops(lab, mode)
            lab.drop_slaves()
        inbound_only(lab)


main()
