#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packets leave culvert as they left the reference kernel's IPVS, in the cases on record.
# doors: xdp tc
# seconds: 400
here=$(dirname "$0")
exec "$here/differential/differ" --culvert "${BUILD:-$here/../../build}/culvert" --mode "${1:-xdp}" \
	--against "$here/facts/packets.jsonl.gz"
