# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds over the rows of a group, interleaved, with the reference measured between them.

The machine's speed drifts. A row's ratio is therefore taken against the two
measurements of the reference that stand around it, a second or so away; what
is reported is the median over the rounds. Rates by themselves say little.

Lanes that stand beside many others are slower by up to a sixth, and not all by
the same: each has tables and frames of its own, and caches and TLB are shared.
So rows are measured in small groups. What a row of the group is to be compared
with is measured there too, on a lane of that group (a guest, if it is at home in
another). The rounds are spread over passes, each of which makes every lane anew,
with the rows in another order.
"""

import random
import statistics
import sys

from .lab import Failed, Unavailable
from .rows import REFERENCE

STRIDE = 4	# rows between two measurements of the reference


class Lanes:
    """Every lane that the rows need, made when first asked for."""

    def __init__(self):
        self.made = {}
        self.refused = {}

    def get(self, kind):
        if kind in self.refused:
            raise Unavailable(self.refused[kind])
        if kind not in self.made:
            try:
                self.made[kind] = kind.make()
            except (Unavailable, Failed) as why:
                self.refused[kind] = str(why)
                raise Unavailable(str(why)) from why
        return self.made[kind]

    def close(self):
        for lane in self.made.values():
            lane.close()
        self.made = {}


class Result:
    """One row's figures: a value by round, and its ratio to the reference in that round."""

    def __init__(self, row):
        self.row = row
        self.values = []
        self.ratios = {}
        self.why_not = None
        self.group = {}		# the results that were measured beside this one, by row name

    def add(self, when, value, ratio):
        self.values.append(value)
        if ratio is not None:
            self.ratios[when] = ratio

    def median(self):
        return statistics.median(self.values) if self.values else None

    def ratio(self):
        return statistics.median(self.ratios.values()) if self.ratios else None

    def reached(self, goal):
        """How many times the goal's row: the median of the rounds' quotients; None without."""
        against = self.group.get(goal.against)
        both = self.ratios.keys() & against.ratios.keys() if against else ()
        return statistics.median(self.ratios[n] / against.ratios[n] for n in both) if both else None


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def prepare(rows, lanes, results):
    """Opens every row's flows; drops the rows that cannot be had."""
    ready = []
    for row in rows:
        say(f"preparing {row.name}")
        try:
            row.prepare(lanes.get(row.lane))
            ready.append(row)
        except (Unavailable, Failed) as why:
            results[row.name].why_not = str(why)
    return ready


def _one(row, lanes, seconds, result):
    try:
        return row.measure(lanes.get(row.lane), seconds)
    except Failed as why:
        result.why_not = str(why)
        return None


def _round(when, rows, reference, lanes, seconds, results):
    def measure_reference():
        value = _one(reference, lanes, seconds, results[REFERENCE])
        if value is None:
            raise Failed(results[REFERENCE].why_not)
        return value

    before = measure_reference()
    for start in range(0, len(rows), STRIDE):
        block = [(row, _one(row, lanes, seconds, results[row.name]))
                 for row in rows[start:start + STRIDE]]
        after = measure_reference()
        for row, value in block:
            if value is not None:
                results[row.name].add(when, value, value * 2 / (before + after))
        results[REFERENCE].add(when, after, 1.0)
        before = after


def _order(rows, number):
    """As they are listed, the other way round, and then as it comes, but the same in every run."""
    rows = list(rows)
    if number == 1:
        rows.reverse()
    elif number:
        random.Random(number).shuffle(rows)
    return sorted(rows, key=lambda row: row.name != REFERENCE)


def _pass(number, rows, rounds, seconds, results):
    lanes = Lanes()
    try:
        ready = prepare(_order(rows, number), lanes, results)
        reference = next((r for r in ready if r.name == REFERENCE), None)
        if not reference:
            raise Failed(f"no {REFERENCE}: {results[REFERENCE].why_not}")
        ready.remove(reference)
        for n in range(rounds):
            say(f"{rows[-1].name}: pass {number + 1}, round {n + 1} of {rounds}")
            _round((number, n), ready or [reference], reference, lanes, seconds, results)
    finally:
        say("")
        lanes.close()


def _with_guests(group, every):
    """The rows of the group, and before them the reference and all that their goals name."""
    names = {row.name for row in group}
    wanted = {REFERENCE, *(goal.against for row in group for goal in row.goals)} - names
    return [*(row for row in every if row.name in wanted), *group]


def _measure_group(group, every, passes, rounds, seconds):
    rows = _with_guests(group, every)
    results = {row.name: Result(row) for row in rows}
    for result in results.values():
        result.group = results
    for number in range(passes):
        _pass(number, rows, rounds, seconds, results)
    return results


def _measure_shares(shares, rounds, seconds):
    results = {row.name: Result(row) for row in shares}
    lanes = Lanes()
    try:
        for row in prepare(shares, lanes, results):
            for n in range(rounds):
                value = _one(row, lanes, seconds, results[row.name])
                if value is not None:
                    results[row.name].add(n, value, None)
    finally:
        lanes.close()
    return results


def measure(groups, every, shares, passes, rounds, seconds):
    """Results by row name, of `groups` of rows; `rounds` in each pass. `every` row may be a guest.

    The reference is measured in every group, and its figures are those of all of them.
    """
    reference = Result(next(row for row in every if row.name == REFERENCE))
    results = {REFERENCE: reference}
    for number, group in enumerate(groups):
        here = _measure_group(group, every, passes, rounds, seconds)
        for value in here[REFERENCE].values:
            reference.add((number, len(reference.values)), value, 1.0)
        results.update((row.name, here[row.name]) for row in group if row.name != REFERENCE)
    return {**results, **_measure_shares(shares, passes * rounds, seconds)}
