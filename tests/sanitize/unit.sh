#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The library's and the parsers' tests under ASan and UBSan.
# seconds: 600
. "$(dirname "$0")/lib/sanitized.sh"

build 'tests/unit/unit-.*'
if [ -n "${CULVERT_LONG:-}" ]; then sanitized unit; fi
# Those that take long are long because they do the same again and again.
mapfile -t tests < <(tests/run -l unit | grep -v '/journal$\|/instance$')
sanitized "${tests[@]}"
