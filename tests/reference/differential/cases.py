# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases made from a seed: a configuration of a director and a sequence of packets and changes.

A case is a dict, fit for JSON:
    name, version (4 or 6), features
    mtu        {port of the director: bytes} where it is not 1500
    marks      [[version, protocol, address, port, mark]] that the director's firewall sets
    flows      [{proto, source, sport, destination, dport, local}], referred to by index; local: the director's own
    times      [seconds]: when a step may end at the earliest; not needed
    steps      [[kind, argument...]]: the step_* methods of play say which kinds there are
Every choice comes from the seed and the set of features, so that a case can be made again.
"""
import random

import frames
import wire

# Features by themselves, and by names for groups of them.
FEATURES = {
    "v4", "v6", "tcp", "udp", "sctp", "ipsec",
    "dr", "nat", "ipip", "gue", "gre", "mixed",         # methods; mixed: a tunnel to the other family
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "flags",
    "weights", "quiesce", "leave", "services",          # changes: weights, weight 0, servers, services
    "stray", "ttl", "size", "fragments", "options", "damaged", "partial", "errors", "echo",
    "persistent", "onepacket", "threshold", "local", "own", "router", "fwmark", "settings", "statistics", "time",
    "conntrack",
}
GROUPS = {
    "first": "v4 v6 tcp udp dr rr wrr lc wlc weights leave stray ttl size echo router statistics".split(),
    "schedulers": "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf flags".split(),
    "methods": "dr nat ipip gue gre mixed".split(),
    "changes": "weights quiesce leave services".split(),
    "plain": "tcp udp rr wrr wlc weights leave stray statistics router".split(),
    "all": sorted(FEATURES - {"conntrack"}),
}
# What is compared, by name; each with IPv4 and with IPv6.
CONFIGURATIONS = {
    "dr": "plain,dr,ttl,size,echo",
    "nat": "plain,nat,ttl,size,echo",
    "ipip": "plain,ipip,ttl,size",
    "gue": "plain,gue,ttl,size",
    "gre": "plain,gre,ttl,size",
    "mixed": "plain,ipip,gue,gre,mixed,ttl,size,errors",
    "methods": "plain,methods,ttl,size,errors,echo",
    "schedulers": "tcp,udp,schedulers,dr,nat,changes",
    "persistence": "plain,methods,persistent,quiesce,services,schedulers",
    "onepacket": "plain,-tcp,methods,onepacket,persistent,schedulers",
    "thresholds": "plain,dr,nat,threshold,quiesce,schedulers",
    "quiesce": "plain,dr,nat,quiesce,persistent,settings",
    "fwmark": "plain,methods,fwmark,persistent,onepacket",
    "local": "plain,dr,nat,ipip,local,echo",
    "own": "plain,dr,nat,own",
    "settings": "plain,methods,settings,persistent,quiesce,errors,echo",
    "errors": "plain,methods,errors,echo",
    "fragments": "plain,methods,fragments",
    "options": "plain,methods,options,ttl,errors",
    "damaged": "plain,methods,damaged",
    "partial": "plain,methods,partial,size",
    "sctp": "plain,-tcp,-udp,sctp,methods,persistent",
    "ipsec": "plain,-tcp,udp,ipsec,methods",
    "time": "plain,dr,nat,ipip,persistent,time",
    "conntrack": "plain,dr,nat,conntrack,fwmark,errors",
    "tracked-parts": "plain,nat,conntrack,fragments",
    "tracked-sctp": "plain,-tcp,-udp,-leave,sctp,nat,conntrack,fragments,errors",
    "all": "all",
}
METHODS = {"dr": "-g", "nat": "-m", "ipip": "-i", "gue": "-i --tun-type gue --tun-port 6080", "gre": "-i --tun-type gre"}
TUNNEL_SUMS = {"gue": ("", " --tun-nocsum", " --tun-csum", " --tun-remcsum"), "gre": ("", " --tun-csum"), "ipip": ("",)}
SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf".split()
SCHED_FLAGS = {"sh": ("sh-fallback", "sh-port", "sh-port,sh-fallback"), "mh": ("mh-fallback", "mh-port", "mh-port,mh-fallback")}
SETTINGS = {"sloppy_tcp": (0, 1), "sloppy_sctp": (0, 1), "conn_reuse_mode": (0, 1, 2), "expire_nodest_conn": (0, 1),
            "expire_quiescent_template": (0, 1), "nat_icmp_send": (0, 1), "pmtu_disc": (0, 1), "schedule_icmp": (0, 1),
            "secure_tcp": (0, 3), "ignore_tunneled": (0, 1), "cache_bypass": (0, 1), "snat_reroute": (0, 1)}
LETTER = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}


def parse_features(words):
    """{feature} of a list like "first,+nat,-size"; a group or feature with - is taken off."""
    out = set()
    for word in words.replace(",", " ").split():
        name = word.lstrip("+-")
        some = set(GROUPS.get(name, [name]))
        if some - FEATURES:
            raise ValueError(f"no feature or group called {name}: there are {', '.join(sorted(FEATURES | set(GROUPS)))}")
        out = out - some if word.startswith("-") else out | some
    return out


class Server:
    def __init__(self, address, port, method, weight, more):
        self.address, self.port, self.method, self.weight, self.more, self.there = address, port, method, weight, more, True

    def at(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def line(self, command, service):
        return f"-{command} {service} -r {self.at()} {self.method} -w {self.weight}{self.more}"


class Service:
    """`name` for ipvsadm; `reach`: where packets for it go, (proto, destination, port)."""

    def __init__(self, name, sched, more, reach, servers):
        self.name, self.sched, self.more, self.reach, self.servers = name, sched, more, reach, servers

    def line(self, command):
        return f"-{command} {self.name} -s {self.sched}{self.more}"


class Maker:
    def __init__(self, seed, features, length=150):
        self.random, self.features, self.length = random.Random(seed), features, length
        self.version = self.pick([version for version in (4, 6) if f"v{version}" in features] or [4])
        self.flows, self.steps, self.alive, self.port = [], [], [], 20000 + self.random.randrange(10000)
        self.services, self.marks, self.ended, self.associated = [], [], set(), {}
        if "sctp" in features:          # whose timers run for 4 s: cases of their own, and short
            others = features & {"tcp", "udp"}
            if not others or self.random.random() < 0.25:
                self.features, self.length = features - {"tcp", "udp", "time"}, min(length, 40)
            else:
                self.features = features - {"sctp"}

    def pick(self, some):
        return self.random.choice(list(some))

    def has(self, *names):
        return [name for name in names if name in self.features]

    def chance(self, probability, *features):
        """True with this probability if the features are all wanted."""
        return self.random.random() < probability and len(self.has(*features)) == len(features)

    # ---- the configuration

    def make(self, name):
        if "conntrack" in self.features:
            self.steps.append(["setting", "conntrack", 1])
        for _ in range(self.chance(0.8, "settings") + self.chance(0.3, "settings")):
            self.odd_settings()
        mtu = {1: self.pick((1400, 1300))} if self.chance(0.5, "size") else {}
        for number in range(self.random.randint(1, 3)):
            self.add_service(number)
        self.steps = [step for step in self.steps if step[0] != "ipvsadm"] + [
            ["restore", [line for kind, line, *_ in self.steps if kind == "ipvsadm"]]]
        while len(self.steps) < self.length:
            self.step()
            if self.random.random() < 0.04:
                self.steps.append(["list"])
        self.steps.append(["list"])
        if self.chance(0.25, "statistics") and not (self.has("sctp") and self.recounts()):
            self.steps.append(["statistics"])
        return {"name": name, "version": self.version, "features": sorted(self.features), "mtu": mtu,
                "marks": self.marks, "flows": self.flows, "steps": self.steps}

    def recounts(self):
        """Would counts have to be read before a change, too (play)? That takes seconds."""
        return any(step[0] == "ipvsadm" and step[1][:2] in ("-d", "-D") for step in self.steps)

    def add_service(self, number):
        proto = self.pick(self.has("tcp", "udp", "sctp") or ["tcp"])
        vip, port = wire.address(self.version, 0, self.pick(wire.VIPS[:2])), self.pick((53, 80, 443)) + number * 1000
        more = ""
        if self.chance(0.4, "persistent"):
            more += f" -p {self.pick((60, 300))}"
            if self.chance(0.4):
                more += " -M " + (self.pick(("255.255.255.0", "255.255.0.0")) if self.version == 4 else self.pick(("64", "48")))
            if self.chance(0.3):
                port = 0
        if proto == "udp" and port and self.chance(0.4, "onepacket"):
            more += " -o"
        if proto == "udp" and self.chance(0.7, "ipsec"):
            port = 500                      # AH and ESP follow the connection of their key exchange
        at = f"[{vip}]:{port}" if self.version == 6 else f"{vip}:{port}"
        name, reach = f"{LETTER[proto]} {at}", [(proto, vip, port)]
        if self.chance(0.7, "fwmark"):
            name, reach, port = self.mark(number)
        if name in [service.name for service in self.services]:
            return
        service = Service(name, self.scheduler(), more, reach, self.make_servers(port, {kind for kind, *_ in reach}))
        self.services.append(service)
        self.set_up(service)

    def mark(self, number):
        """A service by mark: its name, what has the mark, its port."""
        mark = 10 + number
        reach = sorted({(self.pick(self.has("tcp", "udp") or ["tcp"]), wire.address(self.version, 0, self.pick(wire.VIPS[2:])),
                         self.pick((53, 80, 443)) + number * 1000) for _ in range(self.random.randint(1, 3))})
        self.marks += [[self.version, *one, mark] for one in reach]
        return f"-f {mark}" + " -6" * (self.version == 6), reach, 0

    def scheduler(self):
        sched = self.pick(self.has(*SCHEDULERS) or ["rr"])
        return f"{sched} -b {self.pick(SCHED_FLAGS[sched])}" if sched in SCHED_FLAGS and self.chance(0.6, "flags") else sched

    def set_up(self, service):
        self.steps.append(["ipvsadm", service.line("A")])
        self.steps += [["ipvsadm", server.line("a", service.name)] for server in service.servers if server.there]

    def make_servers(self, port, protos):
        out = {}
        method = self.pick(self.has("dr", "nat", "ipip", "gue", "gre") or ["dr"])
        for _ in range(self.random.randint(1, 5)):
            if self.chance(0.2):        # several methods in one service
                method = self.pick(self.has("dr", "nat", "ipip", "gue", "gre") or ["dr"])
            version = self.version
            if method in TUNNEL_SUMS and self.chance(0.3, "mixed"):
                version = 10 - version
            address = self.server_address(version, method, method == "nat" or protos == {"udp"})
            more = self.pick(TUNNEL_SUMS.get(method, ("",)))
            if self.chance(0.4, "threshold"):
                more += self.pick((" -x 2", " -x 4", " -x 6 -y 2", " -x 3 -y 3"))
            to = self.pick((port, 8080)) if method == "nat" and port and port != 500 else port
            out[address, to] = Server(address, to, METHODS[method], self.pick((1, 1, 1, 2, 3, 5, 0, 100)), more)
        return list(out.values())

    def server_address(self, version, method, may_be_local):
        if may_be_local and self.chance(0.3, "local"):
            return self.pick((wire.address(version, 1, 1), "127.0.0.1" if version == 4 else "::1"))
        if method != "dr" and self.chance(0.2, "router"):
            return ("192.168.9." if version == 4 else "fd09::") + self.pick(("11", "12"))
        if self.chance(0.1, "router"):
            return wire.address(version, 0, self.pick((21, 22)))        # on the clients' side
        if self.chance(0.2, "router"):
            return wire.address(version, 2, self.random.randint(11, 14))
        return wire.address(version, 1, self.random.randint(11, 18))

    # ---- the steps

    def step(self):
        change = self.has("weights", "quiesce", "leave", "services")
        odd = self.has("stray", "errors", "echo", "time", "settings")
        kind = self.random.choices(("new", "go on", "change", "odd"), (30, 60, 6 * bool(change), 6 * bool(odd)))[0]
        if kind == "change":
            getattr(self, "change_" + self.pick(change))()
        elif kind == "odd":
            getattr(self, "odd_" + self.pick(odd))()
        elif kind == "new" or not self.alive:
            self.open(self.pick(self.services))
        else:
            self.go_on(self.pick(self.alive))

    def source(self):
        if self.chance(0.6):
            return wire.address(self.version, 0, 2)
        low, high = self.random.randrange(8), self.random.randint(1, 250)
        return f"172.16.{low}.{high}" if self.version == 4 else f"2001:db8:{low}::{high:x}"

    def add_flow(self, proto, destination, dport):
        self.port += self.random.randint(1, 40)
        one = {"proto": proto, "source": self.source(), "sport": self.port, "destination": destination,
               "dport": dport or self.pick((21, 80, 8081))}
        if dport == 500:
            one["sport"] = 500
        if self.chance(0.5, "own"):
            one.update(local=True, source=self.pick((wire.address(self.version, 0, 1), wire.address(self.version, 1, 1),
                                                     destination)))
        self.flows.append(one)
        return len(self.flows) - 1

    def open(self, service):
        proto, destination, dport = self.pick(service.reach)
        flow = self.add_flow(proto, destination, dport)
        if dport == 500:
            self.open_ipsec(flow)
        self.alive = (self.alive + [flow])[-12:]
        first = {"tcp": "S", "udp": "", "sctp": "INIT"}[proto]
        self.send("client", flow, first, self.options(proto, 0 if proto == "tcp" else self.pick((0, 4, 32))))

    def open_ipsec(self, flow):
        """AH or ESP beside a key exchange, before it or after it."""
        self.flows.append({**self.flows[flow], "proto": self.pick(("ah", "esp"))})
        self.alive.append(len(self.flows) - 1)
        if self.chance(0.2):
            self.go_on(len(self.flows) - 1)

    def go_on(self, flow):
        proto = self.flows[flow]["proto"]
        back = self.has("nat") and self.chance(0.4)
        if proto == "tcp":
            what = self.random.choices(("A", "PA", "FA", "S", "SA", "F", "", "SF"), (30, 30, 12, 8, 3, 1, 1, 1))[0]
            if back:
                what = self.random.choices(("SA", "A", "PA", "FA"), (30, 25, 25, 12))[0]
            if self.near_end() and self.chance(0.3):
                what = self.pick(("R", "RA"))
            if "S" in what and flow in self.ended and "conntrack" in self.features:    # differences, "tracked-reuse"
                what = "A"
            if not what or {"F", "R"} & set(what):
                self.ended.add(flow)
        elif proto == "sctp" and "conntrack" in self.features and self.chance(0.9):
            back, what = self.associate(flow)
        elif proto == "sctp":
            what = self.pick(("INIT", "INIT_ACK", "COOKIE_ECHO", "COOKIE_ACK", "DATA", "SACK", "SHUTDOWN", "SHUTDOWN_ACK",
                              "SHUTDOWN_COMPLETE", "ABORT", "ERROR", "HEARTBEAT"))
        else:
            what = ""
        size = 0 if proto == "tcp" and "P" not in what else self.pick((1, 40, 300))
        self.send("server" if back else "client", flow, what, self.options(proto, size))

    def associate(self, flow):
        """What comes next of an association as the host's conntrack knows them: (from the server?, chunk)."""
        begin = (True, "INIT_ACK"), (False, "COOKIE_ECHO"), (True, "COOKIE_ACK")
        at = self.associated[flow] = self.associated.get(flow, -1) + 1
        return begin[at] if at < len(begin) else (self.chance(0.5), self.pick(("DATA", "SACK", "HEARTBEAT")))

    def send(self, kind, flow, what, options):
        if kind == "client" and self.flows[flow].get("local"):      # differences, "raw"
            options = wire.whole(options)
        if kind == "client" and self.marks and options.get("ttl", 2) < 2:       # differences, "marked-ttl"
            del options["ttl"]
        self.steps.append([kind, flow, what, options])

    def near_end(self):
        """Resets come late: what they leave lives for 10 s, which is long here and short in the machine."""
        return len(self.steps) > self.length - 30

    def options(self, proto, size):
        """Options of a packet: size, TTL, DF, fragments."""
        out = {"size": size} if size else {}
        full = 1500 - (20 if self.version == 4 else 40) - {"tcp": 20, "udp": 8, "sctp": 16}.get(proto, 24)
        if self.chance(0.04, "ttl"):
            out["ttl"] = self.pick((0, 1, 2, 255))
        if self.chance(0.08, "size"):
            out["size"] = self.pick((full, full - 20, full - 100, full - 101, full - 120, full - 140, full - 200, full - 220)) & ~3
        if self.version == 4 and self.chance(0.2):
            out["df"] = False
        self.odd_options(proto, out)
        if self.chance(0.05):
            out["tos"] = self.pick((0x10, 0xb8, 1, 2, 3))
        if self.chance(0.05, "fragments"):
            out.update(size=self.pick((64, 1500, 2000, 4000)), cut=self.pick((512, 1024, 1280)))
            if out["size"] < 200:
                out["cut"] = 24
            if self.chance(0.4):
                pieces = -(-(out["size"] + 8) // out["cut"])
                out["order"] = self.random.sample(range(pieces), pieces)
        return out

    def odd_options(self, proto, out):
        """Options that make a packet a rare one: what stands behind its IP header, damage, a checksum left to the device."""
        if self.chance(0.25, "options"):
            out["with"] = self.pick(frames.IP_OPTIONS if self.version == 4 else frames.EXTENSIONS)
        if self.chance(0.25, "damaged"):
            out["bad"] = self.pick(("sum", "length"))       # others: docs/differences.md
        if proto == "udp" and self.version == 4 and self.chance(0.05):
            out["unsummed"] = True
        if proto in ("tcp", "udp") and self.chance(0.4, "partial"):
            out["segment"] = 0          # the checksum is left to the device

    # ---- changes

    def change_weights(self):
        service = self.pick(self.services)
        if service.servers:
            server = self.pick(service.servers)
            server.weight = self.pick((0, 1, 2, 3, 7))
            self.steps.append(["ipvsadm", server.line("e", service.name)])

    def change_quiesce(self):
        service = self.pick(self.services)
        if service.servers:
            server = self.pick(service.servers)
            server.weight = 0 if server.weight else self.pick((1, 3))
            self.steps.append(["ipvsadm", server.line("e", service.name)])

    def change_leave(self):
        service = self.pick(self.services)
        if service.servers:
            server = self.pick(service.servers)
            server.there = not server.there
            self.steps.append(["ipvsadm", server.line("a", service.name) if server.there else
                               f"-d {service.name} -r {server.at()}"])

    def change_services(self):
        service = self.pick(self.services)
        if self.chance(0.6):
            service.sched = self.scheduler()
            self.steps.append(["ipvsadm", service.line("E")])
        else:
            self.steps.append(["ipvsadm", f"-D {service.name}"])
            self.set_up(service)

    # ---- oddities

    def odd_stray(self):
        """A packet of no connection, for a service or beside it."""
        proto, vip, port = self.pick(self.pick(self.services).reach)
        if self.chance(0.5):
            port = self.pick((port + 7, 9))
        flow = self.add_flow(proto, vip, port)
        what = {"tcp": ("A", "PA", "FA", "SA", "SF", "F", "") + ("R",) * self.near_end(), "udp": ("",), "sctp": ("DATA", "COOKIE_ECHO", "ABORT")}[proto]
        self.send("client", flow, self.pick(what), self.options(proto, 0))

    def odd_errors(self):
        if self.alive:
            flow = self.pick(self.alive)
            from_server = bool(self.has("nat")) and self.chance(0.5)
            if self.flows[flow].get("local") and not from_server:       # differences, "liars"
                return
            by = {"by": "192.168.7.254" if self.version == 4 else "fd07::254"} if from_server and self.chance(0.3) else {}
            if "options" in self.features and self.chance(0.5):     # of the packet that it is about
                by["with"] = self.pick(frames.IP_OPTIONS if self.version == 4 else frames.EXTENSIONS)
            self.steps.append(["error", flow, self.pick(("port", "host", "big", "time", "parameter", "quench")), from_server, by])

    def odd_time(self):
        """Connections that expire: all that happens under the short timeouts happens quickly."""
        if self.chance(0.5):
            return
        self.steps.append(["ipvsadm", "--set 2 2 2"])
        for _ in range(5):
            self.open(self.pick(self.services))
        some = self.alive[-5:]
        for flow in some[:3]:
            self.go_on(flow)
        self.steps += [["list"], ["sleep", 4.5], ["list"], ["ipvsadm", "--set 900 120 300"]]
        for flow in some:
            if flow in self.alive:
                self.go_on(flow)

    def odd_echo(self):
        if self.flows:
            self.steps.append(["echo", self.pick(self.pick(self.services).reach)[1]])

    def odd_settings(self):
        name = self.pick(SETTINGS)
        self.steps.append(["setting", name, self.pick(SETTINGS[name])])


def make(seed, number, features, length=150):
    return Maker(f"{seed}/{number}/{' '.join(sorted(features))}", features, length).make(f"{seed}/{number}")
