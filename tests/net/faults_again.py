#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# doors: unlink restore addr load upgrade probe untrack mapped opened
# seconds: 400
"""Faults that the command after them must not stumble over, at every instant of one kind: net/faults chooses its
instants at random and looks at everything; here is one look, which is quick.

unlink: each BPF call of `link del` fails, as if there were no memory; another slave in its place has nothing of it, and
the slave made anew has its routes.
restore: `restore` is killed before each call that moves or removes something; the next command is done, and soon.
load: a restore of the load balancer is killed likewise; what the host had is as it was.
addr: `addr add` is killed before each call that changes something; the next one makes the route, too.
upgrade: no link is found again, as if there were no memory; a program is at its hook once, whatever comes of it.

probe: a question to the kernel is refused, before or between the calls that make the data path; there is all of it or none.
untrack: no memory is mapped for `sysctl conntrack=0`, which is refused then, and nothing has changed.
Nor for `status --stats`, which says so, and no figures.
mapped: nor for the first `attach` or `link add`, which is refused and leaves nothing of an instance, or is done.
opened: likewise, when a file cannot be opened or locked: the instance's own directory, made the moment before.

    faults_again.py unlink|restore|addr|load|upgrade|probe|untrack|mapped|opened
"""
import collections
import os
import re
import sys
import tempfile

from ipvlan_lab import Lab, expect

SLAVE = "link add link e0 name i0 type ipvlan mode l3 netns {s1} addr 10.1.0.11/24 addr fd01::11/64 up"
UNSLAVE = "link -n {s1} del i0"
STAYS, UNSTAYS = "link add link e0 name i2 type ipvlan netns {s2}", "link -n {s2} del i2"
OTHER, UNOTHER = "link add link e0 name i1 type ipvlan netns {s2}", "link -n {s2} del i1"


class Again:
    def __init__(self, lab, directory):
        self.lab, self.directory = lab, directory
        self.words = {"s1": lab.ns("s1"), "s2": lab.ns("s2"), "dir": directory}

    def culvert(self, text, check=True, strace=()):
        return self.lab.run("host", [*strace, self.lab.culvert_path, *text.format(**self.words).split()], check)

    def calls(self, command):
        """{call: times}"""
        out = f"{self.directory}/calls"
        self.culvert(command, strace=("strace", "-f", "-qq", "-o", out))
        with open(out, encoding="utf-8", errors="replace") as file:
            return collections.Counter(found[1] for line in file if (found := re.match(r"\d+ +(\w+)\(", line)))

    def fault(self, command, what):
        return self.culvert(command, False, ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={what}"))

    def slave_is_whole(self, where, addresses=("10.1.0.11", "fd01::11")):
        for address in addresses:
            routes = self.lab.ip("host", f"{'-6 ' if ':' in address else ''}route show proto 67")[1]
            expect(f"{address} dev cvslave" in routes, True, f"{where}: the host has a route to {address}")
            expect(f" {address}/" in self.culvert("addr show")[1], True, f"{where}: the slave has {address}")

    def unlink(self):
        self.culvert(STAYS)     # for the data path goes with the last slave, and all slots with it
        self.culvert(SLAVE)
        times = self.calls(UNSLAVE)["bpf"]
        for n in range(1, times + 1):
            self.culvert(SLAVE)
            status, _, error = self.fault(UNSLAVE, f"bpf:error=ENOMEM:when={n}")
            expect(error.count("\n"), int(status != 0), f"bpf {n}: lines of error: {error}")
            self.culvert(OTHER)
            # It is still there if the command was refused.
            status, _, error = self.culvert(SLAVE, check=False)
            expect(status == 0 or "in use" in error, True, f"bpf {n}: link add: {error}")
            self.slave_is_whole(f"bpf {n}")
            self.culvert(UNSLAVE)
            self.culvert(UNOTHER)
        self.culvert(UNSTAYS)
        return times

    def restore(self):
        saved = f"restore {self.directory}/saved"
        self.culvert(SLAVE)
        self.culvert("save -o {dir}/saved")
        self.culvert(UNSLAVE)
        times = self.calls(saved)
        done = 0
        for call in ("unlinkat", "renameat", "mkdirat"):
            for n in range(1, times[call] + 1):
                self.culvert(UNSLAVE, check=False)
                self.fault(saved, f"{call}:signal=SIGKILL:when={n}")
                then = saved if n % 2 else SLAVE
                status, _, error = self.culvert(then, False, ("timeout", "-s", "KILL", "60"))
                where = f"killed at {call} {n}, then {then}: status {status}: {error.strip()}"
                expect(status == 0 or "already" in error or "in use" in error, True, where)
                self.slave_is_whole(where)
                done += 1
        return done

    def load(self):
        saved = f"restore {self.directory}/saved"
        switches = [f"net.ipv{n}.conf.lo.forwarding" for n in (4, 6)]
        before = [self.lab.sysctl("host", name) for name in switches]
        self.culvert("attach e0 --mode tc --max-conns 1000 --max-services 16 --max-dests 32")
        self.culvert("save -o {dir}/saved")
        self.culvert("detach --all")
        times = self.calls(saved)
        self.culvert("detach --all")
        done = 0
        for call in ("renameat", "mkdirat"):
            for n in range(1, times[call] + 1):
                self.fault(saved, f"{call}:signal=SIGKILL:when={n}")
                # It takes the lock, and so wipes what there is of a restore that was killed.
                self.culvert("track --once", check=False)
                where = f"killed at {call} {n}"
                if self.culvert("status", check=False)[0] == 0:
                    self.culvert("detach --all")
                expect([self.lab.sysctl("host", name) for name in switches], before, f"{where}: forwarding of lo")
                done += 1
        return done

    def addr(self):
        self.culvert(SLAVE)
        done = 0
        for address in ("10.1.0.99/24", "fd01::99/64"):
            add, remove = (f"addr -n {{s1}} {verb} {address} dev i0" for verb in ("add", "del"))
            times = self.calls(add)
            self.culvert(remove)
            for call in ("bpf", "sendto"):
                for n in range(1, times[call] + 1):
                    self.fault(add, f"{call}:signal=SIGKILL:when={n}")
                    status, _, error = self.culvert(add, check=False)
                    where = f"killed at {call} {n}, and once more: status {status}: {error.strip()}"
                    # As the kernel says it, whose words for IPv4 and IPv6 differ.
                    there = "exists" in error or "already assigned" in error
                    expect(status == 0 or there, True, where)
                    self.slave_is_whole(where, [address.partition("/")[0]])
                    self.culvert(remove)
                    done += 1
        return done

    def upgrade(self):
        self.culvert(SLAVE)
        out = f"{self.directory}/calls"
        self.culvert("upgrade", strace=("strace", "-f", "-qq", "-e", "trace=bpf", "-o", out))
        with open(out, encoding="utf-8", errors="replace") as file:
            calls = [found[1] for line in file if (found := re.match(r"\d+ +bpf\((\w+)", line))]
        pinned = max(n for n, call in enumerate(calls) if call == "BPF_OBJ_PIN")
        devices = ["e0", *re.findall(r"cvslave\d+", self.lab.ip("host", "-o link")[1])[:1]]
        hooks = [self.hooked(device) for device in devices]
        done = 0
        for n, call in enumerate(calls[pinned + 1:], pinned + 2):
            if call == "BPF_OBJ_GET":
                status, _, error = self.fault("upgrade", f"bpf:error=ENOMEM:when={n}")
                where = f"bpf {n}: status {status}: {error.strip()}"
                expect([self.hooked(device) for device in devices], hooks, f"{where}: programs at {devices}")
                expect(error.count("\n"), int(status != 0), f"{where}: lines of error")
                done += 1
        return done

    def probe(self):
        """Of the calls that make something without a name of ours: libbpf asks what the kernel can."""
        self.culvert("attach e0 --mode tc --max-conns 1000 --max-services 16 --max-dests 32")
        self.culvert(SLAVE)
        self.culvert("save -o {dir}/saved")
        self.culvert(UNSLAVE)
        self.culvert("detach --all")
        saved, done = f"restore {self.directory}/saved", 0
        asked = self.asked(saved)
        for n in asked:
            self.nothing()
            status, _, error = self.fault(saved, f"bpf:error=ENOMEM:when={n}")
            where = f"bpf {n}: status {status}: {error.strip()}"
            for show in ("status", "link show"):
                there, _, said = self.culvert(show, check=False)
                expect(there == 0 or "in this network namespace" in said, True, f"{where}; {show}: {said.strip()}")
            if status:
                self.culvert(saved)
            self.slave_is_whole(where)
            done += 1
        # Whether arrays can be mapped. Other namespaces' instances, looked at before, may be more or less the next time.
        for _ in range(5):
            self.nothing()
            n = self.asked(saved, "libbpf_mmap")[0]
            self.nothing()
            error = self.fault(saved, f"bpf:error=ENOMEM:when={n}")[2]
            if "no variables that can be mapped" in error:
                return done
        raise AssertionError(f"bpf {n}: {error.strip()}")

    def nothing(self):
        self.culvert(UNSLAVE, check=False)
        self.culvert("detach --all", check=False)

    def asked(self, command, what="libbpf"):
        """Which of its bpf calls are questions to the kernel."""
        out = f"{self.directory}/calls"
        self.culvert(command, strace=("strace", "-f", "-qq", "-e", "trace=bpf", "-o", out))
        with open(out, encoding="utf-8", errors="replace") as file:
            return [n for n, line in enumerate(file, 1) if re.search(rf'(map|prog)_name="{what}', line) or
                    (what == "libbpf" and "SOCKET_FILTER" in line and "PROG_LOAD" in line)]

    def untrack(self):
        self.culvert("attach e0 --mode tc --max-conns 1000 --max-services 16 --max-dests 32")
        self.lab.run("host", ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        self.culvert("ipvsadm -A -t 10.1.0.100:80")
        self.culvert("ipvsadm -a -t 10.1.0.100:80 -r 10.1.0.101 -m")
        self.culvert("sysctl conntrack=1")
        times, done = self.calls("sysctl conntrack=0")["mmap"], 0
        for n in range(1, times + 1):
            self.culvert("sysctl conntrack=1")
            status, _, error = self.fault("sysctl conntrack=0", f"mmap:error=ENOMEM:when={n}")
            wanted = "1" if status else "0"
            where = f"mmap {n}: status {status}: {error.strip()}"
            expect(self.culvert("sysctl conntrack")[1].split()[-1], wanted, f"{where}: conntrack")
            tables = self.lab.run("host", ["nft", "list", "tables"])[1]
            expect("inet culvert" in tables, bool(status), f"{where}: the table of nftables")
            done += "cannot map" in error
        for n in range(1, self.calls("status -s")["mmap"] + 1):
            status, said, error = self.fault("status -s", f"mmap:error=ENOMEM:when={n}")
            expect(status != 0 or "packets:" in said, True, f"status -s, mmap {n}: {said}")
            expect("cannot map" in error and status == 0, False, f"status -s, mmap {n}: {error}")
            expect(status == 1 and bool(said), False, f"status -s, mmap {n}: {said}")
        return done

    def all_or_nothing(self, command, undo, call, code):
        """The call fails, each time alone, in a command that would be the first: how often that refused it."""
        done = 0
        times = self.calls(command)[call]
        self.culvert(undo)
        for n in range(1, times + 1):
            status, _, error = self.fault(command, f"{call}:error={code}:when={n}")
            if status == 0:
                expect(bool(self.instance()), True, f"{command}: {call} {n}: something is pinned")
                self.culvert(undo)
            elif status == 1:       # it is culvert's: the loader's ends otherwise
                expect(self.instance(), [], f"{command}: {call} {n}: {error.strip()}: what is left")
                done += 1
        return done

    def mapped(self):
        attach = "attach e0 --mode tc --max-conns 1000 --max-services 16 --max-dests 32"
        return self.all_or_nothing(attach, "detach --all", "mmap", "ENOMEM") + \
            self.all_or_nothing(SLAVE, UNSLAVE, "mmap", "ENOMEM")

    def opened(self):
        return self.all_or_nothing(SLAVE, UNSLAVE, "openat", "EMFILE") + \
            self.all_or_nothing(SLAVE, UNSLAVE, "flock", "ENOLCK")

    def instance(self):
        """What is pinned for this namespace."""
        return self.lab.run("host", ["find", f"/run/culvert/{self.lab.cookies[0]}"], False)[1].splitlines()

    def hooked(self, device):
        return self.lab.run("host", [os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib/hooked"), device])[1]


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("LAB_DIR")) as directory, Lab() as lab:
        lab.wire()
        again = Again(lab, directory)
        done = getattr(again, sys.argv[1])()
        again.culvert(UNSLAVE, check=False)
        print(f"{sys.argv[1]}: {done} instants")
        expect(done > 5, True, "instants")


main()
