# SPDX-License-Identifier: GPL-2.0-or-later
"""A laboratory for ipvlan, by culvert or by the kernel's own driver.

    client ---[bridge]--- e0 (host) === ipvlan === i0 in s1, i0 in s2

All in one process: sockets are opened inside the network namespaces that they belong to, so
one script plays client, host and tenants. Names carry the process's number.

In l2 the slaves share the client's subnet; in l3 and l3s they have their own, which the client
routes through the host, and the host's default route is the client.
"""
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import time

PORT = 7
WAIT = 0.4                      # seconds for an answer that may never come
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
SUBNET = {"l2": ("10.0.0.", "fd00::"), "l3": ("10.1.0.", "fd01::"), "l3s": ("10.1.0.", "fd01::")}
CLIENT, HOST = ("10.0.0.2", "fd00::2"), ("10.0.0.1", "fd00::1")
PATIENCE = int(os.environ.get("PATIENCE", 1))
MASTER_MAC, CLIENT_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP_RECVTTL, IP_PKTINFO = 12, 8  # not in the socket module

_libc = ctypes.CDLL(None, use_errno=True)
_HOME = os.open("/proc/self/ns/net", os.O_RDONLY)


def _setns(fd):
    if _libc.setns(fd, 0):
        raise OSError(ctypes.get_errno(), "setns")


def family_of(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def version(addr):
    return 6 if ":" in addr else 4


class Failed(Exception):
    """A command that had to succeed."""


class Lab:
    """The namespaces. `driver` is "culvert" (from $BUILD) or "kernel"."""

    def __init__(self, driver="culvert", names=("client", "host", "s1", "s2")):
        self.driver = driver
        # tests/run sweeps up after a test that was killed, by the name that it gave it.
        self.prefix = os.environ.get("LAB", f"cv{os.getpid()}") + "-"
        self.names, self.fds, self.cookies, self.children = [], {}, [], []
        self.servers = {}
        build = os.environ.get("BUILD") or os.path.join(os.path.dirname(__file__), "../../../build")
        self.culvert_path = os.path.realpath(os.path.join(build, "culvert"))
        for name in names:
            self.add_ns(name)
        self.cookie("host")

    # ---- namespaces ----------------------------------------------------------------------

    def ns(self, name):
        return self.prefix + name

    def add_ns(self, name):
        subprocess.run(["ip", "netns", "add", self.ns(name)], check=True)
        self.names.append(name)
        self.fds[name] = os.open(f"/run/netns/{self.ns(name)}", os.O_RDONLY)
        for key in ("all", "default"):
            self.sysctl(name, f"net.ipv6.conf.{key}.accept_dad", 0)
            self.sysctl(name, f"net.ipv6.conf.{key}.router_solicitations", 0)
        self.ip(name, "link set lo up")

    def cookie(self, name):
        """Notes the instance that the namespace may get, for removal; its number."""
        with self.inside(name), socket.socket() as sock:
            self.cookies.append(struct.unpack("Q", sock.getsockopt(1, 71, 8))[0])
        if "LAB_DIR" in os.environ and os.path.isdir(os.environ["LAB_DIR"]):
            with open(os.path.join(os.environ["LAB_DIR"], "instances"), "a", encoding="ascii") as file:
                file.write(f"{self.cookies[-1]}\n")
        return self.cookies[-1]

    @contextlib.contextmanager
    def inside(self, name):
        _setns(self.fds[name])
        try:
            yield
        finally:
            _setns(_HOME)

    def run(self, name, command, check=True, stdin=None):
        """A command line in a namespace; (status, stdout, stderr)."""
        words = command.split() if isinstance(command, str) else command
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False,
                              preexec_fn=lambda: _setns(self.fds[name]))
        if check and done.returncode:
            raise Failed(f"{name}: {command}: {done.stderr.strip()}")
        return done.returncode, done.stdout, done.stderr

    def start(self, name, command, **more):
        """A command that goes on; ended with the lab."""
        child = subprocess.Popen(command.split() if isinstance(command, str) else command,
                                 preexec_fn=lambda: _setns(self.fds[name]), **more)
        self.children.append(child)
        return child

    def ip(self, name, command, check=True):
        return self.run(name, ["ip", *command.split()], check)

    def culvert(self, command, name="host", check=True):
        return self.run(name, [self.culvert_path, *command.split()], check)

    def sysctl(self, name, key, value=None):
        with self.inside(name):
            path = "/proc/sys/" + key.replace(".", "/")
            if value is None:
                with open(path, encoding="ascii") as file:
                    return file.read().strip()
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))
        return value

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        for socks in self.servers.values():
            for sock in socks:
                sock.close()
        for name in self.names:
            os.close(self.fds[name])
            subprocess.run(["ip", "netns", "del", self.ns(name)], check=False)
        for cookie in self.cookies:
            subprocess.run(["rm", "-rf", f"/run/culvert/{cookie}"], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the network ----------------------------------------------------------------------

    def wire(self):
        """client and host, and a switch between them."""
        self.run("client", ["ip", "link", "add", "br0", "address", CLIENT_MAC, "type", "bridge",
                            "mcast_snooping", "0", "forward_delay", "0"])
        self.ip("client", "link set br0 up")
        self.ip("client", f"addr add {CLIENT[0]}/24 brd + dev br0")
        self.ip("client", f"addr add {CLIENT[1]}/64 dev br0")
        self.wire_again()
        self.ip("client", f"route add 10.1.0.0/24 via {HOST[0]}")
        self.ip("client", f"-6 route add fd01::/64 via {HOST[1]}")
        for name in ("all", "br0"):
            self.sysctl("client", f"net.ipv4.conf.{name}.send_redirects", 0)
        if not os.path.exists("/proc/sys/net/ipv6/conf/lo/force_forwarding"):
            # Before Linux 6.17 IPv6 of l3s needs this (docs/ipvlan.md).
            self.sysctl("host", "net.ipv6.conf.all.forwarding", 1)

    def beyond(self):
        """A network behind the host, to which the client knows the way: `beyond`, 10.9.0.2 and fd09::2."""
        self.add_ns("beyond")
        self.ip("host", f"link add x0 type veth peer name x1 netns {self.ns('beyond')}")
        for name, dev, tail in (("host", "x0", "1"), ("beyond", "x1", "2")):
            self.ip(name, f"link set {dev} up")
            self.ip(name, f"addr add 10.9.0.{tail}/24 dev {dev}")
            self.ip(name, f"addr add fd09::{tail}/64 dev {dev}")
        self.ip("beyond", "route add default via 10.9.0.1")
        self.ip("beyond", "-6 route add default via fd09::1")
        self.ip("client", f"route add 10.9.0.0/24 via {HOST[0]}")
        self.ip("client", f"-6 route add fd09::/64 via {HOST[1]}")

    def bridge_above(self):
        """The master becomes a port of a bridge, hbr; the host's addresses move there, as they do."""
        self.run("host", ["ip", "link", "add", "hbr", "address", MASTER_MAC, "up", "type", "bridge",
                          "mcast_snooping", "0", "forward_delay", "0"])
        self.ip("host", "addr flush dev e0")
        self.ip("host", "link set e0 master hbr")
        self.ip("host", f"addr add {HOST[0]}/24 dev hbr")
        self.ip("host", f"addr add {HOST[1]}/64 dev hbr")
        self.ip("host", f"route replace default via {CLIENT[0]}")
        self.ip("host", f"-6 route replace default via {CLIENT[1]}")

    def reflect(self, on):
        """vepa's other half: the switch sends frames back, and the client forwards between slaves."""
        self.ip("client", f"link set p0 type bridge_slave hairpin {'on' if on else 'off'}")
        self.sysctl("client", "net.ipv4.ip_forward", int(on))
        self.sysctl("client", "net.ipv6.conf.all.forwarding", int(on))

    def wire_again(self):
        """The host's end of the wire, which takes the other with it when it is deleted."""
        self.run("client", ["ip", "link", "add", "p0", "type", "veth", "peer", "name", "e0", "address",
                            MASTER_MAC, "netns", self.ns("host")])
        self.ip("client", "link set p0 master br0 up")
        self.ip("host", "link set e0 up")
        self.ip("host", f"addr add {HOST[0]}/24 brd + dev e0")
        self.ip("host", f"addr add {HOST[1]}/64 dev e0")
        self.ip("host", f"route add default via {CLIENT[0]}")
        self.ip("host", f"-6 route add default via {CLIENT[1]}")

    def forward_on_host(self):
        """As a gateway is: the kernel's driver needs nothing of it, culvert either."""
        self.sysctl("host", "net.ipv4.ip_forward", 1)
        self.sysctl("host", "net.ipv6.conf.all.forwarding", 1)

    def add_slave(self, name, mode, flag="bridge", dev="i0", link="e0"):
        if self.driver == "kernel":
            self.run("host", ["ip", "link", "add", dev, "link", link, "netns", self.ns(name), "type", "ipvlan",
                              "mode", mode, flag])
        else:
            self.culvert(f"link add link {link} name {dev} type ipvlan mode {mode} {flag} netns {self.ns(name)}")
        self.ip(name, f"link set {dev} up")

    def add_addr(self, name, addr, dev="i0"):
        if self.driver == "kernel":
            self.ip(name, f"addr add {addr} dev {dev}")
        else:
            self.culvert(f"addr -n {self.ns(name)} add {addr} dev {dev}")

    def slaves(self, mode, flag="bridge"):
        """s1 with .11, s2 with .12, and default routes where there is no neighbour to be found."""
        v4, v6 = SUBNET[mode]
        for name, tail in (("s1", "11"), ("s2", "12")):
            self.add_slave(name, mode, flag)
            self.add_addr(name, f"{v4}{tail}/24")
            self.add_addr(name, f"{v6}{tail}/64")
            if mode != "l2":
                self.ip(name, "route add default dev i0")
                self.ip(name, "-6 route add default dev i0")
        # The kernel activates either end a moment after the other is up (linkwatch): until then it sends nothing.
        within(30, [], "ends that are not up", lambda: [
            line for name in ("host", "s1", "s2") for line in self.ip(name, "-o link")[1].splitlines()
            if (" i0@" in line or "cvslave" in line) and "state UP" not in line])

    def drop_slaves(self):
        for name in ("s1", "s2"):
            self.ip(name, "link del i0", check=False)
        for name in ("client", "host"):
            self.ip(name, "neigh flush all", check=False)

    # ---- servers ---------------------------------------------------------------------------

    def serve(self, *names):
        """Echo servers, TCP and UDP, both families."""
        for name in names:
            for family in (socket.AF_INET, socket.AF_INET6):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    self._serve(name, family, kind)

    def _serve(self, name, family, kind):
        with self.inside(name):
            sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PORT))
        if kind == socket.SOCK_STREAM:
            sock.listen(16)
        sock.setblocking(False)
        self.servers.setdefault((kind, family), {})[sock] = name

    # ---- exchanges ---------------------------------------------------------------------------

    def exchange(self, kind, src, addr, wait=WAIT, ttl=None):
        """One request and its answer; {"ok", "at", "ttl", "reply_ttl", "seen_from"}, or "error"."""
        return getattr(self, "_" + kind)(src, addr, wait, ttl)

    def ping(self, src, addr, wait=WAIT):
        return self._icmp(src, addr, wait, None)["ok"]

    def _socket(self, src, family, kind, proto=0, ttl=None):
        with self.inside(src):
            sock = socket.socket(family, kind, proto)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            if ttl:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        elif kind != socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        if ttl and family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        return sock

    def _icmp(self, src, addr, wait, ttl):
        v6 = version(addr) == 6
        ident = os.urandom(2)
        head = struct.pack("!BBH", 128 if v6 else 8, 0, 0) + ident + b"\0\1culvert!"
        with self._socket(src, family_of(addr), socket.SOCK_RAW, 58 if v6 else 1, ttl) as sock:
            if not v6:
                head = head[:2] + struct.pack("!H", checksum(head)) + head[4:]
            try:
                sock.sendto(head, (addr, 0))
            except OSError as error:
                return {"ok": False, "error": errno.errorcode[error.errno]}
            end = time.monotonic() + wait
            while select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
                data, anc, _, peer = sock.recvmsg(2048, 256)
                body = data if v6 else data[(data[0] & 15) * 4:]
                if body[0] == (129 if v6 else 0) and body[4:6] == ident:
                    return {"ok": True, "reply_ttl": ttl_of(anc) if v6 else data[8], "from": peer[0]}
        return {"ok": False, "error": "timeout"}

    def _udp(self, src, addr, wait, ttl):
        servers = self.servers[socket.SOCK_DGRAM, family_of(addr)]
        out = {"ok": False, "error": "timeout"}
        with self._socket(src, family_of(addr), socket.SOCK_DGRAM, 0, ttl) as sock:
            try:
                sock.connect((addr, PORT))
                sock.send(b"culvert!")
                end = time.monotonic() + wait
                while True:
                    left = max(0, end - time.monotonic())
                    found = select.select([sock, *servers], [], [], left)[0]
                    if not found:
                        return out
                    for one in found:
                        data, anc, _, peer = one.recvmsg(2048, 256)
                        if one is sock:
                            out.pop("error")
                            return {**out, "ok": True, "reply_ttl": ttl_of(anc)}
                        out |= {"at": servers[one], "ttl": ttl_of(anc), "seen_from": peer[0]}
                        with contextlib.suppress(OSError):
                            one.sendto(data, peer)
            except OSError as error:
                return {**out, "error": errno.errorcode[error.errno]}

    def _tcp(self, src, addr, wait, ttl):
        servers = self.servers[socket.SOCK_STREAM, family_of(addr)]
        with self._socket(src, family_of(addr), socket.SOCK_STREAM, 0, ttl) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            code = sock.connect_ex((addr, PORT))
            if code not in (0, errno.EINPROGRESS):
                return {"ok": False, "error": errno.errorcode[code]}
            if not select.select([], [sock], [], wait)[1]:
                return {"ok": False, "error": "timeout"}
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                return {"ok": False, "error": errno.errorcode[code]}
            for one in select.select(list(servers), [], [], wait)[0]:
                peer, where = one.accept()
                with peer:
                    sock.send(b"culvert!")
                    if not select.select([peer], [], [], wait)[0]:
                        return {"ok": False, "error": "no data"}
                    peer.recv(64)
                return {"ok": True, "at": servers[one], "seen_from": where[0]}
        return {"ok": False, "error": "nobody accepted"}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data + (b"\0" if len(data) % 2 else b"")))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ttl_of(ancillary):
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)):
            return struct.unpack("i", data[:4])[0]
    return None


def targets(mode):
    """The flows of the matrix: name, source, IPv4 and IPv6 destination."""
    v4, v6 = SUBNET[mode]
    one, two = (v4 + "11", v6 + "11"), (v4 + "12", v6 + "12")
    return [("outside->slave", "client", one), ("slave->outside", "s1", CLIENT), ("slave->slave", "s1", two),
            ("host->slave", "host", one), ("slave->host", "s1", HOST)]


class Hooks:
    """Counts requests and replies at every netfilter hook of a namespace."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        text = ["table inet count {"]
        for hook in HOOKS:
            text += [f"counter {hook}_req {{ }}", f"counter {hook}_rep {{ }}"]
        for hook in HOOKS:
            text.append(f"chain {hook} {{ type filter hook {hook} priority -310;")
            for kind, word in (("req", "dport"), ("rep", "sport")):
                text.append(f"meta l4proto {{ tcp, udp }} th {word} {PORT} counter name {hook}_{kind}")
            for proto in ("icmp", "icmpv6"):
                text += [f"{proto} type echo-request counter name {hook}_req",
                         f"{proto} type echo-reply counter name {hook}_rep"]
            text.append("}")
        lab.run(name, ["nft", "-f", "-"], stdin="\n".join(text + ["}"]))

    def take(self):
        """{"req": [hook...], "rep": [hook...]} since the last call."""
        out = json.loads(self.lab.run(self.name, "nft -j reset counters table inet count")[1])
        hit = {c["counter"]["name"] for c in out["nftables"] if c.get("counter", {}).get("packets")}
        return {kind: [hook for hook in HOOKS if f"{hook}_{kind}" in hit] for kind in ("req", "rep")
                if any(f"{hook}_{kind}" in hit for hook in HOOKS)}


def mac_of(lab, name, dev):
    with lab.inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, 0x8927, struct.pack("32s", dev.encode()))[18:24].hex(":")


# ---- what a test says -------------------------------------------------------------------------

def expect(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, expected {want!r}")


def within(seconds, want, what, ask):
    """`ask()` gives what is wanted, in time; a slow machine has PATIENCE times as long."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while (got := ask()) != want:
        if time.monotonic() > end:
            raise AssertionError(f"{what}: still {got!r} after {seconds} s, expected {want!r}")
        time.sleep(0.05)


def shown(lab, name, dev="i0", options="-s -d -j"):
    """What `culvert link show` says of one slave, as an object."""
    out = lab.culvert(f"link -n {lab.ns(name)} show {dev} {options}")[1]
    return json.loads(out)[0]


def dropped(lab, name, why):
    return shown(lab, name)["stats"]["drop_" + why]


class Tap:
    """Frames that arrive at a device (with `sent`, also those that leave it)."""

    def __init__(self, lab, name, dev, sent=False):
        with lab.inside(name):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind((dev, 3))
        self.sock.setblocking(False)
        self.sent = sent

    def frames(self, seconds=0.2):
        found, end = [], time.monotonic() + seconds
        while select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
            frame, addr = self.sock.recvfrom(65535)
            if self.sent or addr[2] != socket.PACKET_OUTGOING:
                found.append(frame)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def send_frame(lab, name, dev, frame):
    """Raw, from inside a namespace: what a tenant's root can do."""
    with lab.inside(name), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((dev, 0))
        sock.send(frame)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def addr_bytes(text):
    return socket.inet_pton(family_of(text), text)


def l4_sum(src, dst, proto, data):
    pseudo = addr_bytes(src) + addr_bytes(dst)
    pseudo += struct.pack("!BBH", 0, proto, len(data)) if len(pseudo) == 8 else struct.pack("!II", len(data), proto)
    return checksum(pseudo + data)


def udp_frame(src, dst, smac=MASTER_MAC, dmac=CLIENT_MAC, ttl=64, sport=4000, dport=PORT, payload=b"culvert!"):
    """An Ethernet frame with a UDP datagram in it."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = head[:6] + struct.pack("!H", l4_sum(src, dst, 17, head) or 0xffff) + head[8:]
    if version(src) == 6:
        packet = struct.pack("!IHBB", 6 << 28, len(head), 17, ttl) + addr_bytes(src) + addr_bytes(dst) + head
        return mac(dmac) + mac(smac) + b"\x86\xdd" + packet
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), 1, 0x4000, ttl, 17, 0) + addr_bytes(src) + addr_bytes(dst)
    packet = packet[:10] + struct.pack("!H", checksum(packet)) + packet[12:] + head
    return mac(dmac) + mac(smac) + b"\x08\x00" + packet


def arp_frame(op, sha, spa, tpa, smac=None, dmac="ff:ff:ff:ff:ff:ff"):
    return (mac(dmac) + mac(smac or sha) + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, op) + mac(sha) +
            addr_bytes(spa) + bytes(6) + addr_bytes(tpa))


def nd_frame(kind, src, dst, target, option_mac, smac=MASTER_MAC, dmac="33:33:00:00:00:01"):
    """A neighbour solicitation (135) or advertisement (136) with its link-layer address option."""
    body = struct.pack("!BBHI", kind, 0, 0, 0x20000000 if kind == 136 else 0) + addr_bytes(target)
    body += struct.pack("!BB", 1 if kind == 135 else 2, 1) + mac(option_mac)
    body = body[:2] + struct.pack("!H", l4_sum(src, dst, 58, body)) + body[4:]
    return (mac(dmac) + mac(smac) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) +
            addr_bytes(src) + addr_bytes(dst) + body)
