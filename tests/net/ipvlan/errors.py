#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: one line on standard error, exit status 1, nothing changed."""
from ipvlan_lab import Lab, expect


def state(lab):
    """Whatever a refused command could have changed."""
    out = [lab.culvert("link show -d -j")[1], lab.culvert("addr show -j")[1]]
    for name in ("host", "s1", "s2"):
        out += [lab.ip(name, "-o link")[1], lab.ip(name, "route show table all")[1],
                lab.run(name, ["sh", "-c", "grep . /proc/sys/net/ipv4/conf/*/forwarding"])[1]]
    return out


def refused(lab, command, text, name="host"):
    before = state(lab)
    status, out, err = lab.culvert(command, name, check=False)
    expect((status, out, err.count("\n")), (1, "", 1), f"`culvert {command}` ({err.strip()})")
    if not any(one in err for one in ((text,) if isinstance(text, str) else text)):
        raise AssertionError(f"`culvert {command}` says {err!r}, not {text!r}")
    expect(state(lab), before, f"the state after `culvert {command}`")


def main():
    with Lab() as lab:
        s1, s2 = lab.ns("s1"), lab.ns("s2")
        lab.wire()
        add = "link add link e0 name"
        # Before there is any instance.
        status, _, err = lab.culvert("link set i0 up", check=False)
        expect((status, err.count("\n")), (1, 1), "set without an instance")
        for ns in (s1, s2):
            lab.culvert(f"{add} i0 type ipvlan mode l3 netns {ns}")
        lab.culvert(f"addr -n {s1} add 10.1.0.11/24 fd01::11/64 dev i0")
        lab.culvert(f"link -n {s1} set i0 allow 10.7.0.0/16")
        lab.ip("host", "link add other type veth peer name other2")
        for command, text in (
                (f"{add} i7 type ipvlan mode l4", 'argument of "mode" must be either "l2", "l3" or "l3s"'),
                (f"{add} i7 type ipvlan mode", '"mode" wants an argument'),
                (f"{add} i7 type ipvlan secret", 'unknown option "secret"'),
                (f"{add} i7 type ipvlan private vepa", '"vepa" beside another'),
                (f"{add} i7 type ipvlan hostreach maybe", '"on" or "off"'),
                (f"{add} i7 type macvlan", 'unknown device type "macvlan"'),
                (f"{add} i7", '"type ipvlan" is missing'),
                ("link add i7 type ipvlan", '"link DEV" is missing'),
                ("link add link e0 type ipvlan", "NAME is missing"),
                ("link add link lo i7 type ipvlan mode l2", "loopback"),
                ("link add link nothing i7 type ipvlan", 'Cannot find device "nothing"'),
                ("link add link cvslave0 i7 type ipvlan", "is a slave itself"),
                (f"{add} i0 type ipvlan netns {s1}", 'the name "i0" is in use'),
                (f"{add} i7 type ipvlan netns nowhere", 'no network namespace "nowhere"'),
                (f"{add} i7 type ipvlan netns ../x", "invalid network namespace"),
                (f"{add} i7 type ipvlan netns 999999999", "no network namespace"),
                (f"{add} far-too-long-a-name type ipvlan", "not a valid ifname"),
                (f"{add} a/b type ipvlan", "not a valid ifname"),
                (f"{add} i7 type ipvlan addr 10.1.0.11/24", "Address already assigned to an ipvlan device."),
                (f"{add} i7 type ipvlan addr 10.1.0.13/33", "out of range"),
                (f"{add} i7 type ipvlan addr fd01::13/129", "out of range"),
                (f"{add} i7 type ipvlan addr 10.1.0.13/-1", "is no prefix"),
                (f"{add} i7 type ipvlan addr 10.1.0.13/", "is no prefix"),
                (f"{add} i7 type ipvlan addr 10.1.0.300/24", "is no address"),
                (f"{add} i7 type ipvlan addr 224.0.0.1/32", "not an address that a slave can have"),
                (f"{add} i7 type ipvlan addr ff02::1/128", "not an address that a slave can have"),
                (f"{add} i7 type ipvlan addr 127.0.0.1/8", "not an address that a slave can have"),
                (f"{add} i7 type ipvlan allow 10.0.0.0/40", "out of range"),
                (f"{add} i7 type ipvlan netns {s2} addr fd01::11/64", "Address already assigned"),
                ("link set i0 up", "in several namespaces"),
                ("link set nothing", 'Cannot find device "nothing"'),
                ("link set nothing up", 'Cannot find device "nothing"'),
                (f"link -n {s1} set i0 mode l5", 'must be either "l2", "l3" or "l3s"'),
                (f"link -n {s1} set i0 netns nowhere", "no network namespace"),
                (f"link -n {s1} set i0 netns {s2}", 'the name "i0" is in use'),
                ("link del nothing", 'Cannot find device "nothing"'),
                ("link del i0", "in several namespaces"),
                ("link -n nowhere del i0", "no network namespace"),
                ("link frobnicate", 'unknown command "frobnicate"'),
                ("link --frobnicate", "unknown option"),
                (f"addr -n {s2} add 10.1.0.11/24 dev i0", "Address already assigned to an ipvlan device."),
                (f"addr -n {s2} add 10.1.0.11/32 dev i0", "Address already assigned to an ipvlan device."),
                (f"addr -n {s2} add fd01::11/64 dev i0", "Address already assigned to an ipvlan device."),
                (f"addr -n {s1} add 10.1.0.11/24 dev i0", ("Address already assigned", "File exists")),
                (f"addr -n {s2} del 10.1.0.99/24 dev i0", ("Address not found", "Cannot assign requested address")),
                (f"addr -n {s2} add dev i0", "ADDRESS is missing"),
                ("addr add 10.1.0.9/24", '"dev NAME" is missing'),
                ("addr add 10.1.0.9/24 dev i0", "in several namespaces"),
                ("addr show nothing", 'Device "nothing" does not exist.'),
                (f"addr -n {s1} add 10.1.0.41/24 10.1.0.42/24 10.1.0.11/24 dev i0", ("Address already", "File exists")),
                (f"addr -n {s1} del 10.1.0.11/24 10.1.0.99/24 dev i0", ("Address not found", "Cannot assign")),
                (f"link -n {s1} set i0 allow 10.8.0.0/16 allow 10.7.0.0/16", "is allowed already"),
                (f"link -n {s1} set i0 mode l2 private disallow 10.7.0.0/16 disallow 10.9.0.0/16",
                 "no such prefix is allowed"),
                (f"link -n {s1} set i0 mode l2 private hostreach on allow 10.8.0.0/16 netns nowhere",
                 "no network namespace"),
                ("track --frobnicate", "unknown option")):
            refused(lab, command, text)
        # As with ip(8): what is there, and nothing to set, is no error.
        before = state(lab)
        lab.culvert(f"link -n {s1} set i0")
        expect(state(lab), before, "the state after a set of nothing")
        # A slave cannot be a master from the inside either.
        lab.cookie("s1")
        status, _, err = lab.culvert("link add link i0 name i1 type ipvlan", "s1", check=False)
        expect((status, "is a slave itself" in err), (1, True), f"a master that is a slave ({err.strip()})")


main()
