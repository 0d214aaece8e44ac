#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The newest clang of Debian 12 makes a data path of the same maps, whose stack fits the oldest kernel
# too, and which this kernel takes: by XDP, by tc, and for slaves.
# seconds: 600
. "$(dirname "$0")/../net/lib/test.sh"
ours

newest=$(compgen -c clang- | grep -x 'clang-[0-9]*' | sort -t- -k2n | tail -n 1)
[ -n "$newest" ] || skip "there is no clang but the usual one"

other=$LAB_DIR/build
printf "[binaries]\nclang = '%s'\n" "$newest" >"$LAB_DIR/native"
(cd "$here/../../.." && meson setup --native-file "$LAB_DIR/native" "$other" && ninja -C "$other" culvert) >"$LAB_DIR/log" 2>&1 ||
	{ tail -n 30 "$LAB_DIR/log" >&2; fail "$newest does not make it"; }
! grep 'warning:' "$LAB_DIR/log" >&2 || fail "$newest warns"
strings -a "$other/bpf/culvert.bpf.o" | grep -w "clang version ${newest#clang-}" >/dev/null || fail "it is not $newest's"
for object in culvert ipvlan ipvlan_btf; do
	cmp "$BUILD/bpf/$object.shape.h" "$other/bpf/$object.shape.h" >&2 || fail "$object has other maps"
done
BUILD=$other "$here/../../build/stack.py" >"$LAB_DIR/stack" || fail "$(sort -rn "$LAB_DIR/stack" | head -n 3)"

lab_up
for mode in xdp tc; do
	on director "$other/culvert" attach eth0 --mode $mode >/dev/null
	on director "$other/culvert" detach --all
done
on director "$other/culvert" link add link eth0 name i0 type ipvlan mode l3 up
on director "$other/culvert" link del i0
