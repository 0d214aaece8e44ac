#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The differences that the comparisons with the kernel let pass are those that docs/differences.md
# gives reasons for, and the other way round.
set -euo pipefail
cd "$(dirname "$0")/../.."
page=docs/differences.md

# column SECTION...: the first column of the tables in these sections.
column() {
	local section
	for section; do
		awk -v section="## $section" '/^## / { inside = $0 == section } inside' "$page"
	done | sed -n 's/^| \([^|]*[^| ]\) *|.*/\1/p' | grep -vx -e name -e group -e '-*' | sort
}

# same WHAT LIST FILE: standard input is what FILE has, which is out of LIST.
same() {
	diff -u --label "$page" --label "$2" - <(sort -u "$3") || {
		echo "$1 are not those of $page" >&2
		exit 1
	}
}

names=$(mktemp)
trap 'rm -f "$names"' EXIT
list=tests/reference/differential/differences
sed -n 's/^\([a-z-]*\)[a-z0-9 ]*: .*/\1/p' "$list" >"$names"
column Packets "Not compared" | same "the names" "$list" "$names"
list=tests/reference/ipvsadm/differences
sed -n '/^#/!s/^\(.*[^ ]\) *|.*/\1/p' "$list" >"$names"
column "The command line" | same "the groups" "$list" "$names"
