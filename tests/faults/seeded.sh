#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests can fail: faults are seeded, and each is caught. A few of them here, all in the long run.
# seconds: 7200
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$BUILD" = "$PWD/build" ] || { echo "only with the build in build/"; exit 77; }
if [ -n "${CULVERT_LONG:-}" ]; then
	exec env -u LAB -u LAB_DIR -u CULVERT_LONG tests/faults/run
fi
exec env -u LAB -u LAB_DIR tests/faults/run -q
