#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# seconds: 120
"""l3, out of a slave: straight to the wire while the host has nothing but routes, and through its stack from the
packet on that something there would look at: a rule of netfilter, another program, IPsec, a route by port."""
import os
import platform
import sys
import time

from ipvlan_lab import CLIENT, HOST, Lab, expect, version

HOOK = "table inet t {{ chain c {{ type filter hook {} priority 0; }}\n}}\n"
NETDEV = "table netdev t {{ chain c {{ type filter hook ingress device {} priority 0; }}\n}}\n"
COUNTERS = {4: ("/proc/net/snmp", "Ip", "ForwDatagrams"), 6: ("/proc/net/snmp6", "Ip6OutForwDatagrams", None)}


def forwarded(lab, family):
    """Packets that the host's stack has forwarded."""
    path, key, column = COUNTERS[family]
    lines = [line.split() for line in lab.run("host", ["cat", path])[1].splitlines()]
    if not column:
        return next(int(words[1]) for words in lines if words[0] == key)
    names, values = [words for words in lines if words[0] == key + ":"]
    return int(values[names.index(column)])


def crosses(lab, addr, options=""):
    """Does a ping out of the slave go through the host's stack? In l3 the answer never does."""
    before = forwarded(lab, version(addr))
    # What was a route a moment ago may be one for that tick of the kernel's clock.
    time.sleep(0.02)
    lab.run("s1", f"ping -q -c1 -W2 {options} {addr}")
    return forwarded(lab, version(addr)) > before


class Way:
    """What makes a packet go through the stack, as commands on the host, and what takes it away."""

    def __init__(self, what, on, off, families=(4, 6), loads=None):
        self.what, self.on, self.off, self.families, self.loads = what, on, off, families, loads

    def run(self, lab, command):
        if command.startswith("culvert "):
            return lab.culvert(command[len("culvert "):])
        return lab.run("host", command, stdin=self.loads)


def ways(end):
    nft_off = "nft delete table inet t"
    for hook in ("prerouting", "forward", "postrouting"):
        yield Way(f"netfilter's {hook}", "nft -f -", nft_off, loads=HOOK.format(hook))
    yield Way("netfilter's ingress of the host end", "nft -f -", "nft delete table netdev t", loads=NETDEV.format(end))
    yield Way("the load balancer's program at the host end", f"culvert attach {end} --mode tc", f"culvert detach {end}")
    yield Way("macvlan over the host end", f"ip link add m9 link {end} type macvlan", "ip link del m9")
    for family in (4, 6):
        rule = f"ip -{family} rule {{}} ipproto udp dport 53 lookup main"
        yield Way(f"an IPv{family} rule about ports", rule.format("add"), rule.format("del"), (family,))
        name = f"sysctl -qw net.ipv{family}.fib_multipath_hash_policy={{}}"
        yield Way(f"next hops chosen by port, IPv{family}", name.format(1), name.format(0), (family,))
    for way in ("out", "fwd"):
        policy = f"ip xfrm policy {{}} src 10.99.0.0/24 dst 10.99.1.0/24 dir {way}"
        yield Way(f"IPsec, {way}", policy.format("add"), policy.format("delete"))


def by_the_host(lab, end):
    for way in ways(end):
        for state, command in ((True, way.on), (False, way.off)):
            way.run(lab, command)
            for addr in CLIENT:
                if version(addr) in way.families:
                    expect(crosses(lab, addr), state, f"{way.what} {'on' if state else 'off'}: through the stack to {addr}")


def by_the_packet(lab):
    """Those that the stack has more to do for than to route them."""
    for addr, options in ((CLIENT[0], "-Q 0xb8"), (CLIENT[0], "-R"), (CLIENT[0], "-t 1"), (CLIENT[1], "-t 1")):
        expect(crosses(lab, addr, options), True, f"ping {options} {addr}")
    for addr in CLIENT:
        expect(crosses(lab, addr, "-s 1400"), False, f"1400 bytes to {addr}")
    # What does not fit the route is the stack's, to be cut or refused.
    for family, addr in ((4, CLIENT[0]), (6, CLIENT[1])):
        lab.ip("host", f"-{family} route add {addr} dev e0 mtu lock 1300")
        expect(crosses(lab, addr), False, f"a small packet to {addr}")
        if family == 4:
            expect(crosses(lab, addr, "-M dont -s 1400"), True, f"what may be cut to fit the route to {addr}")
        expect(lab.run("s1", f"ping -q -c1 -W1 -M do -s 1400 {addr}", check=False)[0], 1, f"what does not fit to {addr}")
        lab.ip("host", f"-{family} route del {addr} dev e0 mtu lock 1300")


def by_the_route(lab):
    """The host's routes are followed, and changes of them at once."""
    for family, addr, other in ((4, CLIENT[0], "10.0.0.77"), (6, CLIENT[1], "fd00::77")):
        lab.ip("host", f"-{family} route add unreachable {addr}")
        time.sleep(0.02)
        expect(lab.ping("s1", addr), False, f"{addr} when the host has no way to it")
        lab.ip("host", f"-{family} route del unreachable {addr}")
        time.sleep(0.02)
        expect(lab.ping("s1", addr), True, f"{addr} when it has one again")
        lab.ip("host", f"-{family} route add {addr} via {other} dev e0")
        time.sleep(0.02)
        expect(lab.ping("s1", addr), False, f"{addr} by way of a router that does not answer")
        lab.ip("host", f"-{family} route del {addr} via {other} dev e0")
        # Out of another device than the master: through the stack, as a hop.
        lab.ip("host", f"-{family} route add {addr} dev x9" + (" src " + HOST[0] if family == 4 else ""))
        time.sleep(0.02)
        expect(lab.ping("s1", addr), False, f"{addr} out of another device")
        lab.ip("host", f"-{family} route del {addr} dev x9")
        time.sleep(0.02)
        expect(lab.ping("s1", addr), True, f"{addr} by the master again")


def main():
    if not os.path.exists("/sys/kernel/btf/vmlinux") or \
       tuple(int(n) for n in platform.release().split(".")[:2]) < (6, 6) or "CULVERT_NO_TCX" in os.environ:
        print("this kernel does not tell what it has: all goes through the stack")
        sys.exit(77)
    with Lab() as lab:
        lab.wire()
        lab.slaves("l3")
        # Not a bridge: that has hooks of its own in prerouting.
        lab.ip("host", "link add x9 type veth peer name y9")
        lab.ip("host", "link set x9 up")
        lab.ip("host", "link set y9 up")
        end = next(line.split(": ")[1].split("@")[0] for line in lab.ip("host", "-o link")[1].splitlines()
                   if "cvslave" in line)
        for addr in CLIENT:
            expect(crosses(lab, addr), False, f"a bare host: through the stack to {addr}")
        by_the_host(lab, end)
        by_the_packet(lab)
        by_the_route(lab)
        lab.culvert(f"link -n {lab.ns('s1')} set i0 mode l3s")
        for addr in CLIENT:
            expect(crosses(lab, addr), True, f"l3s: through the stack to {addr}")


main()
