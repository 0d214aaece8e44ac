# SPDX-License-Identifier: GPL-2.0-or-later
"""What the director of a lane runs. Each function turns a bare lane into one of them."""

from .lab import PORT, SERVER, VIP, Failed, Lane, Unavailable, nth_address, service_name


def bare(lane):
    lane.pump("d", "attach", "d0", "redirect", "--to", "d1")


def bare_map(lane):
    lane.pump("d", "attach", "d0", "redirect_map", "--to", "d1")


def bounce(lane):
    lane.pump("d", "attach", "d0", "bounce")


def _receive_frames(lane):
    """Without an XDP program on it, a veth polls when it does GRO."""
    lane.sh("d", "ethtool", "-K", "d0", "gro", "on")


def bare_tc(lane):
    _receive_frames(lane)
    lane.pump("d", "attach", "d0", "tc_redirect", "--to", "d1")


def forwarding(lane):
    _receive_frames(lane)


def nftables(lane):
    """DNAT of the service. conntrack takes the flows up in mid-stream and looks at no window."""
    _receive_frames(lane)
    rules = []
    for family, word in ((4, "ip"), (6, "ip6")):
        target = service_name(SERVER[family])
        rules.append(f"""table {word} bench {{
            chain pre {{
                type nat hook prerouting priority dstnat
                {word} daddr {VIP[family]} tcp dport {PORT} dnat to {target}
            }}
        }}""")
    lane.sh("d", "nft", "-f", "-", text_in="\n".join(rules) + "\n")
    lane.sysctl("d", net__netfilter__nf_conntrack_tcp_be_liberal=1,
                net__netfilter__nf_conntrack_tcp_loose=1)


def tracked(lane, **options):
    """Masquerading by conntrack=1: the kernel's nat rewrites what culvert has chosen. Flows as nftables()'s."""
    culvert(lane, method="-m", dests=1, families=(4, 6), **options)
    lane.culvert("sysctl", "conntrack=1", "sloppy_tcp=1")
    lane.sysctl("d", net__netfilter__nf_conntrack_tcp_be_liberal=1,
                net__netfilter__nf_conntrack_tcp_loose=1)


def yardstick(lane, max_flows=1_200_000, tunnel=False):
    words = ["yardstick", "d0", "--to", "d1", "--vip", VIP[4], "--port", PORT, "--servers",
             lane.servers, "--max-flows", max_flows, "--dmac", lane.mac["s0"],
             "--smac", lane.mac["d1"]]
    if tunnel:
        words += ["--tunnel", "10.250.255.254"]
    lane.pump("d", *words)


def yardstick_tunnel(lane):
    yardstick(lane, tunnel=True)


def service_rules(services=1, dests=1, sched="rr", method="-g", families=(4,), mark=0,
                  options=""):
    """The text that `ipvsadm -R` reads. `mark`: one service by firewall mark instead."""
    lines = []
    for family in families:
        for n in range(services):
            name = f"-f {mark}" if mark else f"-t {service_name(nth_address(VIP[family], n))}"
            lines.append(f"-A {name} -s {sched} {options}")
            for d in range(dests):
                server = service_name(nth_address(SERVER[family], d))
                lines.append(f"-a {name} -r {server} {method}")
    return "\n".join(lines) + "\n"


def culvert(lane, mode="xdp", max_conns=None, max_conns6=None, max_services=None, max_dests=None,
            device="d0", **rules):
    """An instance with those services; Unavailable if this culvert refuses them."""
    words = ["attach", device, "--mode", mode]
    for option, value in (("--max-conns", max_conns), ("--max-conns6", max_conns6),
                          ("--max-services", max_services),
                          ("--max-dests", max_dests)):
        if value:
            words += [option, str(value)]
    if mode == "tc":
        _receive_frames(lane)
        lane.pump("d", "attach", "d0", "none")
    try:
        lane.culvert(*words)
        lane.ipvsadm("-R", text_in=service_rules(**rules))
    except Failed as why:
        raise Unavailable(str(why)) from why


def culvert_both_sides(lane, **options):
    """As culvert(), and on the servers' side too, where the answers come in."""
    culvert(lane, **options)
    try:
        lane.culvert("attach", "d1", "--mode", "xdp")
    except Failed as why:
        raise Unavailable(str(why)) from why


def culvert0(lane, dests=4):
    """The third door: nftables marks the packets, and routing leads them to culvert0. At d0
    stands no other door, which would take the packets of live connections first."""
    culvert(lane, mode="tc", device="d1", dests=dests, mark=1)
    lane.sh("d", "nft", "-f", "-", text_in=f"""table ip bench {{
        chain pre {{
            type filter hook prerouting priority mangle
            ip daddr {VIP[4]} tcp dport {PORT} meta mark set 1
        }}
    }}
""")


def make(tag, kind, servers=4, **options):
    lane = Lane(tag, servers)
    try:
        kind(lane, **options)
    except BaseException:
        lane.close()
        raise
    return lane
