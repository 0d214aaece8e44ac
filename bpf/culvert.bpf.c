// SPDX-License-Identifier: GPL-2.0-only
#include "maps.h"

SEC("xdp")
int xdp_uplink(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
