# SPDX-License-Identifier: GPL-2.0-or-later
"""The control plane's rows: how long commands take, and what a connection weighs."""

import json
import statistics
import time

from . import lanes
from .lab import Failed, Lane, Unavailable, VIP, service_name

SERVICES = 100_000
DESTS = 10


class Timing:
    """One row: seconds (or bytes) against a limit."""

    def __init__(self, name, title, limit, unit="s"):
        self.name, self.title, self.limit, self.unit = name, title, limit, unit
        self.values = []
        self.why_not = None

    def median(self):
        return statistics.median(self.values) if self.values else None

    def met(self):
        return bool(self.values) and self.median() <= self.limit


def _timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Control:
    """Runs every row once its lane stands; a row that fails says why and the rest go on."""

    def __init__(self, rounds, services=SERVICES, conns=1_000_000):
        self.rounds, self.services, self.conns = rounds, services, conns
        self.rows = []

    def row(self, name, title, limit, once, unit="s", rounds=None):
        timing = Timing(name, title, limit, unit)
        self.rows.append(timing)
        try:
            for _ in range(rounds or self.rounds):
                timing.values.append(once())
        except (Failed, Unavailable) as why:
            timing.why_not = str(why)

    def run(self):
        self._attach()
        self._many_services()
        self._many_connections()
        return self.rows

    def _attach(self):
        """A first attach makes the instance; later ones only add a device to it."""
        lane = Lane("attach")
        try:
            self.row("attach-first", "attach that loads the data path and makes the instance",
                     2.0, lambda: _timed(lambda: lane.culvert("attach", "d0", "--mode", "xdp")),
                     rounds=1)

            def again():
                lane.culvert("detach", "d0")
                return _timed(lambda: lane.culvert("attach", "d0", "--mode", "xdp"))

            self.row("attach", "attach after the first load", 0.3, again)
            self.row("list-one", "ipvsadm -Ln, no services", 0.010,
                     lambda: _timed(lambda: lane.ipvsadm("-Ln")))
        finally:
            lane.close()

    def _many_services(self):
        lane = Lane("restore", DESTS)
        text = lanes.service_rules(self.services, DESTS)
        name = service_name(VIP[4])
        server = service_name(lanes.SERVER[4])
        weight = iter(range(2, 1000))
        label = f"{self.services:,} services of {DESTS} destinations"
        try:
            try:
                lane.culvert("attach", "d0", "--mode", "xdp",
                             "--max-services", str(self.services + 1),
                             "--max-dests", str(self.services * DESTS + 1))
            except (Failed, Unavailable):
                pass		# every row below says so itself

            def restore():
                lane.ipvsadm("-C")
                return _timed(lambda: lane.ipvsadm("-R", text_in=text))

            self.row("restore", f"restore of {label}", 10.0, restore, rounds=1)
            self.row("edit", "one edit among them", 0.005,
                     lambda: _timed(lambda: lane.ipvsadm("-e", "-t", name, "-r", server, "-g",
                                                         "-w", str(next(weight)))))
            self.row("list-all", "ipvsadm -Ln of them all", 2.0,
                     lambda: _timed(lambda: self._lines(lane, "-Ln", self.services * DESTS)))
        finally:
            lane.close()

    def _lines(self, lane, option, at_least):
        got = lane.ipvsadm(option).count("\n")
        if got < at_least:
            raise Failed(f"ipvsadm {option} printed {got} lines, not {at_least}")

    def _many_connections(self):
        lane = Lane("conns")
        try:
            try:
                lanes.culvert(lane, max_conns=self.conns, dests=4)
                lane.open_flows(flows=self.conns)
            except (Failed, Unavailable):
                pass
            self.row("list-conns", f"ipvsadm -Lcn of {self.conns:,} connections", 3.0,
                     lambda: _timed(lambda: self._lines(lane, "-Lcn", self.conns * 99 // 100)),
                     rounds=min(3, self.rounds))
            for family, limit in ((4, 80), (6, 128)):
                self.row(f"bytes-per-conn{'' if family == 4 else '6'}",
                         f"memory for each IPv{family} connection", limit,
                         lambda family=family: self._bytes(lane, family), "bytes", rounds=1)
        finally:
            lane.close()

    def _bytes(self, lane, family):
        """What `status` says the table takes, over the connections it has room for."""
        status = json.loads(lane.culvert("status", "-j"))
        try:
            return status["tables"][f"conns{family}"]["memory"] / self.conns
        except KeyError as why:
            raise Failed(f"status -j does not say {why}") from why
