# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The harnesses of this directory, built by clang with ASan and UBSan in $BUILD/fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."
fuzz=$BUILD/fuzz

build() {
	exec 9>"$BUILD/fuzz.lock"
	flock 9
	[ -e "$fuzz/build.ninja" ] || CC=clang meson setup -Dfuzz=true -Db_sanitize=address,undefined \
		-Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link "$fuzz" >&2
	ninja -C "$fuzz" build.ninja >&2	# the list of targets is its
	mapfile -t targets < <(ninja -C "$fuzz" -t targets all |
		sed -n 's|^\(tests/fuzz/fuzz-[a-z]*\): c_LINKER.*|\1|p')
	ninja -C "$fuzz" "${targets[@]}" >&2
	exec 9>&-
}

# run NAME ARGUMENT...: memory is bounded, whatever the input says; a run's own messages go nowhere
run() {
	local name=$1
	shift
	"$fuzz/tests/fuzz/fuzz-$name" -rss_limit_mb=512 -malloc_limit_mb=64 -timeout=10 -close_fd_mask=3 \
		-artifact_prefix="$LAB_DIR/$name-" "$@" >"$LAB_DIR/$name.log" 2>&1 && return
	cat "$LAB_DIR/$name.log"
	for found in "$LAB_DIR/$name"-*; do echo "$found:"; od -Ax -c "$found" | head -40; done
	return 1
}
