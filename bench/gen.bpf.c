// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generator: run by BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES in
 * the generator's namespace, on its end of the veth; XDP_TX sends every frame.
 * Frames are recycled as their last user left them, so each is written anew.
 */
#include "traffic.bpf.h"

/* The clock at the first packet, and at packet number `until`. */
__u64 until;
__u64 first_ns;
__u64 last_ns;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	if (!next_frame(ctx))
		return XDP_ABORTED;
	if (sent == 1)
		first_ns = bpf_ktime_get_ns();
	if (sent == until)
		last_ns = bpf_ktime_get_ns();
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
