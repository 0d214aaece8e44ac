#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 600
"""Which server every connection of a story gets, against what the kernel's IPVS was recorded to choose.

The stories are those of tests/reference/schedulers: servers come, change and go between connections, under
every scheduler and flag. A selection of them, or with CULVERT_LONG=1 all; and some with room for a million servers.
"""
import json
import os
import subprocess
import sys

REFERENCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "../reference"))
CULVERT = os.path.join(os.environ.get("BUILD", os.path.join(REFERENCE, "../../build")), "culvert")
LARGE = ("sh sh-port,sh-fallback ip4 30", "mh mh-fallback ip4 12", "wrr edges", "lblcr addresses ip6")
SELECTION = ("sh sh-port ip6", "sh sh-fallback ip4 12", "mh mh-port ip6", "mh mh-fallback ip4 12", "mh  ip4 25",
             "rr hysteresis", "wrr many", "wrr edges", "lc loads", "wlc some", "sed loads", "nq some", "fo some",
             "ovf loads", "rr some udp", "wlc loads ip6", "sh sh-port ip4 17", "lblc addresses", "lblcr addresses", "dh addresses", "metamorphosis")


def stories(lines):
    return {story["name"]: story for story in map(json.loads, lines)}


def first_difference(want, got):
    """As a line; None: there is none."""
    if want["steps"] != got["steps"]:
        return "the story has changed since it was recorded"
    times = [step for step in want["steps"] if step[0] == "syn"]
    for number, (ours, kernels) in enumerate(zip(got["chosen"], want["chosen"])):
        for i, (one, other) in enumerate(zip(ours, kernels)):
            if one != other:
                before = [step for step in want["steps"][:want["steps"].index(times[number])] if step[0] != "again"]
                return f"batch {number}, connection {i}: server {one}, the kernel's {other} (after {before[-3:]})"
    return None if [len(one) for one in got["chosen"]] == [step[1] for step in times] else "not all was played"


def compare(recorded, wanted, *options):
    """Has one of these failed? And all of them as they were played."""
    play = subprocess.run(["/usr/bin/python3", os.path.join(REFERENCE, "schedulers/play"), "--culvert", CULVERT,
                           "--mode", "xdp", *options, *wanted], stdout=subprocess.PIPE, text=True, check=False)
    played = stories(play.stdout.splitlines())
    failed = play.returncode != 0 or not wanted
    for name in wanted:
        told = first_difference(recorded[name], played[name]) if name in played else "was not played"
        if told:
            failed = True
            print(f"{name}: {told}", file=sys.stderr)
    return failed, played


def main():
    with open(os.path.join(REFERENCE, "facts/stories.jsonl"), encoding="ascii") as file:
        recorded = stories(file)
    wanted = [name for name in recorded
              if os.environ.get("CULVERT_LONG") or any(name.startswith(start) for start in SELECTION)]
    failed, played = compare(recorded, wanted)
    failed |= compare(recorded, [name for name in recorded if name.startswith(LARGE)], "--max-dests", "1000000")[0]
    if len(wanted) < len(SELECTION):
        failed = True
        print("the recording lacks stories", file=sys.stderr)
    print(f"{sum(len(batch) for story in played.values() for batch in story['chosen'])} choices in {len(played)} stories")
    return 1 if failed else 0


sys.exit(main())
