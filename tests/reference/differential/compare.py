# SPDX-License-Identifier: GPL-2.0-or-later
"""What two records of one case say differently.

Not compared, because a kernel makes it up: IP identifiers of packets that the director
made (zero or not is compared), the source port of GUE, and of a timer as many seconds as
the slower side had taken so far.
"""
import frames

SLACK = 5       # seconds by which timers may differ besides


def normal(where, frame, number):
    """A frame of a step as comparable pairs. The step's own packets have the identifier 0x4000 + number (see play)."""
    out = []
    dissect = frames.dissect_packet if where == "host" else frames.dissect
    for name, value in dissect(bytes.fromhex(frame)):
        if name in ("id", "fragid") and value not in (0, 0x4000 + number):
            value = "made up"
        if name == "dport" and value == frames.GUE_PORT and out[-1][0] == "sport":
            out[-1] = "sport", "made up"
        out.append((name, value))
    return without_offload(out)


def without_offload(pairs):
    """The same packet without GUE's remote checksum offload, 8 bytes that say where the inner checksum is to be filled in."""
    gue = dict(reversed(pairs)).get("gue", "")
    if not (len(gue) == 24 and gue[4:16] == "000180000000"):
        return pairs
    out, less = [], {"len", "length"}
    for name, value in pairs:
        if name in less:
            less.remove(name)
            value -= 8
        out.append((name, "00" + gue[2:4] + "0000" if name == "gue" else "ok" if (name, value) == ("sum", "bad") else value))
    return out


def seconds(clock):
    minutes, _, rest = clock.partition(":")
    return int(minutes) * 60 + int(rest) if rest.isdigit() and minutes.isdigit() else 0


def connections(want, got, slack):
    """Rows of -Lcn: [(row of the one, row of the other)] where they differ by more than `slack` seconds."""
    def keyed(rows):
        out = {}
        for row in rows:
            fields = row.split()
            key = " ".join(fields[:1] + fields[2:])
            out.setdefault(key, []).append(seconds(fields[1]) if len(fields) > 1 else 0)
        return out

    left, right = keyed(want), keyed(got)
    out = []
    for key in sorted(set(left) | set(right)):
        ones, others = sorted(left.get(key, [])), sorted(right.get(key, []))
        if len(ones) == len(others) and all(abs(one - other) <= slack for one, other in zip(ones, others)):
            continue
        if len(ones) != len(others) and max(ones + others) <= slack:
            continue                            # about to expire: here already, there not yet
        out.append((f"{key} {ones}" if ones else "", f"{key} {others}" if others else ""))
    return out


def expiring(want, got, slack):
    """{server: how many of its connections one side may have ended already}: counts may differ by so many."""
    out = {}
    for row in {row.split(" ", 2)[2]: row for row in want + got}.values():
        fields = row.split()
        if len(fields) > 5 and seconds(fields[1]) <= slack:
            out[fields[5]] = out.get(fields[5], 0) + 1
    return out


def same_counts(one, other, ending):
    """Are two rows of a server alike, but for connections that end about now?"""
    left, right = one.split(), other.split()
    if left[:1] != ["->"] or len(left) != len(right) or left[:-2] != right[:-2]:
        return False
    address, _, port = left[1].rpartition(":")     # port 0: of any, and its connections have one
    some = sum(number for server, number in ending.items()
               if server == left[1] or (port == "0" and server.rpartition(":")[0] == address))
    return all(abs(int(a) - int(b)) <= some for a, b in zip(left[-2:], right[-2:]))


def said_back(case, record):
    """How many packets the director's host itself sent a client back at once: errors, and answers of local servers."""
    out = 0
    for (kind, *arguments), step in zip(case["steps"], record["steps"]):
        if kind == "client" and isinstance(step, list):
            source = frames.raw(case["flows"][arguments[0]]["source"])
            for where, text in step:
                if where not in ("hooks", "invalid"):
                    found = dict(reversed((frames.dissect_packet if where == "host" else frames.dissect)(bytes.fromhex(text))))
                    out += "dst" in found and frames.raw(found["dst"]) == source
    return out


def fewer_out(one, other, most):
    """Do two rows of -L --stats differ in outgoing packets alone, of which culvert has fewer, but by no more than that?"""
    left, right = one.split(), other.split()
    if len(left) != len(right) or len(left) < 6 or not all(word.isdigit() for word in left[-5:] + right[-5:]):
        return False
    same = left[:-3] == right[:-3] and left[-2] == right[-2]
    return same and 0 < int(left[-3]) - int(right[-3]) <= most and int(right[-1]) < int(left[-1])


def assembled(found):
    """Frames of a step, with IPv6 fragments that the host got put together (differences, "assembled")."""
    pieces = [bytes.fromhex(frame) for where, frame in found if where == "host"]
    packet = frames.joined(pieces)
    if not packet:
        return found
    crossed = f"prerouting {len(pieces)} input {len(pieces)}"
    return [("hooks", text.replace(crossed, "prerouting 1 input 1")) if where == "hooks" else (where, text)
            for where, text in found if where != "host"] + [("host", packet.hex())]


def packets(want, got, number):
    """[(what, value of the one, value of the other)] of the frames of a step, device by device.

    Of what conntrack calls invalid on both sides, "invalid" is said with what differs; what crosses
    no hook on one side it does not judge there.
    """
    out = []
    if not all(any(port == "hooks" for port, _ in side) for side in (want, got)):
        want, got = ([one for one in side if one[0] != "invalid"] for side in (want, got))
    invalid = "invalid " * all(any(port == "invalid" for port, _ in side) for side in (want, got))
    for port in sorted({port for port, _ in want + got}, key=str):
        if port in ("hooks", "invalid"):
            one, other = (" ".join(text for where, text in side if where == port) or "none" for side in (want, got))
            out += [(invalid * (port == "hooks") + port, one, other)] if one != other else []
            continue
        name = port if port == "host" else f"e{port}"
        left = [normal(port, frame, number) for where, frame in want if where == port]
        right = [normal(port, frame, number) for where, frame in got if where == port]
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else None
            other = right[index] if index < len(right) else None
            if one is None or other is None:
                out.append((f"{name} {invalid}packet", brief(one), brief(other)))
            elif one != other:
                out += fields(f"{name} ", one, other)
    return out


def fields(where, one, other):
    if [name for name, _ in one] != [name for name, _ in other]:
        return [(where + "shape", brief(one), brief(other))]
    return [(where + left[0], left[1], right[1]) for left, right in zip(one, other) if left != right]


def brief(pairs):
    """A packet in one line."""
    if pairs is None:
        return "nothing"
    return " ".join(f"{name}={value}" if not (name == "data" and len(value) > 24) else f"data={value[:24]}..({len(value) // 2})"
                    for name, value in pairs)


def tracked(want, got):
    """Rows of conntrack that only one of the sides has, apart by whether the other end is the one that the client sees."""
    out = []
    for left, right in ((want, got), (got, want)):
        left = list(left)
        for row in right:
            if row in left:
                left.remove(row)
        for row in left:
            ends = [word.partition("=")[2] for word in row.split() if word.startswith(("src=", "dst="))]
            name = "tracked host" if len(ends) == 4 and ends[1] == ends[2] else "tracked server"
            out.append((name, row, "") if right is got else (name, "", row))
    return out


def step(want, got, number, back=0):
    """The differences of one step; a side that broke down is one, whatever the other says. `back`: said_back()."""
    if any(isinstance(side, dict) and "broken" in side for side in (want, got)):
        return [("broken", want, got)]
    if isinstance(want, list) and isinstance(got, list):
        return packets(assembled(want), assembled(got), number)
    if not isinstance(want, dict) or not isinstance(got, dict):
        return [] if want == got else [("result", want, got)]
    out, ending = [], {}
    if "connections" in want:
        slack = SLACK + max(want["at"], got["at"])
        ending = expiring(want["connections"], got["connections"], slack)
    for name in want:
        if name == "at":
            continue
        if name == "connections":
            out += [("connections", *pair) for pair in connections(want[name], got[name], slack)]
        elif name == "tracked":
            out += tracked(want[name], got[name])
        elif isinstance(want[name], list):
            left, right = want[name], got[name]
            out += [("outgoing" if fewer_out(one, other, back) else name, one or "", other or "") for one, other in
                    zip(left + [""] * (len(right) - len(left)), right + [""] * (len(left) - len(right)))
                    if one != other and not same_counts(one, other, ending)]
        elif want[name] != got[name]:
            out.append((name, want[name], got[name]))
    return out


def left_sum(kind, *arguments):
    """Was the checksum of a step's packet left to the device?"""
    return kind in ("client", "server") and len(arguments) > 2 and "segment" in arguments[2]


def records(case, want, got):
    """[(step number, [difference])] of two records of a case, in order."""
    out, back = [], said_back(case, want)
    for number, (one, other) in enumerate(zip(want["steps"], got["steps"], strict=True)):
        found = step(one, other, number, back)
        if left_sum(*case["steps"][number]):
            found = [difference for difference in found if difference[0] != "host sum"]
        if found:
            out.append((number, found))
    return out
