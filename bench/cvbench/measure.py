# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds over all rows, interleaved, with the reference measured between them.

The machine's speed drifts. A row's ratio is therefore taken against the two
measurements of the reference that stand around it, a second or so away; what
is reported is the median over the rounds. Rates by themselves say little.

Where the kernel finds memory for a lane's tables makes up to a sixth when there are
many lanes. So the rounds are spread over passes, each of which makes every
lane anew, in another order.
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
    """One row's figures: one value a round, and its ratio to the reference in that round."""

    def __init__(self, row):
        self.row = row
        self.values = []
        self.ratios = []
        self.why_not = None

    def median(self):
        return statistics.median(self.values) if self.values else None

    def ratio(self):
        return statistics.median(self.ratios) if self.ratios else None


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


def _round(rows, reference, lanes, seconds, results):
    def measure_reference():
        return _one(reference, lanes, seconds, results[REFERENCE])

    before = measure_reference()
    for start in range(0, len(rows), STRIDE):
        block = [(row, _one(row, lanes, seconds, results[row.name]))
                 for row in rows[start:start + STRIDE]]
        after = measure_reference()
        if not before or not after:
            raise Failed(results[REFERENCE].why_not)
        for row, value in block:
            if value is not None:
                results[row.name].values.append(value)
                results[row.name].ratios.append(value * 2 / (before + after))
        results[REFERENCE].values.append(after)
        results[REFERENCE].ratios.append(1.0)
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
            say(f"pass {number + 1}, round {n + 1} of {rounds}")
            _round(ready, reference, lanes, seconds, results)
    finally:
        say("")
        lanes.close()


def _measure_shares(shares, rounds, seconds, results):
    lanes = Lanes()
    try:
        for row in prepare(shares, lanes, results):
            for _ in range(rounds):
                value = _one(row, lanes, seconds, results[row.name])
                if value is not None:
                    results[row.name].values.append(value)
    finally:
        lanes.close()


def measure(rows, shares, passes, rounds, seconds):
    """Returns the results by row name; `rounds` of each pass. The reference is always among them."""
    results = {row.name: Result(row) for row in (*rows, *shares)}
    for number in range(passes):
        _pass(number, rows, rounds, seconds, results)
    _measure_shares(shares, passes * rounds, seconds, results)
    return results
