# SPDX-License-Identifier: GPL-2.0-or-later
"""Stories about schedulers, made from seeds: servers come, change and go between connections.

A story is a dict: its name, the family's version, the scheduler and its flags, whether it is
about a firewall mark (then connections go to many addresses), "udp" if it is not about TCP, and
steps:

    ["add" | "edit", SERVER, WEIGHT, X, Y]   a server by its number; X, Y: thresholds or 0
    ["del", SERVER]
    ["sched", SCHEDULER, FLAGS]              another scheduler from here on
    ["syn", N]                               N new connections, each from a client of its own
    ["syn", N, [TARGET, ...]]                ... to these addresses in turn
    ["again", [CLIENT, ...], FLAGS]          more packets of those clients' connections
    ["sleep", SECONDS]
    ["set", SETTING, VALUE]                  of net.ipv4.vs

None depends on how long it takes, as long as half-open connections live (a minute).
"""
import random

FALLBACKS = {"sh": ("", "sh-port", "sh-fallback", "sh-port,sh-fallback"),
             "mh": ("", "mh-port", "mh-fallback", "mh-port,mh-fallback")}


class Story:
    """What happens, and which servers there are meanwhile."""

    def __init__(self, name, sched, flags="", version=4, mark=False, udp=False):
        self.dice = random.Random(name)
        self.servers, self.clients, self.steps = {}, 0, []
        self.head = {"name": name, "ip": version, "sched": sched, "flags": flags, "mark": mark, **({"udp": True} if udp else {})}

    def done(self):
        return {**self.head, "steps": self.steps}

    def add(self, number, weight, most=0, least=0):
        self.servers[number] = weight
        self.steps.append(["add", number, weight, most, least])

    def edit(self, number, weight, most=0, least=0):
        self.servers[number] = weight
        self.steps.append(["edit", number, weight, most, least])

    def drop(self, number):
        del self.servers[number]
        self.steps.append(["del", number])

    def some(self, n):
        return self.dice.sample(sorted(self.servers), min(n, len(self.servers)))

    def syn(self, n, targets=None):
        self.clients += n
        self.steps.append(["syn", n] + ([targets] if targets else []))

    def again(self, clients, flags):
        self.steps.append(["again", clients, flags])

    def churn(self, weights, full=(0, 0)):
        """One change, of any kind."""
        what = self.dice.randrange(6)
        if what == 0 and len(self.servers) > 3:
            self.drop(*self.some(1))
        elif what == 1:
            gone = [n for n in range(max(self.servers) + 2) if n not in self.servers]
            self.add(self.dice.choice(gone), self.dice.choice(weights), *full)
        elif what == 2:
            self.edit(*self.some(1), 0, *full)
        else:
            self.edit(*self.some(1), self.dice.choice(weights), *full)


def hashing(sched, flags, version, weights, n, full=(0, 0), udp=False):
    """dh, sh, mh: the table as it is at first, with servers quiesced, after changes, after more."""
    story = Story(f"{sched} {flags} ip{version} {n} {max(weights)} {full}{' udp' * udp}", sched, flags, version, udp=udp)
    for number in range(n):
        story.add(number, story.dice.choice(weights), *full)
    story.syn(400)
    for number in story.some(max(n // 6, 1)):
        story.edit(number, 0, *full)
    story.syn(200)
    for _ in range(12):
        story.churn(weights, full)
    story.syn(200)
    for number in story.some(len(story.servers) - 1):
        story.drop(number)
    story.syn(20)
    story.drop(*story.servers)
    story.syn(2)
    story.add(n, 0)
    story.add(n + 1, 3)
    story.syn(20)
    return story.done()


def turns(name, sched, weights, n, full=(0, 0), rounds=8, syns=60, version=4, udp=False):
    """rr, wrr and those that go by connections: one change, then a number of connections."""
    story = Story(f"{sched} {name}{' ip6' * (version == 6)}{' udp' * udp}", sched, "", version, udp=udp)
    for number in range(n):
        story.add(number, story.dice.choice(weights), *full)
    story.syn(syns)
    for _ in range(rounds):
        for _ in range(story.dice.randrange(1, 4)):
            story.churn(weights, full)
        story.syn(story.dice.randrange(1, syns))
    return story.done()


def loads(sched, version=4):
    """Connections are opened, answered and finished, so that servers differ in their load."""
    story = Story(f"{sched} loads{' ip6' * (version == 6)}", sched, "", version)
    for number in range(12):
        story.add(number, story.dice.choice((0, 1, 2, 3, 5, 8)), *story.dice.choice(((0, 0), (0, 0), (6, 0), (5, 2))))
    for _ in range(12):
        story.syn(story.dice.randrange(5, 25))
        clients = list(range(story.clients))
        story.again(sorted(story.dice.sample(clients, story.clients // 2)), "A")
        story.again(sorted(story.dice.sample(clients, story.clients // 4)), "FA")
        story.churn((0, 1, 2, 3, 5, 8))
    return story.done()


def caches(sched, shrink=False, version=4):
    """
    lblc, lblcr: addresses keep their servers until those are gone or have too much to do. With
    `shrink`, every set that has not changed for a second loses a server at its address's next call.
    """
    story = Story(f"{sched} addresses{' shrink' * shrink}{' ip6' * (version == 6)}", sched, "", version, mark=True)
    for number in range(9):
        story.add(number, story.dice.choice((1, 2, 3, 6)))
    for _ in range(6 if shrink else 14):
        story.syn(30, [story.dice.randrange(12) for _ in range(30)])
        clients = list(range(story.clients))
        story.again(sorted(story.dice.sample(clients, story.clients * 2 // 3)), "A")
        story.syn(30, [story.dice.randrange(15) for _ in range(30)])
        story.again(sorted(story.dice.sample(clients, story.clients // 4)), "FA")
        story.churn((0, 1, 2, 3, 6), story.dice.choice(((0, 0), (0, 0), (12, 4))))
        if shrink:
            story.steps += [["sleep", 2], ["set", "lblcr_expiration", 1]]
            story.syn(15, story.dice.sample(range(15), 15))
            story.steps.append(["set", "lblcr_expiration", 86400])
    return story.done()


def wrr_edges():
    """All servers full, freed by higher thresholds; and one that outweighs all."""
    story = Story("wrr edges", "wrr")
    for number in range(6):
        story.add(number, (6, 4, 0, 2, 4, 0)[number], 3)
    for _ in range(3):
        story.syn(9)
        story.edit(*story.some(1), story.dice.choice((0, 2, 4)), 5)
    story.syn(12)
    story.add(6, 90)
    story.syn(60)
    for number in (0, 1, 3, 4):
        story.edit(number, 3, 9)
    story.syn(70)
    story.edit(6, 0)
    story.syn(30)
    return story.done()


def metamorphosis():
    """One service, one scheduler after another."""
    story = Story("metamorphosis", "rr")
    for number in range(7):
        story.add(number, number % 4)
    order = ["wrr", "mh", "sh", "dh", "mh", "rr", "sh", "wrr", "wlc", "mh", "rr"]
    for sched in order:
        story.syn(25)
        story.churn((0, 1, 2, 3))
        story.syn(25)
        story.steps.append(["sched", sched, ""])
    story.syn(25)
    return story.done()


def destinations(version):
    """dh, by destination address."""
    dh = Story(f"dh addresses{' ip6' * (version == 6)}", "dh", "", version, mark=True)
    for number in range(14):
        dh.add(number, number % 3)
    dh.syn(60, list(range(60)))
    dh.edit(3, 2)
    dh.drop(7)
    dh.syn(60, list(range(60)))
    return dh.done()


def stories():
    some, many = (0, 1, 1, 2, 3, 5), (1, 7, 40, 100, 1000, 30000, 65535)
    for sched in ("sh", "mh"):
        for flags in FALLBACKS[sched]:
            yield hashing(sched, flags, 4, some, 30)
            yield hashing(sched, flags, 6, some, 11)
        yield hashing(sched, FALLBACKS[sched][2], 4, some, 12, (9, 3))
        yield hashing(sched, "", 4, many, 25)
        yield hashing(sched, FALLBACKS[sched][2], 4, (0, 100, 300, 500), 250)
    for sched in ("rr", "wrr"):
        yield turns("some", sched, some, 20)
        yield turns("full", sched, (0, 1, 2, 4), 12, (4, 0))
        yield turns("hysteresis", sched, (0, 1, 2, 4, 6), 12, (5, 2))
        yield turns("many", sched, (0, 0, 0, 1, 2, 3, 10, 20, 64), 150, syns=200)
    yield turns("gcd", "wrr", (6, 9, 12, 30), 15)
    yield wrr_edges()
    for sched in ("lc", "wlc", "sed", "nq", "fo", "ovf"):
        yield loads(sched)
        yield turns("some", sched, some, 20, (7, 3))
    for sched in ("lblc", "lblcr"):
        yield caches(sched)
    yield caches("lblcr", shrink=True)
    yield destinations(4)
    yield metamorphosis()
    yield from others()


def others():
    """The same with the other family, and UDP."""
    some = (0, 1, 1, 2, 3, 5)
    for sched in ("sh", "mh"):
        for flags in FALLBACKS[sched]:
            yield hashing(sched, flags, 4, some, 17, udp=True)
        yield hashing(sched, FALLBACKS[sched][1], 6, some, 13, udp=True)
        yield hashing(sched, FALLBACKS[sched][2], 6, some, 12, (9, 3))
    for sched in ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf"):
        yield turns("some", sched, some, 20, (7, 3), version=6)
        yield turns("some", sched, some, 12, udp=True)
    for sched in ("lc", "wlc", "sed", "nq", "fo", "ovf"):
        yield loads(sched, 6)
    for sched in ("lblc", "lblcr"):
        yield caches(sched, version=6)
    yield caches("lblcr", True, 6)
    yield destinations(6)
