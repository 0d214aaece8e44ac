# SPDX-License-Identifier: GPL-2.0-or-later
"""What the director's netfilter sees of a case: the hooks that packets cross, and what reaches the host.

Rules copy packets to groups of NFLOG, whose messages name the hook: one before IPVS has
had its say, one after it, at the end of LOCAL_IN, and one of what conntrack calls invalid,
where it is asked. The user's marks are rules here too.
"""
import socket
import struct

# Groups: a packet at a hook; a packet that the host itself gets; a packet that conntrack makes nothing of.
CROSSED, RECEIVED, INVALID = 1, 2, 3
HOOKS = "prerouting", "input", "forward", "output", "postrouting"
NETLINK_NETFILTER, NLMSG_ERROR = 12, 2
NFNL_SUBSYS_ULOG, MSG_PACKET, MSG_CONFIG = 4, 0, 1
COPY_META, COPY_PACKET = 1, 2
NFULA_PACKET_HDR, NFULA_PAYLOAD = 1, 9
NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_QTHRESH = 1, 2, 5
# Neighbour discovery, redirects and multicast reports come when they come.
QUIET = "icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } return"


def rules(marks, conntrack=False):
    """An nft file. `marks`: [(version, protocol, address, port, mark)]."""
    lines = ["table inet seen {"]
    for hook in HOOKS:
        lines += [f"chain {hook} {{", f"type filter hook {hook} priority -200",
                  "ct state new" * conntrack, QUIET, f"log group {CROSSED}", "}"]
    lines += ["chain received {", "type filter hook input priority 300", QUIET, f"log group {RECEIVED}", "}"]
    if conntrack:
        lines += ["chain invalid {", "type filter hook prerouting priority -190", QUIET,
                  f"ct state invalid log group {INVALID}", "}"]
    for hook, kind in (("prerouting", "filter"), ("output", "route")):
        lines += [f"chain mark_{hook} {{", f"type {kind} hook {hook} priority -150"]
        lines += [f"{'ip6' if version == 6 else 'ip'} daddr {address} {proto} dport {port} meta mark set {mark}"
                  for version, proto, address, port, mark in marks]
        lines.append("}")
    return "\n".join(line for line in lines if line) + "\n}\n"


def _attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


class Watch:
    """The groups of one namespace."""

    def __init__(self, network, marks, conntrack=False):
        status, _, error = network.run(["nft", "-f", "-"], rules(marks, conntrack))
        if status:
            raise RuntimeError(error)
        with network:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._bind(CROSSED, COPY_META, 0)
        self._bind(INVALID, COPY_META, 0)
        self._bind(RECEIVED, COPY_PACKET, 65535)
        self.sock.setblocking(False)

    def _bind(self, group, mode, size):
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, group) + _attribute(NFULA_CFG_CMD, b"\1")
        body += _attribute(NFULA_CFG_MODE, struct.pack("!IBx", size, mode))
        body += _attribute(NFULA_CFG_QTHRESH, struct.pack("!I", 1))
        kind, request_and_ack = NFNL_SUBSYS_ULOG << 8 | MSG_CONFIG, 5
        self.sock.send(struct.pack("=IHHII", 16 + len(body), kind, request_and_ack, 0, 0) + body)
        error = struct.unpack("=i", self.sock.recv(4096)[16:20])[0]
        if error:
            raise OSError(-error, "NFLOG")

    def fileno(self):
        return self.sock.fileno()

    def read(self):
        """[("hook", name)], [("host", packet)] and [("invalid", "")] of the messages that are there, in order."""
        out = []
        try:
            while True:
                data = self.sock.recv(1 << 17)
                while len(data) >= 16:
                    length, kind = struct.unpack("=IH", data[:6])
                    if kind == NFNL_SUBSYS_ULOG << 8 | MSG_PACKET:
                        out.append(self._packet(data[16:length]))
                    data = data[(length + 3) & ~3:]
        except BlockingIOError:
            return out

    @staticmethod
    def _packet(data):
        group, found = struct.unpack("!H", data[2:4])[0], {}
        data = data[4:]
        while len(data) >= 4:
            length, kind = struct.unpack("=HH", data[:4])
            found[kind] = data[4:length]
            data = data[(length + 3) & ~3:]
        if group == INVALID:
            return "invalid", b""
        if group == CROSSED:
            return "hook", HOOKS[found[NFULA_PACKET_HDR][2]]
        return "host", found.get(NFULA_PAYLOAD, b"")

    def close(self):
        self.sock.close()
