# SPDX-License-Identifier: GPL-2.0-or-later
"""The two load balancers under comparison, as one interface."""
import re
import shutil
import socket

SO_NETNS_COOKIE = 71


class Kernel:
    """The running kernel's IPVS."""

    name = "kernel"
    ipvsadm = ("ipvsadm",)

    def __init__(self, network):
        self.network = network

    def start(self):
        pass

    def stop(self):
        pass

    def setting(self, name, value):
        self.network.sysctl(f"net.ipv4.vs.{name}", value)
        return 0, "", ""

    def run(self, line):
        return self.network.run([*self.ipvsadm, *line.split()])

    def listing(self):
        """What a case compares: services with counts, with persistent counts, and connections."""
        services = self._rows("-Ln")
        persistent = self._rows("-Ln --persistent-conn")
        return {"services": services, "persistent": persistent, "connections": sorted(self._rows("-Lcn")[2:])}

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
