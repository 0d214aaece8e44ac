# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of the bench: each is a lane, its traffic, and what it is held against."""

from dataclasses import dataclass, field
from typing import Callable, Optional

from . import lanes

REFERENCE = "bare-redirect"
MILLION = 1_000_000
COUNTS = ((1, "1"), (1000, "1k"), (100_000, "100k"), (MILLION, "1M"))

# Seconds of a flood that fill a table of the default size.
FILL = 0.8

# Room for a million flows in each family's table, and some churn.
ROOM = 1_200_000


@dataclass(frozen=True)
class LaneKind:
    """A lane that several rows may share: made once, by make(tag, kind, **options)."""

    tag: str
    kind: Callable
    options: tuple = ()
    servers: int = 4

    def make(self):
        return lanes.make(self.tag, self.kind, self.servers, **dict(self.options))


def culvert_lane(tag, servers=4, **options):
    options.setdefault("dests", servers)
    return LaneKind(tag, lanes.culvert, tuple(sorted(options.items())), servers)


@dataclass(frozen=True)
class Goal:
    """At least `ratio` times the figure of the row `against`, in the same round."""

    ratio: float
    against: str = REFERENCE


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    lane: LaneKind
    flows: int = 1
    family: int = 4
    services: int = 1
    flood: float = 0.0
    live: bool = True		# opens its flows before they are timed
    syn: bool = True		# ... with a SYN
    vip: Optional[str] = None	# what the packets are sent to, if not the service
    sink: tuple = ("s", "s0")
    reply: bool = False		# a server's answers are what is sent
    goals: tuple = field(default=())
    quick: bool = False		# belongs to --quick

    def prepare(self, lane):
        if self.live:
            lane.open_flows(self.family, self.flows, self.services, self.syn, self.vip)

    def measure(self, lane, seconds):
        """Millions of packets a second."""
        report, _ = lane.send(seconds, self.sink, family=self.family, flows=self.flows,
                              services=self.services, flood=self.flood, vip=self.vip,
                              reply=self.reply)
        return report["packets"] * 1e3 / report["ns"]


@dataclass(frozen=True)
class TwoCores(Row):
    """Both cores send, each through its own queue of every veth."""

    def measure(self, lane, seconds):
        return lane.send_from((0, 1), seconds, family=self.family, flows=self.flows)


BARE = LaneKind("bare", lanes.bare)
FORWARD = LaneKind("forward", lanes.forwarding)
NFT = LaneKind("nft", lanes.nftables)
YARD = LaneKind("yard", lanes.yardstick)
YARD_TUNNEL = LaneKind("yard-ipip", lanes.yardstick_tunnel)
DR = culvert_lane("dr", families=(4, 6))	# as it comes: 262,144 connections of each family
DR_LARGE = culvert_lane("dr-large", max_conns=ROOM, families=(4, 6))
TC = culvert_lane("tc", mode="tc", families=(4, 6))


def nat_lane(tag, **options):
    """One real server, so that it is known from whom the answers come."""
    options = {"method": "-m", "dests": 1, "families": (4, 6), **options}
    return LaneKind(tag, lanes.culvert_both_sides, tuple(sorted(options.items())), 1)


NAT = nat_lane("nat")
NAT_LARGE = nat_lane("nat-large", max_conns=ROOM)
IPIP = culvert_lane("ipip", method="-i")
IPIP_LARGE = culvert_lane("ipip-large", max_conns=ROOM, method="-i")
TRACKED = LaneKind("tracked", lanes.tracked, servers=1)
FLOOD = culvert_lane("flood")
CULVERT0 = LaneKind("culvert0", lanes.culvert0)


def _of(n):
    return f"{n} flow" + ("s" if n != "1" else "")


def _roomy(count, default, large):
    return large if count == MILLION else default


def bare_rows():
    yield Row(REFERENCE, "bare XDP: swap MACs, redirect", BARE, live=False, quick=True)
    yield Row("bare-redirect-map", "bare XDP: the same through a devmap",
              LaneKind("bare-map", lanes.bare_map), live=False)
    yield Row("bare-bounce", "bare XDP: swap MACs, XDP_TX", LaneKind("bounce", lanes.bounce),
              live=False, sink=("g", "g0"), quick=True)
    yield Row("bare-tc", "bare tc: swap MACs, redirect", LaneKind("bare-tc", lanes.bare_tc),
              live=False, quick=True)


def kernel_rows():
    yield Row("forward", "kernel forwarding", FORWARD, live=False,
              vip=lanes.SERVER[4], quick=True)
    yield Row("forward6", "kernel forwarding, IPv6", FORWARD, live=False, family=6,
              vip=lanes.SERVER[6])
    for count, name in ((1, "1"), (1000, "1k"), (10_000, "10k")):
        yield Row(f"nft-{name}", f"nftables DNAT, {_of(name)}", NFT, count, syn=False,
                  quick=count == 10_000)


def yardstick_rows():
    for count, name in COUNTS:
        yield Row(f"yard-{name}", f"LRU yardstick, direct, {_of(name)}", YARD, count,
                  quick=count in (1000, MILLION))
    for count, name in COUNTS[1::2]:
        yield Row(f"yard-ipip-{name}", f"LRU yardstick, IPIP, {_of(name)}", YARD_TUNNEL, count)
    yield Row("yard-flood", "LRU yardstick, SYN flood", YARD, live=False, flood=1.0)


def direct_rows():
    goals = {"1k": (Goal(0.85), Goal(3, "nft-10k")), "1M": (Goal(0.5), Goal(2, "yard-1M"))}
    for count, name in COUNTS:
        yield Row(f"dr-{name}", f"culvert DR, {_of(name)}", _roomy(count, DR, DR_LARGE), count,
                  goals=goals.get(name, ()), quick=count in (1, 1000, 100_000, MILLION))
    for count, name in COUNTS[1::2]:
        yield Row(f"dr6-{name}", f"culvert DR, IPv6, {_of(name)}",
                  _roomy(count, DR, DR_LARGE), count, family=6, quick=count == 1000)


def two_core_rows():
    yield TwoCores("bare-2cpus", "bare XDP, two cores, two queues", BARE, live=False,
                   goals=(Goal(1.8),))
    yield TwoCores("dr-1k-2cpus", "culvert DR, 1k flows, two cores, two queues", DR, 1000,
                   goals=(Goal(1.8, "dr-1k"),))


def door_rows():
    yield Row("tc-1k", "culvert DR, tc door, 1k flows", TC, 1000,
              goals=(Goal(3, "nft-1k"),), quick=True)
    yield Row("tc6-1k", "culvert DR, tc door, IPv6, 1k flows", TC, 1000, family=6)
    yield Row("culvert0-1k", "culvert DR, culvert0 door, by mark, 1k flows", CULVERT0, 1000,
              goals=(Goal(1, "nft-1k"),), quick=True)


def method_rows(count, name):
    """NAT both ways, and IPIP."""
    lane = _roomy(count, NAT, NAT_LARGE)
    goals = (Goal(0.75, f"dr-{name}"),)
    yield Row(f"nat-{name}", f"culvert NAT, requests, {_of(name)}", lane, count,
              goals=goals, quick=count == 1000)
    yield Row(f"nat-back-{name}", f"culvert NAT, answers, {_of(name)}", lane, count,
              reply=True, sink=("g", "g0"), goals=goals, quick=count == 1000)
    yield Row(f"ipip-{name}", f"culvert IPIP, {_of(name)}",
              _roomy(count, IPIP, IPIP_LARGE), count,
              goals=(Goal(0.80, f"dr-{name}"),), quick=count == 1000)


def option_rows():
    for kind, options in (("gue", "--tun-type gue --tun-port 6080"), ("gre", "--tun-type gre")):
        yield Row(f"{kind}-1k", f"culvert {kind.upper()}, 1k flows",
                  culvert_lane(kind, method=f"-i {options}"), 1000, goals=(Goal(0.80, "dr-1k"),))
    persistent = culvert_lane("persist", options="-p 300")
    yield Row("persist-1k", "culvert DR, persistent, 1k flows", persistent, 1000,
              goals=(Goal(0.9, "dr-1k"),))
    yield Row("nat-conntrack-1k", "culvert NAT, conntrack=1, requests, 1k flows", TRACKED, 1000,
              syn=False)


def service_rows():
    """One service against very many."""
    one = culvert_lane("one", dests=1)
    yield Row("svc-1", "1 service, 1k flows", one, 1000)
    for count, name in ((10_000, "10k"), (100_000, "100k")):
        many = culvert_lane(f"services-{name}", services=count, dests=1,
                            max_services=count, max_dests=count)
        yield Row(f"svc-{name}", f"{count:,} services, 1k flows", many, 1000, services=count,
                  goals=(Goal(0.9, "svc-1"),))


def destination_rows():
    """One destination against very many, live flows."""
    yield Row("dests-1", "1 destination, 1k flows", culvert_lane("live-1", dests=1), 1000)
    for count, name in ((1000, "1k"), (10_000, "10k")):
        lots = culvert_lane(f"live-{name}", servers=count, max_dests=count)
        yield Row(f"dests-{name}", f"{count:,} destinations, 1k flows", lots, 1000,
                  goals=(Goal(0.9, "dests-1"),))


def scheduler_rows(sched):
    """The same of first packets."""
    few = culvert_lane(f"{sched}-1", dests=1, sched=sched)
    yield FloodRow(f"new-{sched}-1", f"first packets, {sched}, 1 destination", few,
                   live=False, flood=1.0)
    # mh's table has 4,093 slots, as the kernel's: no more destinations than that.
    for count, name in ((1000, "1k"), (4000 if sched == "mh" else 10_000, "10k")):
        lots = culvert_lane(f"{sched}-{name}", servers=count, sched=sched, max_dests=count)
        yield FloodRow(f"new-{sched}-{name}", f"first packets, {sched}, {count:,} destinations",
                       lots, live=False, flood=1.0, goals=(Goal(0.9, f"new-{sched}-1"),))


@dataclass(frozen=True)
class FloodRow(Row):
    """New connections only, into a table that earlier rounds have filled."""

    def prepare(self, lane):
        lane.send(FILL, must_arrive=False, flood=1.0)


@dataclass(frozen=True)
class ShareRow(Row):
    """The share of live flows' packets that arrives while half of all packets are the flood's."""

    least: float = 0.9

    def prepare(self, lane):
        lane.pump("s", "attach", "s0", "sink_by_class")
        lane.open_flows(flows=self.flows)
        lane.send(FILL, must_arrive=False, flood=1.0)

    def measure(self, lane, seconds):
        report, got = lane.send(seconds, must_arrive=False, flows=self.flows, flood=0.5)
        return got["live"] / (report["all"] - report["flood"])


def flood_rows():
    yield FloodRow("flood", "SYN flood, table full", FLOOD, flood=1.0, live=False,
                   goals=(Goal(0.35),), quick=True)


SHARES = (ShareRow("flood-share", "live packets that arrive, of 1,000 flows",
                   culvert_lane("share"), 1000, quick=True),)


def path_groups():
    """The rows, in the groups that are measured side by side."""
    groups = [bare_rows(), kernel_rows(), yardstick_rows(), direct_rows(), two_core_rows(),
              door_rows(), *(method_rows(*count) for count in COUNTS[1::2]), option_rows(),
              flood_rows(), service_rows(), destination_rows(),
              *(scheduler_rows(sched) for sched in ("rr", "wrr", "sh", "mh"))]
    return [list(group) for group in groups]


def path_rows():
    return [row for group in path_groups() for row in group]
