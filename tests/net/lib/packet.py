# SPDX-License-Identifier: GPL-2.0-or-later
"""IP packets as one line of text, both ways: craft() makes the bytes, describe() reads them.

    tcp 207.175.44.1:4000 > 207.175.44.110:80 S ttl 64
    udp 2001:db8:44::1:4000 > 2001:db8:44::110:53 ttl 64 len 4
    icmp 207.175.44.110 > 207.175.44.1 time-exceeded ttl 64 about tcp 207.175.44.1:4000 > ...

Words that may follow, in this order when described: the TCP flags (- for none), `ttl N`,
`len N` (bytes of payload, if any), `options HEX` (of the IPv4 header), and `badsum` when a
checksum is wrong (crafted so too). `call ID` crafts a SIP message of that call. ICMP's names are the same for both families; an error is crafted from
`about` and the packet that it quotes.
"""
import ipaddress
import struct

FLAGS = "FSRPAU"
ICMP = {4: {(0, 0): "echo-reply", (3, 1): "host-unreachable", (3, 3): "port-unreachable", (3, 4): "too-big",
            (8, 0): "echo", (11, 0): "time-exceeded"},
        6: {(1, 3): "host-unreachable", (1, 4): "port-unreachable", (2, 0): "too-big", (3, 0): "time-exceeded",
            (128, 0): "echo", (129, 0): "echo-reply"}}
PROTO = {"tcp": 6, "udp": 17, "icmp": {4: 1, 6: 58}}
NDP = range(130, 144)       # multicast listener and neighbour discovery


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(src, dst, proto, size):
    if src.version == 4:
        return src.packed + dst.packed + struct.pack("!BBH", 0, proto, size)
    return src.packed + dst.packed + struct.pack("!II", size, proto)


def split_port(text):
    address, port = text.rsplit(":", 1)
    return ipaddress.ip_address(address.strip("[]")), int(port)


def craft(text):
    text, _, about = text.partition(" about ")
    words = text.split()
    kind, dst_text = words[0], words[3]
    rest = words[4:]
    flags = rest.pop(0) if kind != "udp" else ""
    badsum = "badsum" in rest
    if badsum:
        rest.remove("badsum")
    more = dict(zip(rest[::2], rest[1::2]))
    payload = craft(about) if about else b"x" * int(more.get("len", 0))
    if "call" in more:
        payload = f"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: {more['call']}\r\n\r\n".encode()
    if kind == "icmp":
        src, dst = ipaddress.ip_address(words[1]), ipaddress.ip_address(dst_text)
        (number, code), = (key for key, name in ICMP[src.version].items() if name == flags)
        at, proto = 2, PROTO["icmp"][src.version]
        rest = struct.pack("!I", int(more["mtu"])) if "mtu" in more else struct.pack("!HH", 1, 1)
        body = struct.pack("!BBH", number, code, 0) + rest + payload
    else:
        (src, sport), (dst, dport) = split_port(words[1]), split_port(dst_text)
        proto = PROTO[kind]
        if kind == "tcp":
            bits = sum(1 << FLAGS.index(flag) for flag in flags if flag != "-")
            at, body = 16, struct.pack("!HHIIBBHHH", sport, dport, 1000, 2000, 5 << 4, bits, 64000, 0, 0) + payload
        else:
            at, body = 6, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    covered = body if proto == 1 else pseudo(src, dst, proto, len(body)) + body
    total = checksum(covered) ^ (0x5555 if badsum else 0)
    body = body[:at] + struct.pack("!H", total or 0xffff) + body[at + 2:]
    return header(src, dst, proto, body, more) + body


def header(src, dst, proto, body, more):
    ttl = int(more.get("ttl", 64))
    if src.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), proto, ttl) + src.packed + dst.packed
    options = bytes.fromhex(more.get("options", ""))
    size = 20 + len(options)
    start = struct.pack("!BBHHHBBH", 4 << 4 | size // 4, 0, size + len(body), 1, 0x4000, ttl, proto, 0)
    whole = start + src.packed + dst.packed + options
    return whole[:10] + struct.pack("!H", checksum(whole)) + whole[12:]


def describe(data):
    """None for what only keeps the link alive (neighbour discovery and the like)."""
    version = data[0] >> 4
    if version == 4:
        size, total = (data[0] & 15) * 4, struct.unpack("!H", data[2:4])[0]
        ttl, proto, options = data[8], data[9], data[20:size]
        src, dst = ipaddress.ip_address(data[12:16]), ipaddress.ip_address(data[16:20])
        good = checksum(data[:size]) == 0
    else:
        size, total = 40, 40 + struct.unpack("!H", data[4:6])[0]
        ttl, proto, options, good = data[7], data[6], b"", True
        src, dst = ipaddress.ip_address(data[8:24]), ipaddress.ip_address(data[24:40])
    body = data[size:total]
    whole = len(data) >= total
    if proto in (6, 17):
        text, length = describe_ports(src, dst, proto, body, total - size)
        tail = ""
        zero = proto == 17 and version == 4 and body[6:8] == b"\0\0"
        if whole and not zero:
            good = good and checksum(pseudo(src, dst, proto, len(body)) + body) == 0
    elif proto == PROTO["icmp"][version]:
        if version == 6 and body[0] in NDP:
            return None
        text, length, tail = describe_icmp(src, dst, version, body)
        if not text:
            return None
        if whole:
            good = good and checksum((b"" if version == 4 else pseudo(src, dst, proto, len(body))) + body) == 0
    elif proto in (0, 2):
        return None
    else:
        text, length, tail = f"ip-{proto} {src} > {dst}", len(body), ""
    text += f" ttl {ttl}"
    if length:
        text += f" len {length}"
    if options:
        text += f" options {options.hex()}"
    if not good:
        text += " badsum"
    return text + tail


def describe_ports(src, dst, proto, body, size):
    sport, dport = struct.unpack("!HH", body[:4])
    if proto == 17:
        return f"udp {src}:{sport} > {dst}:{dport}", size - 8
    if len(body) < 14:          # all that an ICMP error need quote
        return f"tcp {src}:{sport} > {dst}:{dport}", 0
    flags = "".join(flag for bit, flag in enumerate(FLAGS) if body[13] >> bit & 1) or "-"
    return f"tcp {src}:{sport} > {dst}:{dport} {flags}", size - (body[12] >> 4) * 4


def describe_icmp(src, dst, version, body):
    number, code, rest = body[0], body[1], struct.unpack("!HH", body[4:8])
    name = ICMP[version].get((number, code), f"type-{number}-{code}")
    if name.startswith("echo"):
        return f"icmp {src} > {dst} {name}", len(body) - 8, ""
    about = describe(body[8:])
    if not about:
        return None, 0, ""
    if name == "too-big":
        name += f" mtu {rest[1] if version == 4 else rest[0] << 16 | rest[1]}"
    return f"icmp {src} > {dst} {name}", 0, " about " + about
