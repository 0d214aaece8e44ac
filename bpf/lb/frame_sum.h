/* SPDX-License-Identifier: GPL-2.0-only */
/* Checksums over payloads, where there is nothing to start from: a loop of helpers, for rare packets. */
#ifndef CULVERT_BPF_LB_FRAME_SUM_H
#define CULVERT_BPF_LB_FRAME_SUM_H

#include "csum.h"

#define FRAME_MOST 65536

struct csum_walk {
	struct __sk_buff *skb;
	__u32 at;
	__u32 end;
	__u32 sum;
};

#define CSUM_STEP 32

static long csum_step(__u32 step, void *arg)
{
	struct csum_walk *w = arg;
	__u8 bytes[CSUM_STEP] = {};
	__u32 n = w->end - w->at;

	if (!n)
		return 1;
	if (n > CSUM_STEP)
		n = CSUM_STEP;
	n = bounded(n - 1, CSUM_STEP - 1) + 1;
	if (bpf_skb_load_bytes(w->skb, w->at, bytes, n))
		return 1;
	w->at += n;
	w->sum = bpf_csum_diff(NULL, 0, (__be32 *)bytes, CSUM_STEP, w->sum);
	return 0;
}

/* One's complement sum of the frame's bytes from `at` to `end`, added to `sum`. */
static __noinline __u32 frame_sum(struct __sk_buff *skb, __u32 at, __u32 end, __u32 sum)
{
	struct csum_walk w = { .skb = skb, .at = at, .end = end, .sum = sum };

	bpf_loop(FRAME_MOST / CSUM_STEP, csum_step, &w, 0);
	return w.sum;
}

#endif
