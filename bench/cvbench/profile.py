# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a packet's nanoseconds go: `pump stages`, with flows that vary and nothing else around."""

from .lab import Failed, Unavailable
from .rows import COUNTS, DR_LARGE, culvert_lane

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "mh", "dh", "lblc", "lblcr", "fo", "ovf")
SERVERS = 1000

# A step, what it is told by, and the step that it begins with.
STEPS = (("parse", None), ("tag", "parse"), ("lookup", "parse"), ("rewrite", "lookup"),
         ("service", "parse"), ("schedule", "service"), ("whole", None))


def _own(steps):
    return {name: steps[name] - (steps[base] if base else 0) for name, base in STEPS}


def _stages(lane, **traffic):
    return _own(lane.pump("d", "stages", "d0", *lane.traffic(**traffic)))


class Profile:
    """Steps by flows, and the choice of a server by scheduler."""

    def __init__(self):
        self.by_flows = {}		# "1k" -> {step: ns}
        self.by_scheduler = {}		# "rr" -> ns
        self.why_not = None

    def run(self):
        try:
            self._flows()
            self._schedulers()
        except (Failed, Unavailable) as why:
            self.why_not = str(why)
        return self

    def _flows(self):
        lane = DR_LARGE.make()
        try:
            for count, name in COUNTS:
                lane.open_flows(flows=count)
                self.by_flows[name] = _stages(lane, flows=count)
        finally:
            lane.close()

    def _schedulers(self):
        lane = culvert_lane("stages", servers=SERVERS).make()
        try:
            lane.open_flows(flows=1000)
            for sched in SCHEDULERS:
                lane.ipvsadm("-E", "-t", "172.20.0.1:80", "-s", sched)
                self.by_scheduler[sched] = _stages(lane, flows=1000)["schedule"]
        finally:
            lane.close()

    # ---- for report.py

    def flows_table(self):
        table = [("live flows", *(name for name, _ in STEPS))]
        for flows, steps in self.by_flows.items():
            table.append((flows, *(f"{steps[name]:.0f}" for name, _ in STEPS)))
        return table

    def schedulers_table(self):
        return [("scheduler", *self.by_scheduler),
                ("ns", *(f"{ns:.0f}" for ns in self.by_scheduler.values()))]

    def as_json(self):
        return {"by_flows": self.by_flows, "by_scheduler": self.by_scheduler,
                "not_available": self.why_not}
