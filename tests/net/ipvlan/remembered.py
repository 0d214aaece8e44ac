#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 60
"""What the data path remembers of addresses, routes and neighbours, packet upon packet: an address that a command
gives or takes counts from the next packet on; a neighbour counts from the next tick of the kernel's clock on, and is
asked for again while it is in use."""
import json
import mmap
import os
import socket
import struct
import time

from ipvlan_lab import CLIENT, CLIENT_MAC, MASTER_MAC, SUBNET, Lab, checksum, expect, family_of, within

UDP_PORT = 4242
MOST = 4_000_000                # packets in one stream, which goes on until it is stopped
ROUNDS = 4                      # a change falls anywhere in a tick
OTHER_MAC = "02:00:00:00:00:77"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def frame(src_mac, dst_mac, src, dst, data):
    """A UDP datagram; over IPv4 without a checksum of its own."""
    udp = struct.pack("!HHHH", UDP_PORT, UDP_PORT, 8 + len(data), 0) + data
    if family_of(src) == socket.AF_INET:
        a, b = socket.inet_aton(src), socket.inet_aton(dst)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + a + b
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return mac(dst_mac) + mac(src_mac) + b"\x08\x00" + head + udp
    a, b = (socket.inet_pton(socket.AF_INET6, x) for x in (src, dst))
    total = checksum(a + b + struct.pack("!II", len(udp), 17) + udp)
    udp = udp[:6] + struct.pack("!H", total or 0xffff) + udp[8:]
    return mac(dst_mac) + mac(src_mac) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + a + b + udp


class Stream:
    """Packets that are alike out of a device, one after the other, as fast as they go. They are numbered; when each
    was sent is noted."""

    def __init__(self, lab, name, dev, src_mac, dst_mac, src, dst):
        self.times = mmap.mmap(-1, 8 * (MOST + 1))
        with lab.inside(name):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((dev, 0))
        self.child = os.fork()
        if self.child == 0:
            try:
                self.send(sock, src_mac, dst_mac, src, dst)
            finally:
                os._exit(0)
        sock.close()

    def send(self, sock, src_mac, dst_mac, src, dst):
        one = frame(src_mac, dst_mac, src, dst, bytes(8))
        v4 = family_of(src) == socket.AF_INET
        for n in range(MOST):
            struct.pack_into("Q", self.times, 8 * n, time.monotonic_ns())
            # The number, and its complement where a checksum is: the sum stays what it was.
            if v4:
                data = one[:-8] + struct.pack("!Q", n)
            else:
                data = one[:-8] + struct.pack("!HHHH", n >> 16, ~(n >> 16) & 0xffff, n & 0xffff, ~n & 0xffff)
            sock.send(data)
            struct.pack_into("Q", self.times, 8 * MOST, n + 1)

    def more(self, packets):
        """Waits until so many more have been sent."""
        want = self.sent_at(MOST) + packets
        within(10, True, f"{want} packets sent", lambda: self.sent_at(MOST) >= want)

    def sent_at(self, n):
        return struct.unpack_from("Q", self.times, 8 * n)[0]

    def stop(self):
        os.kill(self.child, 9)
        os.waitpid(self.child, 0)


def number(data, v4):
    if v4:
        return struct.unpack("!Q", data)[0]
    high, _, low, _ = struct.unpack("!HHHH", data)
    return high << 16 | low


class Tap:
    """What UDP arrives at a device from one address for another."""

    def __init__(self, lab, name, dev, src, dst, kind=socket.SOCK_DGRAM):
        self.v4 = family_of(src) == socket.AF_INET
        self.pair = socket.inet_pton(family_of(src), src) + socket.inet_pton(family_of(dst), dst)
        with lab.inside(name):
            self.sock = socket.socket(socket.AF_PACKET, kind)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        self.sock.bind((dev, 3))            # ETH_P_ALL: before a bridge takes them
        self.sock.setblocking(False)

    def packets(self):
        ip = 14 if self.sock.type == socket.SOCK_RAW else 0
        pair, proto = (ip + 12, ip + 9) if self.v4 else (ip + 8, ip + 6)
        while True:
            try:
                data, where = self.sock.recvfrom(128)
            except BlockingIOError:
                return
            if where[2] != socket.PACKET_OUTGOING and data[proto] == socket.IPPROTO_UDP and \
               data[pair:pair + len(self.pair)] == self.pair:
                yield data

    def numbers(self):
        return [number(data[-8:], self.v4) for data in self.packets()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def edition(lab):
    """Which the data path remembers addresses by (V7 in culvert/ipvlan.h)."""
    path = f"/run/culvert/{lab.cookies[0]}/ipvlan/maps/masters"
    said = lab.run("host", f"bpftool -j map lookup pinned {path} key 0 0 0 0")[1]
    return json.loads(said)["formatted"]["value"]["edition"]


def during(lab, stream, change):
    """When the change was asked for and when it was done; with packets before, between and behind. A command takes
    longer than most ticks last, so whether it raises the edition is looked at, too."""
    was = edition(lab)
    stream.more(100)
    before = time.monotonic_ns()
    change()
    after = time.monotonic_ns()
    stream.more(1000)
    stream.stop()
    expect(edition(lab) != was, True, "another edition after a change of addresses")
    return before, after


def taken_away(lab, mode, which):
    """What a slave sends from an address that is its own no longer."""
    src, dst = SUBNET[mode][which] + "21", CLIENT[which]
    plen = 32 if which == 0 else 128
    with Tap(lab, "client", "p0", src, dst) as tap:
        for turn in range(ROUNDS):
            lab.add_addr("s1", f"{src}/{plen}")
            stream = Stream(lab, "s1", "i0", MASTER_MAC, CLIENT_MAC if mode == "l2" else MASTER_MAC, src, dst)
            before, after = during(lab, stream, lambda: lab.culvert(f"addr -n {lab.ns('s1')} del {src}/{plen} dev i0"))
            times = [stream.sent_at(n) for n in tap.numbers()]
            expect(any(t < before for t in times), True, f"{mode}: {src} while it has the address, turn {turn}")
            expect(sum(t > after for t in times), 0, f"{mode}: packets from {src} after it was taken away, turn {turn}")


def given(lab, mode, which):
    """What the wire sends to an address that is a slave's from now on."""
    src, dst = CLIENT[which], SUBNET[mode][which] + "22"
    plen = 32 if which == 0 else 128
    with Tap(lab, "s2", "i0", src, dst) as tap:
        for turn in range(ROUNDS):
            stream = Stream(lab, "client", "p0", CLIENT_MAC, MASTER_MAC, src, dst)
            _, after = during(lab, stream, lambda: lab.add_addr("s2", f"{dst}/{plen}"))
            numbers = tap.numbers()
            expect(bool(numbers), True, f"{mode}: packets to {dst}, turn {turn}")
            lost = stream.sent_at(numbers[0] - 1) if numbers[0] else 0
            expect(lost < after, True, f"{mode}: {dst} is served from the first packet after the command on, turn {turn}")
            lab.culvert(f"addr -n {lab.ns('s2')} del {dst}/{plen} dev i0")


def neighbour(lab, which):
    """l3: the next hop's state and MAC address."""
    src, dst = SUBNET["l3"][which] + "11", CLIENT[which]
    lab.ping("s1", dst)
    lab.ip("host", f"neigh replace {dst} dev e0 lladdr {CLIENT_MAC} nud stale")
    stream = Stream(lab, "s1", "i0", MASTER_MAC, MASTER_MAC, src, dst)
    stream.more(1000)
    said = lab.ip("host", f"neigh show {dst} dev e0")[1]
    expect("STALE" in said, False, f"a neighbour that is in use stays stale: {said.strip()}")
    lab.ip("host", f"neigh replace {dst} dev e0 lladdr {OTHER_MAC} nud permanent")
    time.sleep(0.02)            # more than a tick
    with Tap(lab, "client", "p0", src, dst, socket.SOCK_RAW) as tap:
        stream.more(1000)
        macs = {data[:6] for data in tap.packets()}
    stream.stop()
    expect(macs, {mac(OTHER_MAC)}, f"where packets to {dst} go once its MAC address is another")
    lab.ip("host", f"neigh replace {dst} dev e0 lladdr {CLIENT_MAC} nud reachable")


def main():
    for mode in ("l2", "l3"):
        with Lab() as lab:
            lab.wire()
            lab.slaves(mode)
            if mode == "l3":
                # On this path nothing else learns of it.
                for which in (0, 1):
                    neighbour(lab, which)
            for which in (0, 1):
                taken_away(lab, mode, which)
                given(lab, mode, which)


main()
