#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The systemd unit of culvert track: systemd finds nothing to complain of, and what the unit leaves track (its
capabilities, its system calls) is enough for the work: it loads, follows addresses and masters, and ends."""
import os
import re
import shutil
import signal
import subprocess
import sys

from ipvlan_lab import Lab, expect, mac_of, within


def settings(path):
    """What [Service] sets, by name."""
    with open(path, encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.MULTILINE))


def verified(lab, path):
    """By systemd itself, with this build's binary in place of the installed one."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={lab.culvert_path}", file.read(), flags=re.MULTILINE)
    # The directory that the tests run in may be closed to systemd; a manual page need not be installed.
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
    copy = f"/tmp/{lab.prefix}culvert-track.service"
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    finally:
        os.unlink(copy)
    said = [line for line in done.stderr.splitlines() if "culvert-track" in line]
    expect(said, [], "what systemd-analyze says of the unit")


def allowed_calls(words):
    """The system calls that SystemCallFilter= lets through."""
    out = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    groups, name = {}, None
    for line in out.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            groups[name] = set()
        elif name and word and not word.startswith("#"):
            groups[name].add(word)

    def expand(word):
        return set().union(*map(expand, groups[word])) if word.startswith("@") else {word}
    return set().union(*map(expand, words))


def works(lab, unit):
    """As systemd would start it: no more capabilities than that, and no way to more."""
    caps = ",".join("+" + word.removeprefix("CAP_").lower() for word in unit["CapabilityBoundingSet"].split())
    trace = f"/tmp/{lab.prefix}trace"
    child = lab.start("host", ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all,{caps}", "strace",
                               "-f", "-qq", "-o", trace, lab.culvert_path, "track"], stdout=subprocess.DEVNULL)
    try:
        lab.ip("s1", "addr add 10.0.0.11/24 dev i0")
        within(30, True, "an address that the tenant set", lambda: lab.ping("client", "10.0.0.11"))
        lab.ip("host", "link set e0 address 02:00:00:00:00:09")
        within(30, "02:00:00:00:00:09", "the master's MAC address", lambda: mac_of(lab, "s1", "i0"))
        lab.ip("host", "link set e0 mtu 1400")
        within(30, True, "the master's MTU", lambda: "mtu 1400" in lab.ip("s1", "link show i0")[1])
        tracee = subprocess.run(["pgrep", "-P", str(child.pid)], capture_output=True, text=True, check=True).stdout
        os.kill(int(tracee.split()[0]), signal.SIGTERM)
        expect(child.wait(10), 0, "the end of track")
        with open(trace, encoding="ascii", errors="replace") as file:
            made = set(re.findall(r"^\d+ +(\w+)\(", file.read(), re.MULTILINE))
    finally:
        os.unlink(trace)
    # strace's own start of the program is not the unit's affair.
    expect(made - allowed_calls(unit["SystemCallFilter"].split()) - {"execve"}, set(), "system calls beyond the filter")


def main():
    path = os.path.join(os.environ.get("BUILD", "build"), "systemd", "culvert-track.service")
    for program in ("systemd-analyze", "setpriv", "strace"):
        if not shutil.which(program):
            print(f"no {program} here")
            sys.exit(77)
    with Lab() as lab:
        verified(lab, path)
        lab.wire()
        lab.add_slave("s1", "l2")
        works(lab, settings(path))


main()
