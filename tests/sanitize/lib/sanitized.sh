# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Tests run once more with what they test built with AddressSanitizer (leaks too) and
# UndefinedBehaviorSanitizer: a build of its own, $BUILD/asan, of user space.
set -euo pipefail
cd "$(dirname "$0")/../.."
asan=$BUILD/asan
reports=$(mktemp -d "$LAB_DIR/reports.XXXXXX")
chmod 777 "$reports"	# tests drop their privileges

# What is wrong stands in files of its own: a command that is meant to fail hides nothing.
export ASAN_OPTIONS=exitcode=99:detect_leaks=1:log_path=$reports/asan
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99:log_path=$reports/ubsan

# build TARGET...: patterns of ninja's targets
build() {
	local pattern targets=()
	exec 9>"$BUILD/asan.lock"
	flock 9
	[ -e "$asan/build.ninja" ] ||
		meson setup -Db_sanitize=address,undefined -Db_lundef=false "$asan" >&2
	ninja -C "$asan" build.ninja >&2	# the list of targets is its
	for pattern; do
		mapfile -t -O ${#targets[@]} targets < <(
			ninja -C "$asan" -t targets all | sed -n "s|^\($pattern\): c_LINKER.*|\1|p")
	done
	ninja -C "$asan" "${targets[@]}" >&2
	exec 9>&-
}

# sanitized TEST...: of tests/run, whose own figures are another's
sanitized() {
	local status=0 n
	env -u LAB -u LAB_DIR -u CULVERT_FIGURES BUILD="$asan" tests/run -j 1 "$@" >"$reports.log" || status=$?
	cat "$reports.log"
	if [ -n "$(ls -A "$reports")" ]; then
		cat "$reports"/*
		exit 1
	fi
	n=$(sed -n '$s/^\([0-9]*\) passed.*/\1/p' "$reports.log")
	[ -z "${CULVERT_FIGURES:-}" ] ||
		echo "figure fuzz.sanitized ${n:-0} tests run under ASan and UBSan, which found nothing" >>"$CULVERT_FIGURES"
	exit $status
}
