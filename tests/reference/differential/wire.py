# SPDX-License-Identifier: GPL-2.0-or-later
"""The network of a case: a director, and one process that is everybody else.

    wire w0 ---------------- e0 director   10.0.0.1/24     fd00::1/64   clients, VIPs .100 to .103
    wire w1 ---------------- e1 director   192.168.7.1/24  fd07::1/64   real servers .11 to .18, a router .254
    wire w2 ---------------- e2 director   192.168.8.1/24  fd08::1/64   real servers .11 to .14

Clients are anywhere behind 10.0.0.2; servers in 192.168.9.0/24 are behind the router.
The director knows every neighbour's address, so that nothing waits for ARP or ND. The
wire's own stack has no address and never answers. Both namespaces are held by
descriptors alone: whatever happens, nothing is left of them. What the director's
netfilter sees comes out beside the frames (netfilter.py).
"""
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

import frames
import netfilter

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR = 263, 15
GSO_TCP4, GSO_TCP6, NEEDS_CSUM = 1, 4, 1        # of struct virtio_net_hdr
PORTS = (0, 1, 2)
PREFIX = {0: ("10.0.0.", "fd00::"), 1: ("192.168.7.", "fd07::"), 2: ("192.168.8.", "fd08::")}
CLIENT_MAC, ROUTER_MAC = "02:00:00:00:00:02", "02:00:00:00:01:fe"
VIPS = 100, 101, 102, 103
_libc = ctypes.CDLL(None, use_errno=True)


def address(version, port, number):
    """Host `number` of the network at a port of the director."""
    return PREFIX[port][version == 6] + str(number)


def server_mac(port, number):
    return f"02:00:00:00:{port:02x}:{number:02d}"


def director_mac(port):
    return f"02:00:00:00:{port:02x}:01"


def whole(options):
    """Options of a packet that the stack itself would send: not in fragments, and not shorter than it says."""
    return {name: value for name, value in options.items()
            if name not in ("cut", "order") and (name, value) != ("bad", "length")}


def _call(function, *arguments):
    if function(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespace:
    """A network namespace without a name."""

    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def __init__(self):
        _call(_libc.unshare, CLONE_NEWNET)
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _call(_libc.setns, self.home, CLONE_NEWNET)

    def __enter__(self):
        _call(_libc.setns, self.fd, CLONE_NEWNET)

    def __exit__(self, *_):
        _call(_libc.setns, self.home, CLONE_NEWNET)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def run(self, command, stdin=""):
        """(status, stdout, stderr) of a command in the namespace."""
        with self:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def ip(self, lines, *options):
        status, _, error = self.run(["ip", *options, "-batch", "-"], "\n".join(lines) + "\n")
        if status:
            raise RuntimeError(error)

    def sysctl(self, name, value):
        with self, open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
            file.write(str(value))

    def offload(self, device, transmit, gro):
        """`transmit`: partial checksums and packets larger than the MTU may leave. GRO makes a veth poll."""
        with self, socket.socket() as sock:
            for command, value in ((0x17, transmit), (0x1f, transmit), (0x24, transmit), (0x2c, gro)):  # TX sums, TSO, GSO; GRO
                data = ctypes.create_string_buffer(struct.pack("II", command, value))
                fcntl.ioctl(sock, 0x8946, struct.pack("16sP", device.encode(), ctypes.addressof(data)))

    def close(self):
        os.close(self.fd)


class Wire:
    def __init__(self, mtu=None, marks=(), conntrack=False, whole=False):
        """`mtu`: {port: bytes} where it is not 1500; `marks`, `conntrack`: of netfilter.rules().

        `whole`: what comes in has whole checksums and fits the MTU, as what comes off a wire.
        """
        self.director, self.outside = Namespace(), Namespace()
        self._connect(mtu or {}, whole)
        self.watch = netfilter.Watch(self.director, marks, conntrack)
        self.socks = [self._open(f"w{port}") for port in PORTS]
        self.large = {}         # port -> a socket for what has a struct virtio_net_hdr before it
        with self.director:
            self.local = {version: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                          for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6))}

    def _connect(self, mtu, whole):
        where = self.director.path()
        for key in ("disable_ipv6", "accept_dad", "router_solicitations", "accept_ra", "mldv2_unsolicited_report_interval"):
            (self.outside if key == "disable_ipv6" else self.director).sysctl(
                f"net.ipv6.conf.default.{key}", int(key == "disable_ipv6"))
        for one in ("all", "default"):
            for key in ("rp_filter", "send_redirects"):
                self.director.sysctl(f"net.ipv4.conf.{one}.{key}", 0)
        for key, value in (("ipv4.ip_forward", 1), ("ipv6.conf.all.forwarding", 1), ("ipv4.icmp_ratelimit", 0),
                           ("ipv6.icmp.ratelimit", 0), ("ipv6.auto_flowlabels", 0)):
            self.director.sysctl("net." + key, value)
        self.outside.ip([f"link add w{port} type veth peer name e{port} address {director_mac(port)} netns {where}"
                         for port in PORTS])
        for port in PORTS:
            self.outside.offload(f"w{port}", not whole, True)
            self.director.offload(f"e{port}", False, False)
        self.outside.ip([f"link set w{port} up" for port in PORTS])
        self.director.ip(["link set lo up"] + [f"link set e{port} up mtu {mtu.get(port, 1500)}" for port in PORTS] +
                         self._addresses())

    @staticmethod
    def _addresses():
        lines = []
        for version, bits in ((4, 24), (6, 64)):
            lines += [f"addr add {address(version, port, 1)}/{bits} dev e{port}" for port in PORTS]
            lines += [f"addr add {address(version, 0, vip)}/{32 if version == 4 else 128} dev e0" for vip in VIPS]
            lines += [f"neigh add {address(version, 0, 2)} lladdr {CLIENT_MAC} dev e0 nud permanent",
                      f"neigh add {address(version, 1, 254)} lladdr {ROUTER_MAC} dev e1 nud permanent"]
            lines += [f"neigh add {address(version, port, number)} lladdr {server_mac(port, number)} dev e{port} nud permanent"
                      for port, numbers in ((0, range(21, 23)), (1, range(11, 19)), (2, range(11, 15)))
                      for number in numbers]
        return lines + ["route add default via 10.0.0.2", "route add 192.168.9.0/24 via 192.168.7.254",
                        "route add ::/0 via fd00::2", "route add fd09::/64 via fd07::254"]

    def _open(self, device):
        with self.outside:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((device, ETH_P_ALL))
        sock.setblocking(False)
        return sock

    def send(self, port, frame):
        self._put(self.socks[port], frame)

    @staticmethod
    def _put(sock, frame):
        try:
            sock.send(frame)
        except OSError as error:        # a frame larger than an MTU does not arrive
            if error.errno not in (errno.ENOBUFS, errno.EMSGSIZE):
                raise

    def send_large(self, port, frame, segment=0):
        """A frame whose checksum is left to the device; `segment`: and cutting it into so much data each."""
        if port not in self.large:
            with self.outside:
                self.large[port] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.large[port].setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            self.large[port].bind((f"w{port}", 0))
        six = frame[14] >> 4 == 6
        start = 14 + (40 if six else 20)
        tcp = frame[20 if six else 23] == frames.TCP
        at = 16 if tcp else 6
        addresses = frame[22:54] if six else frame[26:34]
        total = frames.ones_sum(frames.pseudo(addresses[:len(addresses) // 2], addresses[len(addresses) // 2:],
                                              frames.TCP if tcp else frames.UDP, len(frame) - start))
        frame = frame[:start + at] + struct.pack("!H", total) + frame[start + at + 2:]
        kind = (GSO_TCP6 if six else GSO_TCP4) if segment else 0
        header = struct.pack("=BBHHHH", NEEDS_CSUM, kind, start + 20 if segment else 0, segment, start, at)
        self._put(self.large[port], header + frame)

    def send_local(self, packet):
        """A packet of the director's own."""
        version = packet[0] >> 4
        destination = frames.text(packet[16:20] if version == 4 else packet[24:40])
        try:
            self.local[version].sendto(packet, (destination, 0))
        except OSError:         # such as a hook that drops it: what comes out tells
            pass

    def collect(self, settle):
        """[(port, frame)] that came out of the director, until nothing came for `settle` seconds.

        Beside the frames: ("host", packet) that the director itself got, ("hook", its name), and
        ("invalid", ...) where conntrack makes nothing of a packet.
        """
        found = []
        until = time.monotonic() + settle
        while True:
            ready = select.select([*self.socks, self.watch], [], [], max(0, until - time.monotonic()))[0]
            if not ready:
                return found
            until = time.monotonic() + settle
            for sock in ready:
                if sock is self.watch:
                    found += self.watch.read()
                    continue
                frame, (_, _, kind, *_) = sock.recvfrom(65535)
                if kind != socket.PACKET_OUTGOING:
                    found.append((self.socks.index(sock), frame))

    def close(self):
        self.watch.close()
        for sock in (*self.socks, *self.large.values(), *self.local.values()):
            sock.close()
        self.director.close()
        self.outside.close()
