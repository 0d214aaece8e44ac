# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as bytes: building what goes in, taking apart what comes out.

Builders return bytes with right checksums. dissect() turns a frame into a list of
(name, value) pairs from the outside in, down to the payload, with checksums judged
("ok", "bad", "none") instead of shown, so that two frames say the same exactly when
they would mean the same on a wire.
"""
import socket
import struct

TCP_FLAGS = "FSRPAUEC"
ICMP, TCP, UDP, IPV6, FRAGMENT, GRE, ESP, AH, ICMPV6, SCTP = 1, 6, 17, 41, 44, 47, 50, 51, 58, 132
GUE_PORT = 6080
SCTP_CHUNKS = {"INIT": 1, "INIT_ACK": 2, "DATA": 0, "SACK": 3, "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN_ACK": 8,
               "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14, "HEARTBEAT": 4,
               "HEARTBEAT_ACK": 5, "ECNE": 12, "CWR": 13, "AUTH": 15, "ASCONF": 0xc1}


# ------------------------------------------------------------------- addresses, sums

def raw(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def text(address):
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)


def mac(address):
    return bytes.fromhex(address.replace(":", ""))


def ones_sum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum(data):
    return ~ones_sum(data) & 0xffff


def pseudo(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!II", length, proto)


def crc32c(data):
    """SCTP's checksum, bit by bit: slow, and the packets are few."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# ------------------------------------------------------------------- building

def tcp(src, dst, sport, dport, flags="S", seq=1, ack=0, payload=b"", options=b""):
    bits = sum(1 << TCP_FLAGS.index(flag) for flag in flags)
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, (5 + len(options) // 4) << 4, bits, 64240, 0, 0)
    segment += options + payload
    total = checksum(pseudo(raw(src), raw(dst), TCP, len(segment)) + segment)
    return TCP, segment[:16] + struct.pack("!H", total) + segment[18:]


def udp(src, dst, sport, dport, payload=b"", summed=True):
    datagram = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    total = checksum(pseudo(raw(src), raw(dst), UDP, len(datagram)) + datagram) or 0xffff
    return UDP, datagram[:6] + struct.pack("!H", total if summed else 0) + datagram[8:]


def sctp(sport, dport, tag, *chunks):
    """Chunks are (type, flags, body)."""
    packet = struct.pack("!HHII", sport, dport, tag, 0)
    for kind, flags, body in chunks:
        packet += struct.pack("!BBH", kind, flags, 4 + len(body)) + body + b"\0" * (-len(body) % 4)
    return SCTP, packet[:8] + struct.pack("<I", crc32c(packet)) + packet[12:]


def icmp(src, dst, kind, code, rest=0, body=b""):
    """ICMP or, by the addresses, ICMPv6."""
    message = struct.pack("!BBHI", kind, code, 0, rest) + body
    if ":" in src:
        total = checksum(pseudo(raw(src), raw(dst), ICMPV6, len(message)) + message)
        return ICMPV6, message[:2] + struct.pack("!H", total) + message[4:]
    return ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def ip(src, dst, layer4, ttl=64, ident=0, df=True, tos=0, fragment=0):
    """A packet around (protocol, bytes). `fragment`: IPv4's flags and offset word less DF."""
    proto, data = layer4
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(data), proto, ttl) + raw(src) + raw(dst) + data
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(data), ident, (0x4000 if df else 0) | fragment, ttl, proto, 0)
    header += raw(src) + raw(dst)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + data


def fragments(src, dst, layer4, size, ident, ttl=64):
    """The packet cut into pieces of `size` bytes of data (a multiple of 8), in order."""
    proto, data = layer4
    pieces = [(at, data[at:at + size]) for at in range(0, len(data), size)]
    out = []
    for at, piece in pieces:
        more = at + len(piece) < len(data)
        if ":" in src:
            extension = struct.pack("!BBHI", proto, 0, at | more, ident)
            out.append(ip(src, dst, (FRAGMENT, extension + piece), ttl))
        else:
            out.append(ip(src, dst, (proto, piece), ttl, ident, False, fragment=at // 8 | more << 13))
    return out


def joined(pieces):
    """The IPv6 packet that these fragments make, in whatever order; None if they do not make one."""
    words = sorted((int.from_bytes(piece[42:44]), piece) for piece in pieces if piece[0] >> 4 == 6 and piece[6] == FRAGMENT)
    data = b""
    for word, piece in words:
        if word & 0xfff8 != len(data):
            return None
        data += piece[48:]
    if len(words) < 2 or len(words) != len(pieces) or words[-1][0] & 1:
        return None
    first = words[0][1]
    return first[:4] + struct.pack("!HB", len(data), first[40]) + first[7:40] + data


def ethernet(dmac, smac, packet):
    return mac(dmac) + mac(smac) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


# IPv4 options, 4 bytes or a multiple; IPv6 extension headers as (protocol number, bytes behind the next header's)
IP_OPTIONS = {"nop": b"\1\1\1\0", "record route": b"\7\x0b\4" + bytes(9), "timestamp": b"\x44\x0c\5\0" + bytes(8),
              "source route": b"\x83\7\4\xc0\xa8\7\x0c\0", "router alert": b"\x94\4\0\0", "wrong": b"\7\x28\4\0"}
EXTENSIONS = {"hop by hop": (0, b"\0\1\4\0\0\0\0"), "destination": (60, b"\0\1\4\0\0\0\0"),
              "routing": (43, b"\0\0\0\0\0\0\0"), "router alert": (0, b"\0\5\2\0\0\1\0")}


def with_options(packet, name):
    """The packet with an IPv4 option, or with an extension header behind IPv6's."""
    if packet[0] >> 4 == 6:
        kind, body = EXTENSIONS[name]
        header = packet[:4] + struct.pack("!HB", len(packet) - 40 + 8, kind) + packet[7:40]
        return header + packet[6:7] + body + packet[40:]
    options = IP_OPTIONS[name]
    header = struct.pack("!BBH", 0x45 + len(options) // 4, packet[1], len(packet) + len(options)) + packet[4:10] + b"\0\0"
    header += packet[12:20] + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + packet[20:]


def damaged(packet, how):
    """A packet that is not right: the "sum" of layer 4, or less than its "length" says."""
    start = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
    proto = packet[6 if packet[0] >> 4 == 6 else 9]
    if how == "sum" and proto in (TCP, UDP, SCTP):
        at = start + {TCP: 16, UDP: 6, SCTP: 8}[proto]
        return packet[:at] + bytes([packet[at] ^ 0x55]) + packet[at + 1:]
    if how == "length":
        return packet[:-4] if len(packet) > start + 12 else packet[:start + 2]
    return packet


# ------------------------------------------------------------------- taking apart

def dissect_packet(packet):
    """As dissect(), of an IP packet without a frame around it."""
    return _ip6(packet) if packet[:1] >= b"\x60" else _ip4(packet)


def dissect(frame):
    kind = int.from_bytes(frame[12:14])
    out = [("dmac", frame[:6].hex(":")), ("smac", frame[6:12].hex(":"))]
    if kind == 0x0800:
        return out + _ip4(frame[14:])
    if kind == 0x86dd:
        return out + _ip6(frame[14:])
    return out + [("ethertype", hex(kind)), ("data", frame[14:].hex())]


def _ip4(data, quoted=False):
    """`quoted`: inside an ICMP error, where a length need not be there and sums were not kept."""
    if len(data) < 20:
        return [("ip4", data.hex())]
    length = (data[0] & 15) * 4
    tos, total, ident, word, ttl, proto = struct.unpack("!xBHHHBBxx", data[:12])
    src, dst = data[12:16], data[16:20]
    body = data[length:] if quoted else data[length:total]
    out = [("ip", 4), ("src", text(src)), ("dst", text(dst)), ("ttl", ttl), ("proto", proto), ("len", total)]
    out += [("tos", tos)] * bool(tos) + [("id", ident), ("df", word >> 14 & 1)]
    if word & 0x3fff:
        out += [("mf", word >> 13 & 1), ("offset", (word & 0x1fff) * 8)]
    if length > 20:
        out.append(("options", data[20:length].hex()))
    out.append(("ipsum", "ok" if checksum(data[:length]) == 0 else "bad"))
    if len(data) > total and not quoted:
        out.append(("trailer", data[total:].hex()))
    return out + _layer4(proto, src, dst, body, bool(word & 0x3fff) or quoted, bool(word & 0x1fff))


def _ip6(data, quoted=False):
    if len(data) < 40:
        return [("ip6", data.hex())]
    first, length, proto, ttl = struct.unpack("!IHBB", data[:8])
    src, dst, body, part, later = data[8:24], data[24:40], data[40:], False, False
    out = [("ip", 6), ("src", text(src)), ("dst", text(dst)), ("ttl", ttl), ("proto", proto), ("len", length)]
    out += [("class", first >> 20 & 255)] * bool(first >> 20 & 255) + [("flow", first & 0xfffff)] * bool(first & 0xfffff)
    if not quoted and len(body) > length:
        out.append(("trailer", body[length:].hex()))
        body = body[:length]
    while proto in (0, 43, 60, FRAGMENT) and len(body) >= 8:
        if proto == FRAGMENT:
            word, ident = struct.unpack("!HI", body[2:8])
            out += [("offset", word & 0xfff8), ("mf", word & 1), ("fragid", ident)]
            part, later = True, word >= 8
            proto, body = body[0], body[8:]
        else:
            size = 8 * (body[1] + 1)
            out.append((f"extension{proto}", body[1:size].hex()))
            proto, body = body[0], body[size:]
        if later:
            break
    return out + _layer4(proto, src, dst, body, part or quoted, later)


def _layer4(proto, src, dst, body, part, later):
    """`part`: not all of it is here, so no sum can be judged; `later`: its header is not."""
    if later:
        return [("data", body.hex())]
    judge = lambda good: [] if part else [("sum", "ok" if good else "bad")]
    summed = lambda: ones_sum(pseudo(src, dst, proto, len(body)) + body) == 0xffff
    if proto == TCP and len(body) >= 20:
        sport, dport, seq, ack, size, bits, window = struct.unpack("!HHIIBBH", body[:16])
        size = (size >> 4) * 4
        flags = "".join(flag for at, flag in enumerate(TCP_FLAGS) if bits >> at & 1)
        return [("tcp", flags), ("sport", sport), ("dport", dport), ("seq", seq), ("ack", ack), ("window", window),
                *[("options", body[20:size].hex())] * (size > 20), *judge(summed()), ("data", body[size:].hex())]
    if proto == UDP and len(body) >= 8:
        sport, dport, length, total = struct.unpack("!HHHH", body[:8])
        if dport == GUE_PORT and not part:
            return [("udp", "gue"), ("sport", sport), ("dport", dport), ("length", length),
                    ("sum", "none" if not total else "ok" if summed() else "bad")] + _gue(body[8:])
        return [("udp", ""), ("sport", sport), ("dport", dport), ("length", length),
                *(judge(summed()) if total else [("sum", "none")]), ("data", body[8:].hex())]
    if proto == SCTP and len(body) >= 12:
        sport, dport, tag, total = struct.unpack("!HHII", body[:12])
        good = struct.pack("!I", total) == struct.pack("<I", crc32c(body[:8] + bytes(4) + body[12:]))
        return [("sctp", ""), ("sport", sport), ("dport", dport), ("tag", tag), *judge(good), ("data", body[12:].hex())]
    if proto in (ICMP, ICMPV6) and len(body) >= 8:
        return _icmp(proto, src, dst, body, judge)
    if proto in (4, IPV6):
        return [("tunnel", "ipip")] + (_ip4 if proto == 4 else _ip6)(body)
    if proto == GRE and len(body) >= 4:
        return _gre(body)
    return [("data", body.hex())]


def _icmp(proto, src, dst, body, judge):
    good = ones_sum(body) if proto == ICMP else ones_sum(pseudo(src, dst, proto, len(body)) + body)
    out = [("icmp", f"{body[0]}/{body[1]}"), *(("icmpsum", word) for _, word in judge(good == 0xffff)), ("rest", body[4:8].hex())]
    if proto == ICMP and body[0] in (3, 4, 5, 11, 12):
        return out + [("about", "")] + _ip4(body[8:], True)
    if proto == ICMPV6 and body[0] < 128:
        return out + [("about", "")] + _ip6(body[8:], True)
    return out + [("data", body[8:].hex())]


def _gre(body):
    flags, kind = struct.unpack("!HH", body[:4])
    size = 4 + 4 * bool(flags & 0x8000) + 4 * bool(flags & 0x2000) + 4 * bool(flags & 0x1000)
    total = "none" if not flags & 0x8000 else "ok" if ones_sum(body) == 0xffff else "bad"
    out = [("tunnel", "gre"), ("greflags", hex(flags)), ("gretype", hex(kind)), ("gresum", total)]
    return out + {0x0800: _ip4, 0x86dd: _ip6}.get(kind, lambda data: [("data", data.hex())])(body[size:])


def _gue(body):
    """Variant 0, or variant 1: an IP packet right behind the UDP header."""
    if body[0] >> 6 == 1:
        return [("tunnel", "gue1")] + (_ip4 if body[0] >> 4 == 4 else _ip6)(body)
    size = 4 + 4 * (body[0] & 31)
    out = [("tunnel", "gue"), ("gue", body[:size].hex())]
    return out + {4: _ip4, IPV6: _ip6}.get(body[1], lambda data: [("data", data.hex())])(body[size:])
