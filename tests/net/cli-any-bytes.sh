#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Names of devices, namespaces, hosts and ports may hold what a terminal obeys, and what is no UTF-8:
# listings show that as \x1b, errors stay one line, and JSON is JSON.
. "$(dirname "$0")/lib/test.sh"
ours

red=$'\e[31mred' raw=$'\xff\x9b\x01' accent=$'\xc3\xa9t\xc3\xa9'
lab_host director
for name in "$red" "$raw" "$accent"; do
	ip -n "$LAB-director" link add "$name" type veth
	ip -n "$LAB-director" link set "$name" up
done

# plain: there are no control characters in what it says; says so and what it says.
plain() {
	"$@" >"$LAB_DIR/out" 2>&1 || true
	! LC_ALL=C grep -q '[^[:print:][:space:]]' <(sed "s/$accent//g" "$LAB_DIR/out") ||
		fail "control characters: $* | $(cat -v "$LAB_DIR/out")"
	iconv -f UTF-8 -t UTF-8 <"$LAB_DIR/out" >/dev/null || fail "no UTF-8: $*"
	cat "$LAB_DIR/out"
}

expect '\x1b[31mred: tc' cut -d';' -f1 <(plain culvert attach "$red" --mode tc --max-conns 1000)
expect $'\\xff\\x9b\\x01' jq -r .device <(culvert attach "$raw" --mode tc -j)
culvert attach "$accent" --mode tc >/dev/null
devices() {
	sed -n 's/^  \(.*\) (ifindex .*/\1/p' <(plain culvert status) | LC_ALL=C sort
}
expect "\\x1b[31mred
\\xff\\x9b\\x01
$accent" devices
expect "$red
\\xff\\x9b\\x01
$accent" eval 'culvert status -j | jq -r ".devices[].device" | LC_ALL=C sort'
refused 'unknown option --\x1b[2J\x0a\xff' culvert attach $'--\e[2J\n\xff'
refused '\xff\x0a' culvert detach $'\xff\n'

# Tenants.
tenant=$'t\e[1m\xff'
ip netns add "$LAB-$tenant"
culvert link add link "$red" name "$raw" type ipvlan mode l2 netns "$LAB-$tenant" addr 10.0.0.11/24
expect "\\xff\\x9b\\x01@\\x1b[31mred:" awk '/^[0-9]/ { print $2 }' <(plain culvert link show)
expect "$LAB-t\\x1b[1m\\xff" sed -n 's/^[0-9].* netns //p' <(plain culvert link show)
expect "[\"\\\\xff\\\\x9b\\\\x01\",\"\\u001b[31mred\",\"$LAB-t\\\\x1b[1m\\\\xff\"]" \
	jq -c '.[] | [.ifname, .link, .netns]' <(culvert link show -j)
expect "10.0.0.11" jq -r '.[].addr_info[0].local' <(culvert addr show -j)
plain culvert addr show >/dev/null
culvert link del "$raw"

# A line of a saved file cannot name them, nor a namespace with a blank in its name; the rest it has.
blank="$LAB-a b"
ip netns add "$blank"
culvert link add link "$accent" name t1 type ipvlan mode l2 netns "$blank"
culvert link add link "$accent" name "$raw" type ipvlan mode l2 netns "$LAB-$tenant"
status=0
culvert save >"$LAB_DIR/saved" 2>"$LAB_DIR/said" || status=$?
culvert link -n "$blank" del t1
ip netns del "$blank"
culvert link del "$raw"
expect 1 echo "$status"
expect 'culvert save: no line can name the device "\x1b[31mred": left out
culvert save: no line can name the device "\xff\x9b\x01": left out
culvert save: no line can name the device "\xff\x9b\x01": left out
culvert save: no line can name the network namespace "'"$blank"'": left out' env LC_ALL=C sort "$LAB_DIR/said"
culvert detach --all
culvert restore <"$LAB_DIR/saved"
expect "$accent" devices

# Files of names: a name that is none is not shown.
printf '10.0.0.1 a\x1b[31mb\n10.0.0.2 r\xff\n10.0.0.3 good.example.net\n' >"$LAB_DIR/hosts"
printf 'bad\x1b[2J\t81/tcp\nquo"te\t82/tcp\nfine\t83/tcp\n' >"$LAB_DIR/services"
named() {
	on director unshare --mount sh -c 'mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/services" /etc/services &&
		shift && exec "$@"' sh "$LAB_DIR" "$BUILD/culvert" ipvsadm "$@"
}
for port in 81 82 83; do
	ipvsadm -A -t "10.0.0.1:$port" -s rr
	ipvsadm -a -t "10.0.0.1:$port" -r "10.0.0.2:$port" -g
	ipvsadm -a -t "10.0.0.1:$port" -r "10.0.0.3:$port" -g
done
expect "10.0.0.1:81
10.0.0.1:82
10.0.0.1:fine
10.0.0.2:81
10.0.0.2:82
10.0.0.2:fine
good.example.net:81
good.example.net:82
good.example.net:fine" eval "plain named -L | awk '/^TCP|->/ && !/Remote/ { print \$2 }' | sort"
named -Lj 2>/dev/null | jq . >/dev/null
