/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A slave is not a hop: what the host's stack takes off the TTL on the way to or
 * from a slave is put back where the packet leaves the stack (V6). The mark
 * travels in skb->tc_index, which nothing between the two hooks writes but tc
 * itself, on the way out of the first: TC_ACT_OK sets it to tc_classid.
 */
#ifndef CULVERT_BPF_IPVLAN_TTL_H
#define CULVERT_BPF_IPVLAN_TTL_H

#include "frame.h"

#define TTL_RESTORE 0xc171 /* add one */
#define TTL_KEEP 0xc172	   /* is as sent already */

/* Reinjected at the master by us, and not to be copied to the slaves again. */
#define FROM_SLAVE 0xc173

/* Sent by the host out of the master, and turned round to a slave by us. */
#define FROM_HOST 0xc174

static __always_inline void mark(struct __sk_buff *skb, __u32 what)
{
	skb->tc_index = what;
	skb->tc_classid = what;
}

static __always_inline void ttl_set(struct __sk_buff *skb, __u32 family, __u8 from, __u8 to)
{
	if (family == AF_INET) {
		__u32 off = ETH_HLEN + offsetof(struct iphdr, ttl);

		/* The header's sum stays what it was, and so does that of the packet. */
		bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check),
				    bpf_htons(from << 8), bpf_htons(to << 8), 2);
		bpf_skb_store_bytes(skb, off, &to, 1, 0);
	} else {
		bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit), &to, 1,
				    BPF_F_RECOMPUTE_CSUM);
	}
}

/*
 * About to enter the host's stack and be forwarded there. A TTL of 1 would die in
 * it, so that one goes in as 2 and comes out as it was.
 */
static __always_inline void ttl_enter(struct __sk_buff *skb, const struct frame *f)
{
	if (likely(f->ttl > 1)) {
		mark(skb, TTL_RESTORE);
		return;
	}
	ttl_set(skb, f->family, f->ttl, 2);
	mark(skb, TTL_KEEP);
}

/* Leaves the host's stack. */
static __always_inline void ttl_leave(struct __sk_buff *skb)
{
	void *data, *end;
	struct ethhdr *eth;

	if (likely(skb->tc_index != TTL_RESTORE))
		return;
	skb->tc_index = 0;
	if (!readable(skb, ETH_HLEN + sizeof(struct iphdr)))
		return;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	eth = data;
	if (data + ETH_HLEN + sizeof(struct iphdr) > end)
		return;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + ETH_HLEN;

		ttl_set(skb, AF_INET, ip->ttl, ip->ttl + 1);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		__u8 *hops = data + ETH_HLEN + offsetof(struct ipv6hdr, hop_limit);

		ttl_set(skb, AF_INET6, *hops, *hops + 1);
	}
}

#endif
