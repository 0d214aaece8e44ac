#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every parser with all of its corpus, and for some seconds (in the long run, minutes) with what
# libFuzzer makes of that: no crash, no leak, no undefined behaviour, bounded memory.
# seconds: 2400
. "$(dirname "$0")/lib/fuzz.sh"

build
total=0 seconds=2
[ -z "${CULVERT_LONG:-}" ] || seconds=240
for corpus in tests/fuzz/corpus/*; do
	name=${corpus##*/}
	run "$name" -runs=0 "$corpus"
	mkdir -p "$LAB_DIR/new/$name"
	run "$name" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
		"$LAB_DIR/new/$name" "$corpus"
	n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$LAB_DIR/$name.log")
	echo "$name: ${n:-0} inputs"
	total=$((total + ${n:-0}))
done
[ -z "${CULVERT_FIGURES:-}" ] || echo "figure fuzz.inputs $total inputs made for the parsers" >>"$CULVERT_FIGURES"
