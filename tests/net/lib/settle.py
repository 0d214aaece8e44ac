# SPDX-License-Identifier: GPL-2.0-or-later
"""When has all arrived that crafted packets set going?

Not after some time, which a loaded machine needs more of, but after rounds: in each, every host
of the lab broadcasts a frame to the others, and the next begins when all have heard all. Frames
overtake none before them, so each round carries every packet, answer or request for a neighbour
on by a hop at least. Hosts that do not hear each other are waited for in vain, as long as `limit`
says; so is what no packet sets going, but a timer.
"""
import os
import random
import select
import struct
import time

ETH_P_LOCAL = 0x88b5		# IEEE 802: for local experiments
ROUNDS = 8			# client, director, the neighbour's two, server; as many back
BROADCAST, PACKET_BROADCAST = b"\xff" * 6, 1
SOURCE = b"\x02\0\0\0\xff"	# and the number of the host: an address that nobody has


def one_cpu():
    """Queues are the CPU's: frames of two could overtake each other. To be called before any is sent."""
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})


class Settling:
    """`taps`, one a host: sock (a packet socket), devices (names), host, take(frame, address): did that count?"""

    def __init__(self, taps, limit):
        self.taps, self.limit = taps, limit
        self.token, self.round, self.heard = os.urandom(8), 0, set()

    def send(self):
        self.round += 1
        self.heard = set()
        for number, tap in enumerate(self.taps):
            frame = BROADCAST + SOURCE + struct.pack("!BH8sHH", number, ETH_P_LOCAL, self.token, self.round, number)
            for device in tap.devices:
                try:
                    tap.sock.sendto(frame.ljust(60, b"\0"), (device, 0))
                except OSError:		# it is down
                    pass

    def hear(self, number, frame):
        token, of_round, sender = struct.unpack_from("!8sHH", frame, 14)
        if token == self.token and of_round == self.round:
            self.heard.add((number, sender))

    def receive(self, number):
        """Of one host, what is there: was it anything that counts?"""
        frame, address = self.taps[number].sock.recvfrom(65536)
        if address[1] != ETH_P_LOCAL:
            return self.taps[number].take(frame, address)
        if address[2] == PACKET_BROADCAST:
            self.hear(number, frame)
        return False

    def run(self):
        numbers = {tap.sock: number for number, tap in enumerate(self.taps)}
        everyone = len(self.taps) * (len(self.taps) - 1)
        until = time.monotonic() + self.limit
        self.send()
        while found := select.select(numbers, [], [], max(0, until - time.monotonic()))[0]:
            if any([self.receive(numbers[sock]) for sock in found]):
                until = time.monotonic() + self.limit
            if len(self.heard) == everyone:
                if self.round == ROUNDS:
                    break
                until = time.monotonic() + self.limit
                self.send()
