# SPDX-License-Identifier: GPL-2.0-or-later
"""The two load balancers under comparison, as one interface."""
import re
import shutil
import socket
import subprocess

SO_NETNS_COOKIE = 71
MODULES = ["ip_vs", "nf_conntrack", "nf_tables", "nft_ct", "nfnetlink_log", "nft_log", "fou", "ip_gre", "ip6_gre", "ipip", "sit"]
MODULES += ["ip_vs_" + name for name in "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf pe_sip".split()]


class Kernel:
    """The running kernel's IPVS."""

    name = "kernel"
    ipvsadm = ("ipvsadm",)

    def __init__(self, network):
        self.network = network

    def start(self):
        """Modules before there are namespaces: a later one may wait for an old namespace, whose end may wait for ever."""
        subprocess.run(["modprobe", "-a", *MODULES], check=True)

    def stop(self):
        pass

    def setting(self, name, value):
        self.network.sysctl(f"net.ipv4.vs.{name}", value)
        return 0, "", ""

    def run(self, line):
        return self.network.run([*self.ipvsadm, *line.split()])

    def restore(self, lines):
        return self.network.run([*self.ipvsadm, "-R"], "".join(line + "\n" for line in lines))

    def listing(self):
        """What a case compares: services with counts, with persistent counts, and connections."""
        services = self._rows("-Ln")
        persistent = self._rows("-Ln --persistent-conn")
        return {"services": services, "persistent": persistent, "connections": self._connections()}

    def _connections(self):
        """The kernel may leave a connection out, or list one twice, if its table changes meanwhile: what is said twice holds."""
        before, now = None, sorted(self._rows("-Lcn")[2:])
        for _ in range(4):
            if before and [row.split()[2:] for row in before] == [row.split()[2:] for row in now]:
                break
            before, now = now, sorted(self._rows("-Lcn")[2:])
        return now

    def tracked(self):
        """The host's conntrack, without its timers, use counts and zones; of UDP it takes two seconds to be assured."""
        with self.network, open("/proc/thread-self/net/nf_conntrack", encoding="ascii") as file:
            rows = [row.split() for row in file]
        return sorted(" ".join(word for at, word in enumerate(row) if at != 4 and not word.startswith(("use=", "zone")) and
                               not (word == "[ASSURED]" and "udp" in row)) for row in rows)

    def statistics(self):
        return self._rows("-Ln --stats --exact")

    def _rows(self, line):
        status, stdout, stderr = self.run(line)
        rows = [" ".join(row.split()) for row in stdout.splitlines()]
        return [re.sub(r"\(size=\d+\)", "(size)", row) for row in rows] + ([f"status {status}: {stderr}"] if status else [])


class Culvert(Kernel):
    """culvert on the director's devices."""

    name = "culvert"

    def __init__(self, network, program, mode):
        super().__init__(network)
        self.program, self.mode = program, mode
        self.ipvsadm = (program, "ipvsadm")

    def start(self):
        for device in ("e0", "e1", "e2"):
            status, _, error = self.network.run([self.program, "attach", device, "--mode", self.mode])
            if status:
                raise RuntimeError(f"culvert attach {device}: {error.strip()}")

    def stop(self):
        with self.network, socket.socket() as sock:
            cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), "little")
        shutil.rmtree(f"/run/culvert/{cookie}", ignore_errors=True)

    def setting(self, name, value):
        return self.network.run([self.program, "sysctl", f"net.ipv4.vs.{name}={value}"])
