// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stopwatch: writes a packet of the wanted traffic and tail-calls the
 * program under the watch. Run many times by one BPF_PROG_TEST_RUN, and once
 * more with a program that does nothing, the difference is that program's own
 * time with flows that vary: no driver, no queue, no system call in it.
 */
#include "traffic.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_watch SEC(".maps");

SEC("xdp")
int watch(struct xdp_md *ctx)
{
	int grown = traffic.frame - (ctx->data_end - ctx->data);

	/* What the last packet's encapsulation left. */
	if (grown && bpf_xdp_adjust_head(ctx, -grown))
		return XDP_ABORTED;
	if (!next_frame(ctx))
		return XDP_ABORTED;
	bpf_tail_call_static(ctx, &under_watch, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
