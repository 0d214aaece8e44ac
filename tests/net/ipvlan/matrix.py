#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 300
"""Every cell of the matrix, against what the kernel's driver was recorded to do and the differences
that docs/ipvlan.md gives reasons for; and the table of hooks in there, which is made from the same.

matrix.py [--write]: with --write puts the table into the documentation instead of comparing it.
"""
import json
import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
FACTS = os.path.join(ROOT, "tests/reference/ipvlan/matrix.jsonl")
DOC = os.path.join(ROOT, "docs/ipvlan.md")
BEGIN, END = "<!-- hooks: made by tests/net/ipvlan/matrix.py --write -->", "<!-- hooks: end -->"
HOST_FLOWS = ("host->slave", "slave->host")
THROUGH = {"req": ["prerouting", "forward", "postrouting"], "rep": ["prerouting", "forward", "postrouting"]}
INTO, OUT_OF = ["prerouting", "input"], ["output", "postrouting"]


def load(lines):
    return {tuple(c[k] for k in ("mode", "flag", "flow", "ip", "kind")): c for c in map(json.loads, lines)}


def local(client, server):
    """Hooks of an exchange that only its two ends see."""
    return {client: {"req": OUT_OF, "rep": INTO}, server: {"req": INTO, "rep": OUT_OF}}


def expected(cell, kernel):
    """What culvert does where the kernel's driver does `kernel`: the differences, each with its number in the document."""
    mode, flag, flow, _, kind = cell
    want = {k: v for k, v in kernel.items()}
    ends = {"outside->slave": (None, "s1"), "slave->outside": ("s1", None), "slave->slave": ("s1", "s2"),
            "host->slave": ("host", "s1"), "slave->host": ("s1", "host")}[flow]
    if flow in HOST_FLOWS:
        if mode == "l2":                    # 4: not by way of the switch
            return {"ok": False, "hooks": {ends[0]: {"req": OUT_OF}}}
        want |= {"ok": True, "hooks": local(*ends)}     # 3: hostreach
        if kind != "icmp":
            want["at"] = ends[1]
        if kind == "udp":
            want["ttl"] = 64
        if kind != "tcp":
            want["reply_ttl"] = 64
        return want
    if flow == "slave->slave":
        if flag != "vepa":
            return want
        want |= {"ok": True, "hooks": local(*ends)}     # 5 and 6: vepa
        hop = 64 if mode == "l2" else 63    # in l3 the outside is a router, and that one is a hop
        if kind != "icmp":
            want["at"] = "s2"
        if kind == "udp":
            want["ttl"] = hop
        if kind != "tcp":
            want["reply_ttl"] = hop
        return want
    if mode == "l2":
        return want
    slave = {"req": INTO, "rep": OUT_OF} if flow == "outside->slave" else {"req": OUT_OF, "rep": INTO}
    out = "rep" if flow == "outside->slave" else "req"
    host = THROUGH if mode == "l3s" else {out: THROUGH[out]}    # 1 and 2: forward
    return want | {"hooks": {"host": host, "s1": slave}}


def check(kernel, ours):
    wrong = []
    for cell, fact in kernel.items():
        fields = ("ok", "at", "ttl", "reply_ttl", "hooks")
        want = expected(cell, {k: fact[k] for k in fields if k in fact})
        got = {k: ours[cell][k] for k in fields if k in ours[cell]} if cell in ours else None
        if got != want:
            wrong.append(f"{' '.join(map(str, cell))}\n  expected {want}\n  got      {got}")
    if len(kernel) != 270:
        wrong.append(f"the recording has {len(kernel)} cells")
    return wrong


def words(hooks, who, way):
    found = hooks.get(who, {}).get(way)
    return ", ".join(found) if found else "–"


def table(kernel, ours):
    """For the document: IPv4 UDP in bridge; the test has shown that IPv6, ICMP and TCP are alike."""
    lines = ["| mode | from, to | driver | works | host: request | host: answer | slave: request | slave: answer |",
             "|---|---|---|---|---|---|---|---|"]
    for mode in ("l2", "l3", "l3s"):
        for flow in ("outside->slave", "slave->outside", "slave->slave", *HOST_FLOWS):
            for name, cells in (("kernel", kernel), ("culvert", ours)):
                cell = cells[mode, "bridge", flow, 4, "udp"]
                row = [mode, flow.replace("->", " → "), name, "yes" if cell["ok"] else "no"]
                row += [words(cell["hooks"], who, way) for who in ("host", "s1") for way in ("req", "rep")]
                lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main():
    with open(FACTS, encoding="ascii") as file:
        kernel = load(file)
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests/net/lib/ipvlan_matrix.py"), "culvert"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    ours = load(done.stdout.splitlines())
    wrong = check(kernel, ours)
    if wrong:
        sys.exit("\n".join(wrong))
    with open(DOC, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    made = f"{before}{BEGIN}\n\n{table(kernel, ours)}\n\n{END}{rest.split(END)[1]}"
    if "--write" in sys.argv:
        with open(DOC, "w", encoding="utf-8") as file:
            file.write(made)
    elif made != text:
        sys.exit("docs/ipvlan.md: the table of hooks is not what was counted: matrix.py --write")


main()
