/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet in memory, one a CPU: for what cannot be done to a frame in place,
 * because the frame that leaves is another one (a fragment, an error), or
 * because the packet came in many. A program runs to its end before the next
 * begins on the same CPU, but for those that bpf_clone_redirect() runs: what
 * has come in once more is never so large that it needs this.
 */
#ifndef CULVERT_BPF_LB_WHOLE_H
#define CULVERT_BPF_LB_WHOLE_H

#include "../packet.h"
#include "csum.h"

#define WHOLE_ROOM 64	  /* in front of the packet, for a tunnel's or an error's headers */
#define WHOLE_MOST 65536  /* of the packet */
#define WHOLE_PIECE 16384 /* what goes into a frame or is summed up at once, at most */
#define WHOLE_CUTS 64	  /* pieces that a packet came in, at most: a power of two */

struct whole {
	__u32 start;  /* where the network layer begins in bytes[]: WHOLE_ROOM, or before it */
	__u32 len;    /* of the network layer */
	__u32 limit;  /* no fragment is larger, whatever the link takes; 0: none */
	__u32 apart;  /* 1: leaves in fragments, though it were small enough for one */
	__u32 cuts;   /* pieces that it came in; 0: in one */
	__u32 most;   /* bytes of the largest of them but the first */
	__u32 behind; /* bytes of all of them but the first */
	__u16 cut[WHOLE_CUTS]; /* bytes of each, without its headers */
	__u8 bytes[2 * WHOLE_ROOM + WHOLE_MOST + WHOLE_PIECE];
};

/* By CPU; the loader makes as many as there are. (What the kernel keeps per CPU is at most 32 KiB.) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct whole);
} wholes SEC(".maps");

static __always_inline struct whole *whole_mine(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&wholes, &cpu);
}

/* Where the byte of that offset in the network layer stands; what fits behind it is WHOLE_PIECE. */
static __always_inline __u8 *whole_at(struct whole *w, __u32 offset)
{
	return w->bytes + bounded(w->start, 2 * WHOLE_ROOM - 1) + bounded(offset, WHOLE_MOST - 1);
}

/* `len` bytes of the frame from `at` on become the packet. */
GLOBAL int whole_load(struct __sk_buff *skb, struct whole *w, __u32 at, __u32 len)
{
	if (!w || !len || len > WHOLE_MOST)
		return -1;
	w->start = WHOLE_ROOM;
	w->len = len;
	w->limit = w->apart = w->cuts = 0;
	len = bounded(len - 1, WHOLE_MOST - 1) + 1;
	return bpf_skb_load_bytes(skb, at, w->bytes + WHOLE_ROOM, len);
}

#define WHOLE_STEP 512 /* what bpf_csum_diff() takes before Linux 6.15 */

/* The sum of at most WHOLE_STEP bytes from `at` on, `left` of which are to be summed up, added to `sum`. */
GLOBAL __u32 whole_sum_some(struct whole *w, __u32 at, __u32 left, __u32 sum)
{
	__u32 last = 0, n = left > WHOLE_STEP ? WHOLE_STEP : left;
	__u8 *from;

	if (!w)
		return sum;
	from = whole_at(w, at);
	if (n >= 4)
		return bpf_csum_diff(NULL, 0, (__be32 *)from, bounded(n, 0x3fc), sum);
	for (__u32 i = 0; i < 3; i++)
		if (i < n)
			((__u8 *)&last)[i] = from[i];
	return bpf_csum_diff(NULL, 0, &last, sizeof(last), sum);
}

struct whole_walk {
	struct whole *w;
	__u32 at;
	__u32 end;
	__u32 sum;
};

static long whole_sum_step(__u32 step, void *arg)
{
	struct whole_walk *k = arg;
	__u32 left = k->end - k->at, n = left > WHOLE_STEP ? WHOLE_STEP : left;

	if (k->at >= k->end)
		return 1;
	k->sum = whole_sum_some(k->w, k->at, left, k->sum);
	k->at += n >= 4 ? n & ~3U : n;
	return 0;
}

/* One's complement sum of the packet's bytes from `at` to `end`, added to `sum`. */
GLOBAL __u32 whole_sum(struct whole *w, __u32 at, __u32 end, __u32 sum)
{
	struct whole_walk k = { .w = w, .at = at, .end = end, .sum = sum };

	if (w)
		bpf_loop(WHOLE_MOST / WHOLE_STEP + 2, whole_sum_step, &k, 0);
	return k.sum;
}

/* ---- frames -------------------------------------------------------------- */

/*
 * A frame that is written anew must not keep what the stack knows of the old
 * one: a checksum that is still to be completed, GSO. No helper takes the first
 * away; but when bytes are pulled off the front until the place where the sum
 * begins lies before it, the kernel drops the mark (__skb_postpull_rcsum()).
 */

/* Deeper than the transport header of any IPv4 packet: 14 + 60. */
#define BLANK_PULL 96
#define BLANK_LEFT 64

/* An empty frame of one family or the other, of no particular length. */
GLOBAL int frame_blank(struct __sk_buff *skb, bool v6)
{
	__be16 proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);

	if (bpf_skb_change_tail(skb, ETH_HLEN + BLANK_PULL + BLANK_LEFT, 0) ||
	    bpf_skb_adjust_room(skb, -BLANK_PULL, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	if (skb->protocol != proto && bpf_skb_change_proto(skb, proto, 0))
		return -1;
	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &proto, sizeof(proto), 0);
}

#endif
