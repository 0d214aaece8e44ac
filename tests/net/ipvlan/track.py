#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""culvert track: tenants' own addresses, the master's MAC address, MTU and carrier; killed, it costs nothing."""
import contextlib
import json
import os
import signal

from ipvlan_lab import Lab, expect, mac_of, within


def opened(child):
    with contextlib.suppress(FileNotFoundError):		# one that is being closed
        return {os.readlink(entry.path) for entry in os.scandir(f"/proc/{child.pid}/fd")}
    return set()


def follow(lab):
    # To its end, wherever the reader of the same file is; without a name, so that nothing stays.
    log = open(f"/tmp/{lab.prefix}track", "a+", encoding="ascii")
    os.unlink(log.name)
    child = lab.start("host", [lab.culvert_path, "track", "-j"], stdout=log)
    # It opens this last, when it has seen what there is.
    within(30, True, "track at work", lambda: "anon_inode:[signalfd]" in opened(child))
    return child, log


def events(log):
    log.seek(0)
    return [json.loads(line) for line in log.read().splitlines()]


def addresses(lab, log):
    """As with the kernel's driver: `ip addr add` inside is enough, and one address has one owner."""
    for name, addr in (("s1", "10.0.0.11/24"), ("s1", "fd00::11/64"), ("s2", "10.0.0.12/24")):
        lab.ip(name, f"addr add {addr} dev i0")
        plain = addr.split("/", maxsplit=1)[0]
        within(30, True, f"the client reaches {addr}", lambda: lab.ping("client", plain))
    lab.ip("s2", "addr add 10.0.0.11/24 dev i0")
    within(30, False, "another's address at s2", lambda: "10.0.0.11/" in lab.ip("s2", "addr show dev i0")[1])
    # It is told when it has been taken away.
    within(30, [("10.0.0.11/24", lab.ns("s2"))], "refusals told",
           lambda: [(e["address"], e["netns"]) for e in events(log) if e["event"] == "address-refused"])
    # Nor is the host's own one for a tenant to take, which the kernel's driver lets pass.
    for addr in ("10.0.0.1/24", "fd00::1/64"):
        lab.ip("s2", f"addr add {addr} dev i0 {'nodad' if ':' in addr else ''}")
        within(30, False, f"the host's {addr} at s2", lambda: f" {addr}" in lab.ip("s2", "addr show dev i0")[1])
        expect(lab.ping("client", addr.split("/", maxsplit=1)[0]), True, f"the host at {addr}")
    lab.ip("s1", "addr del 10.0.0.11/24 dev i0")
    within(30, False, "an address that was removed", lambda: "10.0.0.11" in lab.culvert("addr show")[1])
    lab.ip("s2", "addr add 10.0.0.11/24 dev i0")
    within(30, True, "the address with its new owner", lambda: lab.ping("client", "10.0.0.11"))
    lab.ip("s2", "addr del 10.0.0.11/24 dev i0")
    lab.ip("s1", "addr add 10.0.0.11/24 dev i0")
    within(30, True, "and back", lambda: lab.ping("client", "10.0.0.11"))


def master(lab):
    for name in ("02:00:00:00:00:77", "02:00:00:00:00:01"):
        lab.ip("host", f"link set e0 address {name}")
        for slave in ("s1", "s2"):
            within(30, name, "a slave's MAC address", lambda: mac_of(lab, slave, "i0"))
        lab.ip("client", "neigh flush all")
        expect(lab.ping("client", "10.0.0.11"), True, "after a change of MAC address")
    mtu = lambda: lab.ip("s1", "-o link show i0")[1].split(" mtu ")[1].split()[0]
    for size in ("1300", "1500"):
        lab.ip("host", f"link set e0 mtu {size}")
        within(30, size, "a slave's MTU", mtu)
    flags = lambda: lab.ip("s1", "-o link show i0")[1].split("<")[1].split(">")[0]
    lab.ip("client", "link set p0 down")
    within(30, True, "no carrier", lambda: "NO-CARRIER" in flags())
    lab.ip("client", "link set p0 up")
    within(30, True, "carrier", lambda: "LOWER_UP" in flags())
    # As recorded: a master that is set down leaves its slaves' carrier alone.
    lab.ip("host", "link set e0 down")
    lab.culvert("track --once")
    expect("LOWER_UP" in flags(), True, "carrier while the master is down")
    lab.ip("host", "link set e0 up")
    within(30, True, "after all that", lambda: lab.ping("client", "10.0.0.11"))


def without(lab):
    """Nobody follows; the data path itself learns the master's new MAC address."""
    lab.ip("host", "link set e0 address 02:00:00:00:00:88")
    lab.ip("client", "neigh flush all")
    expect(lab.ping("client", "10.0.0.1"), True, "the host at its new MAC address")
    within(30, True, "a slave that nobody told", lambda: lab.ping("s1", "10.0.0.2"))
    out = lab.ip("client", "neigh show 10.0.0.11")[1]
    expect("02:00:00:00:00:88" in out, True, f"the MAC address that the slave is known by ({out.strip()})")
    # An address that nobody told of is not the slave's yet; one run makes it so.
    lab.ip("s1", "addr add 10.0.0.31/24 dev i0")
    expect(lab.ping("client", "10.0.0.31"), False, "an address that nobody told of")
    lab.culvert("track --once")
    within(30, True, "an address after track --once", lambda: lab.ping("client", "10.0.0.31"))
    expect(mac_of(lab, "s1", "i0"), "02:00:00:00:00:88", "the MAC address after track --once")


def stop(child):
    """At a moment when it does not hold the lock."""
    def stopped_without():
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        with open("/proc/locks", encoding="ascii") as locks:
            if any(line.split()[1] == "FLOCK" and line.split()[4] == str(child.pid) for line in locks):
                child.send_signal(signal.SIGCONT)
                return False
        return True
    within(30, True, "track stopped without the lock", stopped_without)


def from_nothing(lab):
    """It is begun before the first slave, outlives the last one, and follows those that come then."""
    child, log = follow(lab)
    instance = f"/run/culvert/{lab.cookies[0]}"
    expect(os.path.exists(instance), False, "an instance, with nothing to follow")
    for turn in (1, 2, 3):
        if turn == 2:           # with the load balancer the instance stays, and has a new data path of ipvlan
            lab.culvert("ipvsadm -A -t 10.9.0.1:80")
        lab.add_slave("s1", "l2")
        lab.ip("s1", "addr add 10.0.0.11/24 dev i0")
        within(30, True, f"turn {turn}: the client reaches the address", lambda: lab.ping("client", "10.0.0.11"))
        if turn == 2:           # which it hears of too late
            stop(child)
        lab.culvert(f"link -n {lab.ns('s1')} del i0")
        expect(os.path.exists(instance), turn == 2, f"turn {turn}: an instance without slaves")
        if turn == 2:
            lab.add_slave("s1", "l2")
            lab.ip("s1", "addr add 10.0.0.12/24 dev i0")
            child.send_signal(signal.SIGCONT)
            within(30, True, "the new slave's address", lambda: lab.ping("client", "10.0.0.12"))
            lab.culvert(f"link -n {lab.ns('s1')} del i0")
            lab.culvert("detach --all")
        within(30, turn + (turn > 1), f"turn {turn}: slaves said to have gone",
               lambda: sum(e["event"] == "removed" for e in events(log)))
    child.terminate()
    expect(child.wait(), 0, "track's exit status")
    expect(os.path.exists(instance), False, "an instance afterwards")


def main():
    with Lab() as lab:
        lab.wire()
        from_nothing(lab)
        for name in ("s1", "s2"):
            lab.add_slave(name, "l2")
        child, log = follow(lab)
        addresses(lab, log)
        master(lab)
        child.send_signal(signal.SIGKILL)
        expect(child.wait(), -signal.SIGKILL, "track's end")
        expect(lab.exchange("icmp", "client", "10.0.0.11")["ok"], True, "traffic when track is killed")
        without(lab)
        # A new one takes over, and ends when it is told to.
        child, log2 = follow(lab)
        lab.ip("s2", "link del i0")
        within(30, True, "a slave that went", lambda: any(e["event"] == "removed" for e in events(log2)))
        lab.ip("host", "link del e0")
        within(30, False, "slaves without a master", lambda: "i0" in lab.ip("s1", "-o link")[1])
        child.terminate()
        expect(child.wait(), 0, "track's exit status")


main()
