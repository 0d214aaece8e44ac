# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run leaves: a table on the terminal, JSON, a plot, and the page's tables."""

import json
import os
import re
import subprocess

from .lab import Failed
from .machine import sentence

BEGIN = "<!-- bench: begin, written by bench/run -->"
END = "<!-- bench: end -->"


def _goals(result):
    words = []
    for goal in result.row.goals:
        got = result.reached(goal)
        if got is not None:
            verdict = "met" if got >= goal.ratio else "short"
            words.append(f"{got:.2f} of {goal.against}, goal {goal.ratio:g}: {verdict}")
    return "; ".join(words)


def _share_text(result):
    return f"{100 * result.median():.1f} %" if result.values else "-"


def path_table(results, shares):
    """Rows of text: name, title, Mpps, ns a packet, ratio to bare XDP, goals."""
    table = [("row", "what", "Mpps", "ns", "of bare", "goals")]
    for result in results.values():
        row = result.row
        if result.median() is None:
            table.append((row.name, row.title, "-", "-", "-",
                          f"not available: {result.why_not}"))
        elif row in shares:
            verdict = "met" if result.median() >= row.least else "short"
            table.append((row.name, row.title, _share_text(result), "", "",
                          f"goal {100 * row.least:g} %: {verdict}"))
        else:
            table.append((row.name, row.title, f"{result.median():.2f}",
                          f"{1e3 / result.median():.0f}", f"{result.ratio():.2f}",
                          _goals(result)))
    return table


def _amount(value, unit):
    if value is None:
        return ""
    if unit == "connections":
        return f"{value:,.0f}"
    if unit != "s":
        return f"{value:.{1 if unit == 'bytes' else 2}f} {unit}"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def control_table(timings):
    table = [("row", "what", "measured", "goal", "")]
    for t in timings:
        if t.median() is None:
            table.append((t.name, t.title, "-", _amount(t.limit, t.unit),
                          f"not available: {t.why_not}"))
        else:
            table.append((t.name, t.title, _amount(t.median(), t.unit),
                          _amount(t.limit, t.unit), t.verdict()))
    return table


def text(table):
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip()
                     for line in table)


def markdown(table):
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_json(machine, results, timings, profile, how):
    return {
        "machine": machine,
        "how": how,
        "rows": {
            name: {"title": r.row.title, "median": r.median(), "ratio": r.ratio(),
                   "values": r.values, "ratios": list(r.ratios.values()),
                   "not_available": r.why_not,
                   "goals": [{"against": g.against, "ratio": g.ratio,
                              "reached": r.reached(g)} for g in r.row.goals]}
            for name, r in results.items()},
        "control": {
            t.name: {"title": t.title, "median": t.median(), "limit": t.limit,
                     "unit": t.unit, "values": t.values, "not_available": t.why_not}
            for t in timings},
        "profile": profile.as_json(),
    }


def write_json(path, data):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


_PLOT = """
set terminal svg noenhanced size 900,{height} font "sans,12" background "white"
set output "{path}"
set style fill solid 1.0 noborder
set boxwidth 0.7
set xrange [0:*]
set yrange [{top}:-0.6] noreverse
set xlabel "million packets a second, end to end"
set grid xtics lc rgb "#dddddd"
set border 1
set ytics nomirror scale 0
set xtics nomirror
set lmargin 42
unset key
$rows << END
{data}
END
plot $rows using ($2/2):0:($2/2):(0.35):3:ytic(1) with boxxyerror lc rgb variable, \\
     $rows using 2:0:4 with labels left offset 0.5,0
"""


def _colour(name):
    for start, colour in (("bare", 0x9E9E9E), ("yard", 0xE0A458), ("forward", 0x8DA0CB),
                          ("nft", 0x8DA0CB)):
        if name.startswith(start):
            return colour
    return 0x2A7F62


def plot(path, results, shares):
    """Bars, by gnuplot, as SVG."""
    rows = [r for r in results.values() if r.values and r.row not in shares]
    data = "\n".join(f'"{r.row.title}" {r.median():.3f} {_colour(r.row.name)} '
                     f'"{r.median():.2f}"' for r in rows)
    script = _PLOT.format(path=path, data=data, top=len(rows) - 0.4,
                          height=90 + 24 * len(rows))
    try:
        done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True,
                              check=False)
    except OSError as why:
        raise Failed("no gnuplot: tools/install-deps bench") from why
    if done.returncode:
        raise Failed(f"gnuplot: {done.stderr.strip().splitlines()[0]}")


PROFILE = """\
Nanoseconds of each step, by `BPF_PROG_TEST_RUN` with flows that vary (`pump stages`): the
program's own time, without the path around it. *tag* is how the straight way finds a busy
connection, *lookup* how the long way finds any; *service* and *schedule* are a first
packet's; *whole* is the loaded program with packets of live flows. {counters}"""

SCHEDULERS = "The same of *schedule*, by scheduler, among 1,000 servers:"

NO_COUNTERS = "This machine has no counters of instructions and cache misses to show beside them."


def profile_part(machine, profile):
    if profile.why_not or not profile.by_flows:
        return f"No profile: {profile.why_not or 'not asked for'}."
    return "\n\n".join((PROFILE.format(counters="" if machine["counters"] else NO_COUNTERS).strip(),
                        markdown(profile.flows_table()), SCHEDULERS,
                        markdown(profile.schedulers_table())))


def write_page(path, machine, results, shares, timings, profile, how):
    """Replaces what stands between the markers of docs/performance.md."""
    with open(path, encoding="utf-8") as f:
        page = f.read()
    new = "\n\n".join((BEGIN, f"Measured on {sentence(machine)}: {how}.",
                       markdown(path_table(results, shares)),
                       "![rates of all rows](performance.svg)",
                       markdown(control_table(timings)), profile_part(machine, profile), END))
    replaced, n = re.subn(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: new, page,
                          flags=re.DOTALL)
    if n != 1:
        raise Failed(f"{os.path.basename(path)} has no place for the figures")
    with open(path, "w", encoding="utf-8") as f:
        f.write(replaced)
