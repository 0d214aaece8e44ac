# SPDX-License-Identifier: GPL-2.0-or-later
"""Lanes: a generator, a director and a sink, each in a network namespace of its own.

    g0 ---- d0 (director) d1 ---- s0

Clients are 10.0.0.0/14 and 2001:db8:c::/64 behind a router that is g0; real
servers are 10.250.0.0/16 and 2001:db8:d::/64 behind d1, all of them s0. Nothing
outside the lane's namespaces is touched, and close() leaves nothing behind.
"""

import ctypes
import ipaddress
import json
import os
import shutil
import socket
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(HERE)
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
PUMP = os.path.join(BUILD, "bench", "pump")
CULVERT = os.path.join(BUILD, "culvert")

VIP = {4: "172.20.0.1", 6: "2001:db8:ff::1"}
SERVER = {4: "10.250.0.1", 6: "2001:db8:d::1"}
ROUTER = {4: "10.240.0.1", 6: "2001:db8:e::1"}
PORT = 80
SO_NETNS_COOKIE = 71
CLONE_NEWNET = 0x40000000


class Unavailable(Exception):
    """What a row needs is not there; says why in one line."""


class Failed(Exception):
    """A measurement that cannot be believed; says why in one line."""


def run(*command, text_in=None, check=True, name=None):
    """Runs a command and returns its output; Failed with its own first line of complaint."""
    done = subprocess.run(command, input=text_in, capture_output=True, text=True, check=False)
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word of why"]
        name = name or os.path.basename(command[0])
        raise Failed(f"{name}: {said[0]} (exit {done.returncode})")
    return done.stdout


def nth_address(first, n):
    return str(ipaddress.ip_address(first) + n)


def service_name(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Lane:
    """One generator, director and sink."""

    serial = 0

    def __init__(self, tag, servers=4):
        Lane.serial += 1
        self.tag = tag
        self.servers = servers
        self.base = f"cvbench{os.getpid()}-{Lane.serial}"
        self.namespaces = []
        self.opened = {}
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    # ---- commands in the namespaces

    def ns(self, which):
        return f"{self.base}{which}"

    def sh(self, which, *command, **options):
        return run(*self._enter(which), *command, name=os.path.basename(command[0]), **options)

    def _enter(self, which):
        return "nsenter", f"--net=/run/netns/{self.ns(which)}"

    def ip(self, which, *words):
        return run("ip", "-n", self.ns(which), *words)

    def pump(self, which, *words):
        out = self.sh(which, PUMP, *[str(w) for w in words])
        return json.loads(out) if out else None

    def sysctl(self, which, **settings):
        words = [f"{k.replace('__', '.')}={v}" for k, v in settings.items()]
        self.sh(which, "sysctl", "-qw", *words)

    # ---- the plumbing

    def _build(self):
        for which in "gds":
            run("ip", "netns", "add", self.ns(which))
            self.namespaces.append(self.ns(which))
            self.sysctl(which, net__ipv6__conf__default__accept_dad=0)
        queues = ("numtxqueues", "2", "numrxqueues", "2")
        self.ip("g", "link", "add", "g0", *queues, "type", "veth",
                "peer", "name", "d0", "netns", self.ns("d"), *queues)
        self.ip("d", "link", "add", "d1", *queues, "type", "veth",
                "peer", "name", "s0", "netns", self.ns("s"), *queues)
        for which, dev in (("g", "g0"), ("d", "d0"), ("d", "d1"), ("s", "s0"),
                           ("d", "lo")):
            self.ip(which, "link", "set", dev, "up")
        self.mac = {dev: self._mac(which, dev)
                    for which, dev in (("g", "g0"), ("d", "d0"), ("d", "d1"), ("s", "s0"))}
        self._address_director()
        # With an XDP program a veth polls (NAPI), as frames sent by XDP need.
        self.pump("g", "attach", "g0", "sink")
        self.pump("s", "attach", "s0", "sink")

    def _mac(self, which, dev):
        return json.loads(self.ip(which, "-j", "link", "show", dev))[0]["address"]

    def _address_director(self):
        self.sysctl("d", net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                    net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
        for words in (("addr", "add", "10.240.255.254/16", "dev", "d0"),
                      ("addr", "add", "2001:db8:e::ffff:fffe/64", "dev", "d0"),
                      ("addr", "add", "10.250.255.254/16", "dev", "d1"),
                      ("addr", "add", "2001:db8:d::ffff:fffe/64", "dev", "d1"),
                      ("route", "add", "10.0.0.0/14", "via", ROUTER[4]),
                      ("route", "add", "2001:db8:c::/64", "via", ROUTER[6]),
                      ("route", "add", "16.0.0.0/4", "via", ROUTER[4])):
            self.ip("d", *words)
        for family in (4, 6):
            self.ip("d", "neigh", "add", ROUTER[family], "lladdr", self.mac["g0"], "dev", "d0",
                    "nud", "permanent")
        batch = [f"neigh add {nth_address(SERVER[family], n)} lladdr {self.mac['s0']} "
                 f"dev d1 nud permanent"
                 for family in (4, 6) for n in range(self.servers)]
        run("ip", "-n", self.ns("d"), "-batch", "-", text_in="\n".join(batch) + "\n")

    def close(self):
        if len(self.namespaces) > 1:
            shutil.rmtree(f"/run/culvert/{self.cookie()}", ignore_errors=True)
        for name in self.namespaces:
            run("ip", "netns", "del", name, check=False)
        self.namespaces = []

    def cookie(self):
        """The director's SO_NETNS_COOKIE: the name of its instance of culvert."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as home, \
                open(f"/run/netns/{self.ns('d')}", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                with socket.socket() as s:
                    raw = s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)
        return int.from_bytes(raw, "little")

    # ---- traffic

    def traffic(self, family=4, flows=1, services=1, flood=0.0, vip=None, cpu=0, reply=False):
        """The clients' packets out of g0; with `reply` a server's, out of s0."""
        near, far = ("s0", "d1") if reply else ("g0", "d0")
        words = ("--vip", vip or (SERVER if reply else VIP)[family], "--flows", flows,
                 "--services", services, "--flood", flood, "--dmac", self.mac[far],
                 "--smac", self.mac[near], "--cpu", cpu)
        return (*words, "--reply") if reply else words

    def open_flows(self, family=4, flows=1, services=1, syn=True, vip=None):
        """Opens the flows below `flows` that are not open: a SYN each, then ten ACKs each."""
        key = (family, services, vip)
        if self.opened.get(key, 0) >= flows:
            return
        words = self.traffic(family, flows, services, vip=vip)
        if syn:
            self.pump("g", "send", "g0", *words, "--index", "--packets", flows, "--syn")
        for _ in range(10):
            self.pump("g", "send", "g0", *words, "--index", "--packets", flows)
        self.opened[key] = flows

    def send(self, seconds, sink=("s", "s0"), must_arrive=True, **traffic):
        """Sends for that long; returns the generator's report and what the sink got, by class."""
        before = self.pump(sink[0], "count", sink[1])
        source = ("s", "s0") if traffic.get("reply") else ("g", "g0")
        report = self.pump(source[0], "send", source[1], *self.traffic(**traffic), "--seconds",
                           seconds)
        after = self.pump(sink[0], "count", sink[1])
        got = {name: after[name] - before[name] for name in after}
        arrived = sum(got.values())
        if must_arrive and arrived < report["all"] * 0.999:
            raise Failed(f"only {arrived} of {report['all']} packets arrived")
        return report, got

    def send_from(self, cpus, seconds, **traffic):
        """Sends from several CPUs at once, each through its own queues; the sum of their Mpps."""
        senders = []
        for cpu in cpus:
            words = self.traffic(cpu=cpu, **traffic)
            senders.append(subprocess.Popen(
                [*self._enter("g"), PUMP, "send", "g0", *map(str, words), "--seconds",
                 str(seconds)], stdout=subprocess.PIPE, text=True))
        reports = [json.loads(s.communicate()[0] or "{}") for s in senders]
        if any(s.returncode for s in senders):
            raise Failed("a sender failed")
        return sum(r["packets"] * 1e3 / r["ns"] for r in reports)

    # ---- culvert

    def culvert(self, *words, **options):
        if not os.path.exists(CULVERT):
            raise Unavailable("culvert is not built")
        return self.sh("d", CULVERT, *words, **options)

    def ipvsadm(self, *words, **options):
        return self.culvert("ipvsadm", *words, **options)
