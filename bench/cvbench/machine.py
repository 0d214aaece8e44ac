# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures were measured on, in words that name no path and no host."""

import os
import platform
import re
import subprocess


def _first(path, pattern):
    with open(path, encoding="utf-8") as f:
        found = re.search(pattern, f.read(), re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def _version(*command):
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return "absent"
    return (said.splitlines() or ["unknown"])[0].strip()


def _culvert_commit():
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return _version("git", "-C", top, "describe", "--always", "--dirty")


def _has_counters():
    """Can perf count cycles here? Most virtual machines have no such counters."""
    try:
        said = subprocess.run(["perf", "stat", "-e", "cycles", "true"], capture_output=True,
                              text=True, check=False)
    except OSError:
        return False
    return said.returncode == 0 and "not supported" not in said.stderr


def describe():
    hypervisor = "hypervisor" in _first("/proc/cpuinfo", r"^flags\s*:(.*)$").split()
    memory = int(_first("/proc/meminfo", r"^MemTotal:\s*(\d+)")) / 2**20
    return {
        "cpu": _first("/proc/cpuinfo", r"^model name\s*:(.*)$"),
        "cpu_mhz": float(_first("/proc/cpuinfo", r"^cpu MHz\s*:(.*)$")),
        "cpus": os.cpu_count(),
        "virtual": hypervisor,
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "nftables": _version("nft", "--version"),
        "clang": _version("clang", "--version"),
        "culvert": _culvert_commit(),
        "counters": _has_counters(),
        "load": os.getloadavg()[2],
    }


def sentence(m):
    where = "a virtual machine" if m["virtual"] else "a machine"
    return (f"{m['cpu']}, {m['cpus']} CPUs of {where}, {m['memory_gib']} GiB, "
            f"Linux {m['kernel']} {m['architecture']}, {m['nftables']}, {m['clang']}, "
            f"culvert {m['culvert']}; load average {m['load']:.1f}")
