#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# doors: edit edit6 mark mark6 clear sysctl conntrack untrack masq attach detach first link unlink mode addr addr6 upgrade restore save remove clsact-save clsact-detach clsact-conntrack clsact-untrack clsact-upgrade clsact-unlink
# seconds: 3600
"""Commands that are killed, and commands whose system calls fail, at every instant that matters: before each of the
calls that change something or get memory. Afterwards everything is as before the command, or as after it, whichever the
exit status says; errors are one line; the next command needs no repair; and what culvert leaves is nothing.

Each command is a case of its own (in the place of a door). In the short form some instants of each command. In the long
form (CULVERT_LONG) it is killed before every call that leaves something when the process is gone: what only asks, and what
only makes descriptors, which end with it, is no other instant than the next that does. And every call fails; of a row of
equal ones, or of equal rounds (forty maps that are opened and asked for their layout one after another), the first, the
last, and one between. So is `restore` killed: what it makes, others make that are killed everywhere.

    faults.py [SCENARIO...]
"""
import collections
import difflib
import os
import random
import re
import subprocess
import sys

from ipvlan_lab import Lab, expect

# What changes something outside the process; between two of these, only the mapped tables change, which unit/journal
# cuts short after every store.
KILL_AT = ("bpf", "mkdirat", "renameat", "rename", "unlinkat", "unlink", "openat", "write", "sendto", "sendmsg", "flock",
           "mount", "fork", "clone", "fsync")
# These leave nothing behind.
HARMLESS = re.compile(r"bpf\(BPF_(MAP_CREATE|PROG_LOAD|BTF_LOAD|OBJ_GET|OBJ_GET_INFO_BY_FD|MAP_LOOKUP_ELEM|"
                      r"MAP_GET_NEXT_KEY|\w+_GET_NEXT_ID|\w+_GET_FD_BY_ID),|"
                      r"openat\((?!.*O_(CREAT|TRUNC))|send(to|msg)\(.*nlmsg_type=RTM_GET|write\([12],")
FAIL_AT = {"bpf": "ENOMEM", "mmap": "ENOMEM", "openat": "EMFILE", "mkdirat": "ENOSPC", "renameat": "EROFS",
           "rename": "EIO", "write": "ENOSPC", "sendto": "ENOBUFS", "sendmsg": "ENOBUFS", "fsync": "EIO",
           "flock": "ENOLCK", "socket": "EMFILE"}
LONG = bool(os.environ.get("CULVERT_LONG"))

# command; what makes it not have happened; what must be there before; how many instants in the short form; and whether
# a fault in the midst of it may leave it to the next command to go on: what is half removed is not put back; and what
# else may be there after a kill: an instance with nothing in it does nothing; and whether it is killed in rows, too: it
# does what others do whose every instant is gone through (`first` pins maps, `link` makes slaves)
Scenario = collections.namedtuple("Scenario", "command undo setup some forward middle rows",
                                  defaults=[False, None, False])
BASE = ["attach e0 --mode xdp --max-conns 1000 --max-services 16 --max-dests 32",
        "ipvsadm -A -t 10.0.0.1:80 -s rr", "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2",
        "ipvsadm -A -t [fd00::1]:80 -s wlc", "ipvsadm -a -t [fd00::1]:80 -r [fd00::2]:80"]
SLAVE = "link add link e0 name i0 type ipvlan mode l3 netns {s1} addr 10.1.0.11/24 addr fd01::11/64 up"
UNSLAVE = "link -n {s1} del i0"
ALL = ["detach --all", UNSLAVE]
# conntrack=1 wants it; what is not culvert's begins with "host".
FORWARD, UNFORWARD = "host sysctl -qw net.ipv4.ip_forward=1", "host sysctl -qw net.ipv4.ip_forward=0"
MASQ = "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.4 -m"
SCENARIOS = {
    "edit": Scenario("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3 -w 5", ["ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.3"], BASE, 12),
    "edit6": Scenario("ipvsadm -a -t [fd00::1]:80 -r [fd00::3]:80 -w 5", ["ipvsadm -d -t [fd00::1]:80 -r [fd00::3]:80"],
                      BASE, 8),
    "mark": Scenario("ipvsadm -A -f 5 -s mh", ["ipvsadm -D -f 5"], [*BASE, "ipvsadm -A -f 4 -s rr"], 12),
    "mark6": Scenario("ipvsadm -A -f 5 -6 -s mh", ["ipvsadm -D -f 5 -6"], [*BASE, "ipvsadm -A -f 4 -s rr"], 8),
    "clear": Scenario("ipvsadm -C", BASE[1:], BASE, 10, True),
    "sysctl": Scenario("sysctl sloppy_tcp=1", ["sysctl sloppy_tcp=0"], BASE, 8),
    "conntrack": Scenario("sysctl conntrack=1", ["sysctl conntrack=0"], [FORWARD, *BASE, MASQ], 12),
    "untrack": Scenario("sysctl conntrack=0", ["sysctl conntrack=1"], [FORWARD, *BASE, "sysctl conntrack=1", MASQ], 12),
    "masq": Scenario("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.5 -m", ["ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.5"],
                     [FORWARD, *BASE, "sysctl conntrack=1", MASQ], 10),
    "attach": Scenario("attach e1 --mode tc", ["detach e1"], BASE, 10),
    "detach": Scenario("detach e0", [BASE[0]], BASE, 10, True),
    "first": Scenario(BASE[0], ["detach --all"], [], 5, False, "sysctl sloppy_tcp=0"),
    "link": Scenario("link add link e0 name i1 type ipvlan netns {s2} addr 10.1.0.12/24 addr fd01::12/64 "
                     "allow 10.7.0.0/16 up", ["link -n {s2} del i1"], [SLAVE], 12),
    "unlink": Scenario(UNSLAVE, [SLAVE], [SLAVE], 8, True),
    "mode": Scenario("link -n {s1} set i0 mode l3s", ["link -n {s1} set i0 mode l3"], [SLAVE], 5),
    "addr": Scenario("addr -n {s1} add 10.1.0.99/24 dev i0", ["addr -n {s1} del 10.1.0.99/24 dev i0"], [SLAVE], 8),
    "addr6": Scenario("addr -n {s1} add fd01::99/64 dev i0", ["addr -n {s1} del fd01::99/64 dev i0"], [SLAVE], 6),
    "upgrade": Scenario("upgrade", [], [*BASE, SLAVE], 5),
    "restore": Scenario("restore {dir}/saved", ALL, [], 5, rows=True),
    "save": Scenario("save -c -o {dir}/again", ["rm {dir}/again"], [*BASE, SLAVE], 8),
    "remove": Scenario("detach --all", BASE, BASE, 5, True),
}
# As before Linux 6.6, where a filter of clsact is ours if its program is the one that is pinned.
SCENARIOS.update({f"clsact-{name}": SCENARIOS[name]._replace(some=some) for name, some in (
    ("save", 120), ("detach", 16), ("conntrack", 12), ("untrack", 12), ("upgrade", 5), ("unlink", 8))})


ROUND = 12      # calls, at most


def rows(calls, faults):
    """The faults, one for each call, in rows of equal rounds: [[[fault, ...], ...], ...]."""
    kinds = [re.match(r"\w+\((BPF_\w+)?", what)[0] for _, _, what in calls]
    at, found = 0, []
    while at < len(kinds):
        size, times = 1, 1
        for length in range(1, ROUND + 1):
            n = 1
            while kinds[at + n * length:at + (n + 1) * length] == kinds[at:at + length]:
                n += 1
            if n > 3 and n * length > size * times:
                size, times = length, n
        found.append([faults[i:i + size] for i in range(at, at + size * times, size)])
        at += size * times
    return found


def some_of(calls, faults):
    """Of a row the first, the last, and one between."""
    some = [[row[0], random.choice(row[1:-1]), row[-1]] if len(row) > 3 else row for row in rows(calls, faults)]
    return [fault for row in some for one in row for fault in one]


class Faults:
    def __init__(self, lab, directory):
        self.lab = lab
        self.words = {"s1": lab.ns("s1"), "s2": lab.ns("s2"), "dir": directory}
        self.done = collections.Counter()
        self.cookie = lab.cookie("host")
        self.start = collections.Counter(call for call, _, _ in self.calls("--version"))

    def culvert(self, text, check=True, strace=()):
        return self.lab.run("host", [*strace, self.lab.culvert_path, *text.format(**self.words).split()], check)

    def do(self, commands):
        for one in commands:
            if one.startswith("rm "):
                os.unlink(one[3:].format(**self.words))
            elif one.startswith("host "):
                self.lab.run("host", one[5:])
            else:
                self.culvert(one)

    # ---- what there is -----------------------------------------------------------------------

    def outside(self):
        """What stands beside the instance: devices, rules, routes, programs, sysctls."""
        ip = self.lab.ip
        shown = [re.sub(r"^\d+: |@if\d+|link-netns\S* \S+|mtu \d+|cvslave\d+|link/.*|state \S+|<[^>]*>", "", line)
                 for line in ip("host", "-o link")[1].splitlines()]
        shown += ip("host", "rule")[1].splitlines() + ip("host", "-6 rule")[1].splitlines()
        shown += ip("host", "route show table all proto 67")[1].splitlines()
        shown += ip("host", "-6 route show table all proto 67")[1].splitlines()
        for command in "bpftool net list", "tc filter show dev e0 ingress":
            shown.append(re.sub(r"\bid \d+|prog_id \d+|link_id \d+|\(\d+\)|:\[\d+\]|cvslave\d+",
                                "", self.lab.run("host", command)[1]))
        # Without the maps' elements: one of a destination that did not come to be may stay (lib/tracked.h, K2).
        shown.append(self.lab.run("host", "nft -t list ruleset")[1])
        for key in ("ipv4.conf.lo.forwarding", "ipv4.conf.e0.forwarding", "ipv6.conf.lo.forwarding"):
            shown.append(key + self.lab.sysctl("host", "net." + key))
        return "\n".join(line.rstrip() for line in shown)

    def state(self):
        """All that culvert lists, and what stands outside. Lists take no lock and must always do."""
        # Whoever takes the lock next cleans up after the dead, and comes to an end with it.
        status, *_ = self.culvert("track --once", check=False, strace=("timeout", "-s", "KILL", "60"))
        expect(status not in (137, -9), True, "track --once ends within a minute")
        # A settings write opens the instance for an edit, if there is one.
        shown = []
        status, text, error = self.culvert("status", check=False)
        if status == 0:
            sloppy = self.culvert("sysctl sloppy_tcp")[1].split()[-1]
            self.culvert(f"sysctl sloppy_tcp={sloppy}")
            text = self.culvert("status")[1]
        else:
            expect("in this network namespace" in error, True, f"status says {error}")
        shown.append("\n".join(line for line in text.splitlines() if line.startswith("  e")))
        shown.append(str(status))
        shown.append(self.culvert("ipvsadm -Sn")[1])
        if status == 0:
            shown.append(self.culvert("sysctl sloppy_tcp conntrack")[1])
        link = self.culvert("link -d show")[1] + self.culvert("addr show")[1]
        link = "\n".join(line for line in link.splitlines() if "scope link" not in line)
        shown.append(re.sub(r"^\d+: |host-end \S+|state \S+|<[^>]*>| tentative", "", link, flags=re.M))
        shown.append(self.outside())
        for name in ("saved", "again"):
            path = os.path.join(self.words["dir"], name)
            with open(path, encoding="ascii") if os.path.exists(path) else open(os.devnull, encoding="ascii") as file:
                shown.append(file.read())
        return "\n".join(shown)

    def pins(self):
        """What there is in the bpffs."""
        return self.lab.run("host", ["find", f"/run/culvert/{self.cookie}"], False)[1]

    # ---- one instant ---------------------------------------------------------------------------

    def calls(self, command):
        """What it calls, in this order: [(call, the how manieth of its name, what it does)]."""
        out = os.path.join(self.words["dir"], "calls")
        self.culvert(command, strace=("strace", "-f", "-qq", "-o", out))
        counts, calls = collections.Counter(), []
        with open(out, encoding="utf-8", errors="replace") as file:
            for line in file:
                found = re.match(r"\d+ +((\w+)\(.*)", line)
                if found:
                    counts[found[2]] += 1
                    calls.append((found[2], counts[found[2]], found[1]))
        os.unlink(out)
        return calls

    def inject(self, command, what):
        return self.culvert(command, check=False,
                            strace=("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={what}"))

    def instant(self, name, scenario, what, before, after, middle):
        """Carries it out with that fault, says what came of it, and makes it not have happened."""
        pins = self.pins()
        status, _, error = self.inject(scenario.command, what)
        kill = ":signal=" in what
        where = f"{name}: {what}: status {status}: {error.strip()}"
        if not kill:
            expect(status >= 0 and not 128 < status < 160, True, f"{where}: died")
            lines = [line for line in error.splitlines() if not line.startswith("culvert save: ")] if not status else \
                error.splitlines()
            expect(len(lines), 0 if status == 0 else 1, f"{where}: lines of error")
            if status and not scenario.forward:
                expect(sorted(self.pins().splitlines()), sorted(pins.splitlines()), f"{where}: what is pinned")
        now = self.state()
        if kill or (status and scenario.forward):
            expect(now in (before, after, middle), True, f"{where}: neither before:\n{differ(before, now)}\nnor after:\n"
                   f"{differ(after, now)}")
        else:
            wanted = after if status == 0 else before
            expect(now == wanted, True, f"{where}: not as {'after' if status == 0 else 'before'}:\n"
                   f"{differ(wanted, now)}")
        # Several commands make one undone; a fault may have hit between them.
        if now != before:
            self.do(scenario.undo)
            undone = self.state()
            expect(undone, before, f"{where}: undone:\n{differ(before, undone)}")
        self.done["killed" if kill else "failed"] += 1
        if now == before and not kill:
            self.done["refused"] += 1

    def again(self, name, scenario, what, before, after):
        """Killed there and given again at once, with nothing in between that cleans up: it has happened once."""
        self.inject(scenario.command, what)
        status, _, error = self.culvert(scenario.command, check=False, strace=("timeout", "-s", "KILL", "60"))
        now = self.state()
        expect(now, after, f"{name}: {what}, and once more: status {status}: {error.strip()}: not as after:\n"
               f"{differ(after, now)}")
        if now != before:
            self.do(scenario.undo)
        self.done["again"] += 1

    def instants(self, scenario, calls):
        # What the loader does before the program begins is no affair of ours; what the kernel begins anew (a write to
        # /proc/sys while another has its lock, dozens of times) is one call.
        calls = [one for one in calls if one[1] > self.start[one[0]] and "ERESTART" not in one[2]]
        changing = [one for one in calls if one[0] in KILL_AT and not HARMLESS.match(one[2])]
        kills = [f"{call}:signal=SIGKILL:when={n}" for call, n, _ in changing]
        if scenario.rows:
            kills = some_of(changing, kills)
        failing = [one for one in calls if one[0] in FAIL_AT]
        fails = some_of(failing, [f"{call}:error={FAIL_AT[call]}:when={n}" for call, n, _ in failing])
        for chosen in kills, fails:
            if LONG or len(chosen) <= scenario.some:
                yield from chosen
            else:
                # Spread over all of it: the same in every run, so that what fails is what was changed. All: --long.
                step = len(chosen) / scenario.some
                yield from (chosen[int(step * i + random.random() * step)] for i in range(scenario.some))

    def run(self, name):
        scenario = SCENARIOS[name]
        if name.startswith("clsact-"):
            os.environ["CULVERT_NO_TCX"] = "1"
        random.seed(name)
        pristine = self.state()
        self.do(scenario.setup)
        before = self.state()
        calls = self.calls(scenario.command)
        after = self.state()
        if scenario.undo:
            self.do(scenario.undo)
            expect(self.state() == before, True, f"{name}: undone:\n{differ(before, self.state())}")
        middle = None
        if scenario.middle:
            self.culvert(scenario.middle)
            middle = self.state()
            self.do(scenario.undo)
        n = 0
        for what in self.instants(scenario, calls):
            self.instant(name, scenario, what, before, after, middle)
            if ":signal=" in what and (LONG or n % 2):
                self.again(name, scenario, what, before, after)
            n += 1
        # It edits and is removed like any other.
        if scenario.setup:
            self.culvert("ipvsadm -A -t 10.0.0.9:9 -s rr")
            self.culvert("ipvsadm -D -t 10.0.0.9:9")
        for one in ("detach --all", UNSLAVE, "link -n {s2} del i1"):
            self.culvert(one, check=False)
        self.do([UNFORWARD])
        expect(self.state() == pristine, True, f"{name}: left behind:\n{differ(pristine, self.state())}")
        left = [file for file in os.listdir(self.words["dir"]) if file.startswith("again.")]
        for file in left:   # of a save that was killed
            os.unlink(os.path.join(self.words["dir"], file))
        print(f"{name}: {n} instants of {len(calls)} calls", flush=True)


def differ(a, b):
    return "\n".join(difflib.unified_diff(a.splitlines(), b.splitlines(), lineterm="", n=0))


def figures(done):
    if os.environ.get("CULVERT_FIGURES"):
        with open(os.environ["CULVERT_FIGURES"], "a", encoding="ascii") as out:
            out.write(f"figure killed.again {done['again']} commands killed and given again at once: it had happened once\n"
                      f"figure killed.instants {done['killed']} commands killed before a system call, each at another\n"
                      "figure killed.half 0 of these left anything but before or after\n"
                      f"figure refused.failed {done['failed']} system calls that failed, each alone\n"
                      f"figure refused.refused {done['refused']} commands refused because of it, with one line\n"
                      "figure refused.half 0 of these changed anything\n")


def main():
    chosen = sys.argv[1:] or list(SCENARIOS)
    directory = os.path.join(os.environ.get("LAB_DIR", "/tmp"), f"faults{os.getpid()}")
    os.mkdir(directory)
    try:
        with Lab() as lab:
            lab.wire()
            lab.run("host", ["ip", "link", "add", "e1", "type", "veth", "peer", "name", "e1-far"])
            faults = Faults(lab, directory)
            faults.do([*BASE, SLAVE])
            faults.culvert("save -o {dir}/saved")
            for one in ALL:
                faults.culvert(one)
            for name in chosen:
                os.environ.pop("CULVERT_NO_TCX", None)
                faults.run(name)
            figures(faults.done)
            print(", ".join(f"{count} {what}" for what, count in faults.done.items()))
    finally:
        subprocess.run(["rm", "-rf", directory], check=False)


main()
