#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make demo shows what it says, to its end, and cleans up.
set -euo pipefail
out=$("$(dirname "$0")/../../demo/run")
echo "$out"
[[ $out == *"r1 1000, r2 1000, r3 1000, failed 0"* ]]
[[ $out == *"r1 1500, r2 1000, r3 500, failed 0"* ]]
[[ $out == *"0 of its namespaces are left." ]]
