#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command writes as JSON is documented: each member stands in docs/json.md, each counter in docs/counters.md, and
what `--mode auto` did is told with its reason."""
import json
import os
import re

from ipvlan_lab import Lab, expect

DOCS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs")
COUNTERS = ("packets", "stats")     # by the names of docs/counters.md
SLAVE = "link add link e0 name i0 type ipvlan mode l3 netns {s1} addr 10.1.0.11/24 addr fd01::11/64 allow 10.7.0.0/16 up"


def names_in(page):
    """What stands in backquotes, or as a member of a sample."""
    with open(os.path.join(DOCS, page), encoding="utf-8") as file:
        text = file.read()
    return set(re.findall(r"`([\w-]+)`", text)) | set(re.findall(r'"([\w-]+)":', text))


def members(what, path=()):
    """(where, name) of all members, at any depth; counters apart."""
    if isinstance(what, list):
        for one in what:
            yield from members(one, path)
    elif isinstance(what, dict):
        for name, value in what.items():
            yield path, name
            yield from members(value, (*path, name))


def main():
    said = {"json.md": names_in("json.md"), "counters.md": names_in("counters.md")}
    written, missing = 0, []
    with Lab() as lab:
        lab.wire()

        def asked(command):
            nonlocal written
            out = lab.culvert(command.format(s1=lab.ns("s1")))[1]
            document = json.loads(out)
            for path, name in members(document):
                written += 1
                counter = bool(path) and path[-1] in COUNTERS and "ipvsadm" not in command
                page = "counters.md" if counter else "json.md"
                if name not in said[page]:
                    missing.append(f"{command}: {'.'.join((*path, name))} is not in docs/{page}")
            return document

        expect(asked("attach e0 -j").get("no_xdp"), None, "a veth has XDP")
        expect("lo does not take" in asked("attach lo -j")["no_xdp"], True, "why lo has not")
        lab.culvert("detach lo")
        expect("(lo does not take an XDP program in its driver" in lab.culvert("attach lo")[1], True, "said in a line")
        lab.culvert(SLAVE.format(s1=lab.ns("s1")))
        lab.culvert("ipvsadm -A -t 10.0.0.1:80 -s sh -b sh-port -p 360")
        lab.culvert("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gue --tun-port 6080")
        lab.culvert("ipvsadm -A -f 3 -s rr")
        for command in ("status -j -s", "upgrade -j", "link show -j -d -s", "addr show -j", "ipvsadm -L -j", "ipvsadm -L -c -j",
                        "ipvsadm -L --timeout -j", "ipvsadm -L --daemon -j", "help -j", "--version -j"):
            asked(command)
        with open(os.path.join(DOCS, "settings.md"), encoding="utf-8") as file:
            settings = set(re.findall(r"\w+", file.read()))
        missing += [f"{name} is not in docs/settings.md" for name in json.loads(lab.culvert("sysctl -j")[1])
                    if name not in settings and not name.startswith("sync_")]
        lab.culvert(f"link -n {lab.ns('s1')} del i0")
        lab.culvert("detach --all")
    expect(missing, [], "members without a word")
    expect(written > 120, True, f"{written} members")
    print(f"{written} members")


main()
