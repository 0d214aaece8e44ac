# SPDX-License-Identifier: GPL-2.0-or-later
"""The control plane's rows: how long commands take, and what a connection weighs."""

import json
import statistics
import time

from . import lanes
from .lab import CULVERT, Failed, Lane, Unavailable, VIP, service_name

SERVICES = 100_000
DESTS = 10
OTHER = "10.9.9.9:80"

TEN_MILLION = 10_000_000
TIMEOUT = 60	# of an established connection: open, count and list in that time


class Timing:
    """One row: seconds (or what `unit` says) and the goal, if there is one."""

    def __init__(self, name, title, limit=None, unit="s", at_least=False):
        self.name, self.title, self.limit, self.unit = name, title, limit, unit
        self.at_least = at_least
        self.values = []
        self.why_not = None

    def median(self):
        return statistics.median(self.values) if self.values else None

    def verdict(self):
        if self.limit is None or not self.values:
            return ""
        got = self.median()
        return "met" if (got >= self.limit if self.at_least else got <= self.limit) else "short"


def _timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Control:
    """Runs every row once its lane stands; a row that fails says why and the rest go on."""

    def __init__(self, rounds, services=SERVICES, conns=1_000_000):
        self.rounds, self.services, self.conns = rounds, services, conns
        self.rows = []

    def row(self, name, title, limit, once, unit="s", rounds=None, at_least=False):
        timing = Timing(name, title, limit, unit, at_least)
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
        self._ten_million()
        return self.rows

    def _attach(self):
        """A first attach makes the instance; later ones only add a device to it."""
        lane = Lane("attach")
        try:
            self.row("attach-first", "attach that loads the data path and makes the instance",
                     None, lambda: _timed(lambda: lane.culvert("attach", "d0", "--mode", "xdp")),
                     rounds=1)

            def again():
                lane.culvert("detach", "d0")
                return self._time(lane, CULVERT, "attach", "d0", "--mode", "xdp")

            self.row("attach", "attach after the first load", 0.3, again)
            self.row("list-one", "ipvsadm -Ln, no services", 0.010,
                     lambda: self._time(lane, CULVERT, "ipvsadm", "-Ln"))
            self.row("true", "for comparison: a program that does nothing", None,
                     lambda: self._time(lane, "true"))
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
                             "--max-services", str(self.services + 16),
                             "--max-dests", str(self.services * DESTS + 16))
            except (Failed, Unavailable):
                pass		# every row below says so itself

            def restore():
                lane.ipvsadm("-C")
                return _timed(lambda: lane.ipvsadm("-R", text_in=text))

            self.row("restore", f"restore of {label}", 10.0, restore, rounds=1)
            self.row("edit", "one edit among them", 0.005,
                     lambda: self._time(lane, CULVERT, "ipvsadm", "-e", "-t", name, "-r", server,
                                        "-g", "-w", str(next(weight))))
            self.row("edit-server", "one server more, and less", 0.010,
                     lambda: self._both(lane, ("-a", "-t", name, "-r", OTHER),
                                        ("-d", "-t", name, "-r", OTHER)))
            self.row("edit-service", "one service more, and less", 0.010,
                     lambda: self._both(lane, ("-A", "-t", OTHER), ("-D", "-t", OTHER)))
            self.row("list-all", "ipvsadm -Ln of them all", 2.0,
                     lambda: _timed(lambda: self._lines(lane, "-Ln", self.services * DESTS)))
        finally:
            lane.close()

    def _time(self, lane, *command):
        """Seconds that the command itself takes: a process of its own, started and ended."""
        return lane.pump("d", "time", *command)["ns"] / 1e9

    def _both(self, lane, one, other):
        return sum(self._time(lane, CULVERT, "ipvsadm", *words) for words in (one, other))

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

    def _ten_million(self):
        """Opened by a SYN and an ACK each, counted, listed, and left to expire."""
        lane = Lane("ten-million")
        try:
            try:
                lanes.culvert(lane, max_conns=TEN_MILLION, max_conns6=1, dests=4)
                lane.ipvsadm("--set", str(TIMEOUT), str(TIMEOUT), str(TIMEOUT))
            except (Failed, Unavailable):
                pass
            ten = f"{TEN_MILLION:,} connections"
            self.row("memory-10m", f"memory of a table for {ten}", 1.0,
                     lambda: self._conns(lane, "memory") / 2**30, "GiB", rounds=1)
            self.row("open-10m", f"{ten} opened, by a SYN and an ACK each", None,
                     lambda: _timed(lambda: lane.open_flows(flows=TEN_MILLION)), rounds=1)
            opened = time.monotonic()
            self.row("count-10m", "... in the table then", TEN_MILLION * 0.999,
                     lambda: self._conns(lane, "used"), "connections", rounds=1, at_least=True)
            self.row("list-10m", "... listed by ipvsadm -Lcn", 30.0,
                     lambda: _timed(lambda: lane.sh("d", "sh", "-c",
                                                    f"{CULVERT} ipvsadm -Lcn >/dev/null")),
                     rounds=1)
            self.row("expire-10m", f"... all gone after their {TIMEOUT} s, within", None,
                     lambda: self._expiry(lane, opened), rounds=1)
        finally:
            lane.close()

    def _conns(self, lane, what):
        return json.loads(lane.culvert("status", "-j"))["tables"]["conns4"][what]

    def _expiry(self, lane, opened):
        """Seconds from the end of the last connection's time to an empty table."""
        due = opened + TIMEOUT
        time.sleep(max(0, due - time.monotonic()))
        while self._conns(lane, "used"):
            if time.monotonic() > due + 60:
                raise Failed(f"{self._conns(lane, 'used')} connections did not end")
            time.sleep(0.5)
        return time.monotonic() - due
