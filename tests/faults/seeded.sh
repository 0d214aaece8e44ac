#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests can fail: faults are seeded, and each is caught. A few of them here, all in the long run.
# doors: kernel user
# seconds: 7200
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$BUILD" = "$PWD/build" ] || { echo "only with the build in build/"; exit 77; }
case ${1:-} in
kernel) where=bpf/ ;;
user) where=include/,lib/,compat/,cmd/,systemd/ ;;
*) echo "usage: seeded.sh kernel|user" >&2; exit 2 ;;
esac
options=(-f "$where")
[ -n "${CULVERT_LONG:-}" ] || options+=(-q)
exec env -u LAB -u LAB_DIR -u CULVERT_LONG tests/faults/run "${options[@]}"
