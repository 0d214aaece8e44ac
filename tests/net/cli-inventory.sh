#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every option of ipvsadm, every scheduler with its flags and every type of tunnel has a test on
# real traffic. Those tests say in their head which they hold:
#
#     # options: -p -M
#
# `tests/net/cli-inventory.sh --table` prints the table.
. "$(dirname "$0")/lib/test.sh"
ours
cd "$here/.."

# Which cannot have one, or have theirs elsewhere, and why.
declare -A elsewhere=(
	[--version]="prints and ends" [--help]="prints and ends"
	[--save]="no traffic: net/cli-save-restore; its file by net/restore"
	[--daemon]="no connection synchronisation: net/cli-no-instance"
	[--start-daemon]="no connection synchronisation" [--stop-daemon]="no connection synchronisation"
	[--syncid]="no connection synchronisation" [--sync-maxlen]="no connection synchronisation"
	[--mcast-interface]="no connection synchronisation" [--mcast-group]="no connection synchronisation"
	[--mcast-port]="no connection synchronisation" [--mcast-ttl]="no connection synchronisation"
)

# options: "--long -short" a line (or "--long --long"), from the help text; then the words that are values.
options() {
	"$BUILD/culvert" ipvsadm -h | sed -n '/^Commands:/,$p' | awk '
		/^ +-/ {
			short = ""
			for (i = 1; i <= 3 && $i ~ /^-/; i++) {
				gsub(/,$/, "", $i)
				if ($i ~ /^--/) print $i, short == "" ? $i : short
				else short = $i
			}
		}' | sort -u
	printf '%s %s\n' {,}{rr,wrr,lc,wlc,lblc,lblcr,dh,sh,mh,sed,nq,fo,ovf} | awk '{ print $1, $1 }' | sort -u
	printf '%s\n' sh-fallback sh-port mh-fallback mh-port ipip gue gre | awk '{ print $1, $1 }'
}

# held: "OPTION TEST" a line, where the test says so and uses it.
held() {
	local script word words
	for script in *.sh *.py; do
		read -ra words <<<"$(sed -n '/^#/!q; s/^# options: *//p' "$script")"
		for word in "${words[@]}"; do
			echo "$word net/${script%.*}"
		done
	done
}

# uses TEST OPTION OTHER: does the script, or what it is made of, have it by one name or the other, and not only the head?
uses() {
	local script=${1#net/} name text
	text=$(sed '/^#/d' "$script".* lib/test.sh)
	for name in "$2" "$3"; do
		! grep -qE -- "(^|[^[:alnum:]-])$name([^[:alnum:]]|$)" <<<"$text" || return 0
	done
	[[ $2 == -? ]] && grep -qE -- " -[A-Za-z]*${2#-}[A-Za-z]*( |\$|\")" <<<"$text"
}

held >"$LAB_DIR/held"
missing=0 n=0
while read -r long short; do
	n=$((n + 1))
	tests=$(awk -v a="$long" -v b="$short" '$1 == a || $1 == b { print $2 }' "$LAB_DIR/held" | sort -u | xargs)
	[ "${1:-}" != --table ] || printf '%-22s %s\n' "$long" "${tests:-(${elsewhere[$long]:-nothing})}"
	for test in $tests; do
		uses "$test" "$short" "$long" || { say "$test says that it holds $long, and does not use it"; missing=1; }
	done
	[ -n "$tests" ] || [ -n "${elsewhere[$long]:-}" ] || { say "no test holds $long"; missing=1; }
done < <(options)
[ $missing -eq 0 ] || fail "options without a test"
between 70 200 $n "options, schedulers and so on"
