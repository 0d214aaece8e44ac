# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What every network test begins with. A test is a script that builds a lab (lab.sh), does
# things in it, and says with `expect` what must come of them; the first thing that does not
# ends it. Its head may hold
#
#     # doors: xdp tc        run it once for each: $door
#     # families: 4 6        likewise: $family, and VIP, R1.. are of that family
#     # seconds: 60          how long it may take, if more than four minutes
#     # long                 only by `make test-long`
#
# `tests/run net/NAME` runs it; by hand `tests/net/NAME.sh [DOOR] [FAMILY]` does, with KEEP=1
# leaving the lab where it is.
#
# With DIRECTOR=kernel the director is Linux's own IPVS, where there is one: what a test says
# of IPVS must hold there too. Tests that are about culvert alone call `ours` and are skipped.
set -Eeuo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WIRE_WAIT=0.25
if [ -n "${CULVERT_VM:-}" ]; then
	WIRE_WAIT=1		# an emulated machine is slow
fi
if [ "${DIRECTOR:-}" = kernel ]; then
	modprobe ip_vs		# before the settings that it brings are looked for
fi
export WIRE_WAIT
BUILD=$(cd "${BUILD:-$here/../../../build}" && pwd)
PATH=$here:$BUILD:$PATH:/usr/sbin:/sbin
# shellcheck source=lab.sh
. "$here/lab.sh"

door=tc family=4
for word; do
	case $word in
	xdp | tc) door=$word ;;
	clsact) door=tc ;;
	4 | 6) family=$word ;;
	esac
done
lab_family "$family"

say() {
	printf '# %s\n' "$*" >&2
}

# Which lines led here, the test's own last.
way_here() {
	local i way=
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		[ "${FUNCNAME[i]}" = fail ] || way+=" ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
	done
	echo "${way# }"
}

# What ends the test is heard, whatever became of standard error where it happened (`expect .. 2>/dev/null`).
exec {stderr}>&2
speak() {
	[ "$BASH_SUBSHELL" -ne 0 ] || exec 2>&"$stderr"
}

fail() {
	speak
	say "FAILED: $* ($(way_here))"
	exit 1
}

# skip WHY: the runner counts it apart.
skip() {
	say "skipped: $*"
	exit 77
}

# figure NAME VALUE UNIT...: what this test counted, for docs/reliability.md; see tools/reliability.
figure() {
	[ -z "${CULVERT_FIGURES:-}" ] || echo "figure $*" >>"$CULVERT_FIGURES"
}

ours() {
	[ "${DIRECTOR:-}" != kernel ] || skip "about culvert alone"
}

finish() {
	local status=$? command
	trap - EXIT ERR
	trap '' INT TERM
	# What the test says is said: nothing from here on decides.
	set +e
	speak
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		say "the director at the end:"
		for command in "culvert status -s" "ipvsadm -Ln" "ipvsadm -Ln --stats" "ipvsadm -Lcn"; do
			say "$command"
			$command 2>&1 | head -40 >&2
		done
	fi
	if [ -n "${KEEP:-}" ]; then say "kept: $LAB-*, $LAB_DIR"; else lab_down; fi
	exit $status
}
trap finish EXIT
trap 'status=$?; speak; say "status $status of \"$BASH_COMMAND\" at $(way_here)"' ERR
trap 'exit 143' INT TERM

# ---- commands on the director ---------------------------------------------------------------

if [ "${DIRECTOR:-}" = kernel ]; then
	culvert() {
		:
	}

	ipvsadm() {
		on director /usr/sbin/ipvsadm "$@"
	}

	setting() {
		on director sysctl -q "${@/#/net.ipv4.vs.}"
	}
else
	culvert() {
		on director "$BUILD/culvert" "$@"
	}

	ipvsadm() {
		culvert ipvsadm "$@"
	}

	setting() {
		culvert sysctl "$@" | case $* in *=*) cat >/dev/null ;; *) cat ;; esac
	}
fi

# cluster [ARMS]: the lab, with culvert on the director's eth0 by the door of this test.
cluster() {
	lab_up "${1:-1}"
	culvert attach eth0 --mode "$door" --max-conns 65536
}

# Before Linux 6.17 IPv6 is forwarded for all devices or for none (docs/doors.md).
forwards_for_all() {
	[ "$family" = 6 ] && [ ! -e /proc/sys/net/ipv6/conf/lo/force_forwarding ]
}

# A service by mark of IPv6 wants a director that forwards there.
marks_forward() {
	! forwards_for_all || on director sysctl -qw net.ipv6.conf.all.forwarding=1
}

# mark_7 MATCH: the director's nftables give what comes in and matches the mark 7.
mark_7() {
	on director nft -f - <<-END
		table inet marks {
			chain incoming {
				type filter hook prerouting priority mangle;
				$1 meta mark set 7
			}
		}
	END
}

# all_tracked: the director's conntrack has an entry of whatever leaves, with the kernel's IPVS too.
all_tracked() {
	on director nft -f - <<-END
		table inet watch {
			chain leaving {
				type filter hook postrouting priority 0;
				ct state new counter
			}
		}
	END
}

# service -t|-u PORT [OPTION...]: a service on the virtual address, with the three real servers by
# direct routing. Options go to ipvsadm -A; WEIGHTS="3 2 1" are the servers', LIMITS their -x, -y.
service() {
	local proto=$1 port=$2 weights
	shift 2
	read -ra weights <<<"${WEIGHTS:-1 1 1}"
	ipvsadm -A "$proto" "$VIP:$port" "$@"
	# shellcheck disable=SC2086 # options
	for server in "$R1 ${weights[0]}" "$R2 ${weights[1]}" "$R3 ${weights[2]}"; do
		ipvsadm -a "$proto" "$VIP:$port" -r "${server% *}:$port" -g -w "${server#* }" ${LIMITS:-}
	done
}

# servers: what ipvsadm -Ln says of each, a line each: "r1 WEIGHT ACTIVE INACTIVE".
servers() {
	ipvsadm -Ln | awk -v r1="$R1" -v r2="$R2" -v r3="$R3" '
		$1 == "->" && $2 != "RemoteAddress:Port" {
			sub(/:[0-9]+$/, "", $2)
			print $2 == r1 ? "r1" : $2 == r2 ? "r2" : $2 == r3 ? "r3" : $2, $4, $5, $6
		}'
}

# stats: what ipvsadm -Ln --stats says, exactly: "service|r1|.. CONNS INPKTS OUTPKTS INBYTES OUTBYTES".
stats() {
	ipvsadm -Ln --stats --exact | awk -v r1="$R1" -v r2="$R2" -v r3="$R3" '
		NR > 3 && $1 != "->" { print "service", $3, $4, $5, $6, $7 }
		NR > 3 && $1 == "->" {
			sub(/:[0-9]+$/, "", $2)
			print $2 == r1 ? "r1" : $2 == r2 ? "r2" : $2 == r3 ? "r3" : $2, $3, $4, $5, $6, $7
		}'
}

# connections: what ipvsadm -Lcn lists, a line each, sorted: "PROTO STATE CLIENT VIRTUAL SERVER".
# (The kernel lists one twice if its table changes meanwhile.)
connections() {
	ipvsadm -Lcn | awk 'NR > 2 { print $1, $3, $4, $5, $6 }' | sort |
		if [ "${DIRECTOR:-}" = kernel ]; then uniq; else cat; fi
}

# ---- traffic --------------------------------------------------------------------------------

# requests N [OPTION...]: that many web requests; "r1 N, r2 N, r3 N, failed N".
requests() {
	on client web -n "$@" "http://$VIP/" || true
}

# rate N: so many a second; a slow machine has a PATIENCE-th of it, which leaves time for what is tested under it.
rate() {
	echo $(($1 / ${PATIENCE:-1}))
}

# load_begin [OPTION...], load_end: web requests meanwhile; load_end prints web's two lines.
load_begin() {
	start client web "$@" "http://$VIP/" >"$LAB_DIR/load" 2>"$LAB_DIR/load.err"
	load=$!
	sleep 0.2
}

load_end() {
	kill -TERM "$load"
	wait "$load" || true
	cat "$LAB_DIR/load.err" >&2
	cat "$LAB_DIR/load"
}

# serve_names PORT HOST...: servers for `talker` on those hosts.
serve_names() {
	local port=$1 host
	shift
	for host; do
		start "$host" serve "$host" "$port" 207.175.44.110 2001:db8:44::110 >"$LAB_DIR/serve-$host"
		disown
	done
	for host; do
		within 20 "ready" cat "$LAB_DIR/serve-$host"
	done
}

# talker tcp|udp PORT: a client for `talk`, of the virtual address (or of ADDRESS, the third).
talker() {
	rm -f "$LAB_DIR/to" "$LAB_DIR/from"
	mkfifo "$LAB_DIR/to" "$LAB_DIR/from"
	exec {to}<>"$LAB_DIR/to" {from}<>"$LAB_DIR/from"
	start client talk "$1" "${3:-$VIP_ADDR}" "$2" <&"$to" >&"$from"
	disown
}

# talk COMMAND...: see lib/talk; prints its answer.
talk() {
	local answer
	echo "$*" >&"$to"
	read -r -t 30 answer <&"$from" || fail "talk does not answer"
	echo "$answer"
}

# watch HOST, seen HOST: the packets for the virtual address that have come by since, at the client
# on their way out, at a server on their way in: "PACKETS BYTES" of the network layer.
watch() {
	local hook=prerouting
	[ "$1" != client ] || hook=postrouting
	on "$1" nft -f - <<-END
		table inet watch {
			counter seen { }
			chain watch {
				type filter hook $hook priority -400;
				ip daddr 207.175.44.110 counter name seen
				ip6 daddr 2001:db8:44::110 counter name seen
			}
		}
	END
}

seen() {
	on "$1" nft -j list counter inet watch seen |
		jq -r '.nftables[1].counter | "\(.packets) \(.bytes)"'
}

# mute: client and real servers answer nothing by themselves, so that crafted packets stand alone,
# and the director knows its neighbours, so that they need not wait.
mute() {
	local host address
	for address in "$CLIENT_ADDR" "${R_ADDR[@]:1}"; do
		on director ping -q -c1 -W2 "$address" >/dev/null
	done
	for host in client r1 r2 r3; do
		on "$host" nft -f - <<-END
			table inet mute {
				chain input {
					type filter hook input priority -400;
					icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
					iif != lo drop
				}
			}
		END
	done
}

# ---- what must be ---------------------------------------------------------------------------

# expect TEXT COMMAND...: it prints exactly that.
expect() {
	local want=$1 got
	shift
	got=$("$@") || true
	[ "$got" = "$want" ] && return
	speak
	say "$(printf '%q ' "$@")"
	diff -U9 --label expected --label got <(printf '%s\n' "$want") <(printf '%s\n' "$got") >&2 || true
	fail "not as expected"
}

# within SECONDS TEXT COMMAND...: it prints exactly that, in time; a slow machine has PATIENCE times as long.
within() {
	local limit=$(($1 * ${PATIENCE:-1})) want=$2 got end
	shift 2
	end=$((${EPOCHREALTIME/./} + limit * 1000000))
	while :; do
		got=$("$@" 2>/dev/null) || true
		[ "$got" = "$want" ] && return
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || break
		sleep 0.05
	done
	speak
	say "$(printf '%q ' "$@")"
	diff -U9 --label expected --label got <(printf '%s\n' "$want") <(printf '%s\n' "$got") >&2 || true
	fail "not within $limit s"
}

# between LOW HIGH NUMBER [WHAT]
between() {
	[[ $1 -le $3 && $3 -le $2 ]] ||
		fail "${4:-the number} is $3, not $1 to $2"
}

# refused TEXT COMMAND...: it fails with exactly one line on standard error, which holds TEXT,
# and prints nothing else.
refused() {
	local want=$1 out err status=0
	shift
	out=$("$@" 2>"$LAB_DIR/err") || status=$?
	err=$(cat "$LAB_DIR/err")
	[ $status -ne 0 ] || fail "succeeded: $*"
	[ -z "$out" ] || fail "printed \"$out\": $*"
	[ "$(wc -l <"$LAB_DIR/err")" -eq 1 ] || fail "not one line on standard error, but \"$err\": $*"
	case $err in
	*"$want"*) ;;
	*) fail "said \"$err\", not \"$want\": $*" ;;
	esac
}
