#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command under ASan and UBSan: what the tests of the command line do with it.
# seconds: 900
. "$(dirname "$0")/lib/sanitized.sh"

build culvert
if [ -n "${CULVERT_LONG:-}" ]; then
	# But for those that run it under strace, where LeakSanitizer does not work.
	mapfile -t tests < <(tests/run -l 'net/cli-*' net/attach-errors net/detach net/restore 'net/ipvlan/*' net/rr net/masq |
		grep -vx 'net/cli-locked\|net/ipvlan/unit')
else
	tests=(net/cli-listings net/cli-json net/cli-names net/cli-save-restore net/cli-failures net/attach-errors)
fi
sanitized "${tests[@]}"
