#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packets leave culvert as they left the reference kernel's IPVS: of the cases on record, the first
# of each configuration and family, or with CULVERT_LONG all.
# doors: xdp tc
# seconds: 900
here=$(dirname "$0")
each=1
[ -z "${CULVERT_LONG:-}" ] || each=1000
exec "$here/differential/differ" --culvert "${BUILD:-$here/../../build}/culvert" --mode "${1:-xdp}" \
	--against "$here/facts/packets" --cases $each
