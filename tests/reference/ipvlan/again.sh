#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's driver still does what was recorded of it: a second recording is the same.
# seconds: 3600
# long
set -eu
cd "$(dirname "$0")"
new=$(mktemp)
trap 'rm -f "$new"' EXIT
../vm --timeout 3500 python3 ../../net/lib/ipvlan_matrix.py kernel >"$new"
diff matrix.jsonl "$new"
