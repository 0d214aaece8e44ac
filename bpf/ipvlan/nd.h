/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ARP and neighbour discovery name MAC addresses in their payload. A tenant that
 * gave its end another address must not teach that one to its neighbours: what
 * leaves a slave names the master's.
 */
#ifndef CULVERT_BPF_IPVLAN_ND_H
#define CULVERT_BPF_IPVLAN_ND_H

#include "frame.h"

#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2
#define ND_MAX_OPTIONS 4
#define ICMP6_CHECK (ETH_HLEN + sizeof(struct ipv6hdr) + offsetof(struct icmp6hdr, icmp6_cksum))

struct nd_option {
	__u8 type;
	__u8 len; /* in units of 8 bytes */
	__u8 mac[ETH_ALEN];
} __attribute__((packed));

static __always_inline void arp_sanitise(struct __sk_buff *skb, __u64 mac)
{
	bpf_skb_store_bytes(skb, ARP_SHA, &mac, ETH_ALEN, 0);
}

/* Where the options of a message of this type begin. */
static __always_inline __u32 nd_options(__u8 type)
{
	if (type == ND_ROUTER_SOLICIT)
		return ND_TARGET;
	if (type == ND_ROUTER_ADVERT)
		return ND_TARGET + 8;
	if (type == ND_REDIRECT)
		return ND_OPTIONS + 16;
	return ND_OPTIONS;
}

static __always_inline void nd_option_set(struct __sk_buff *skb, __u32 off, struct nd_option *old,
					  __u64 mac)
{
	struct nd_option new = *old;
	__s64 diff;

	if (mac_at(old->mac) == mac)
		return;
	__builtin_memcpy(new.mac, &mac, ETH_ALEN);
	diff = bpf_csum_diff((__be32 *)old, sizeof(*old), (__be32 *)&new, sizeof(new), 0);
	bpf_skb_store_bytes(skb, off, &new, sizeof(new), BPF_F_RECOMPUTE_CSUM);
	bpf_l4_csum_replace(skb, ICMP6_CHECK, 0, diff, BPF_F_PSEUDO_HDR);
}

static __always_inline void nd_sanitise(struct __sk_buff *skb, __u8 type, __u64 mac)
{
	__u32 off = nd_options(type);

	for (int i = 0; i < ND_MAX_OPTIONS; i++) {
		struct nd_option opt;

		if (bpf_skb_load_bytes(skb, off, &opt, sizeof(opt)) || !opt.len)
			return;
		if ((opt.type == ND_OPT_SOURCE || opt.type == ND_OPT_TARGET) && opt.len == 1)
			nd_option_set(skb, off, &opt, mac);
		off += opt.len * 8;
	}
}

static __always_inline bool nd_target(struct __sk_buff *skb, union cv_addr *target)
{
	return !bpf_skb_load_bytes(skb, ND_TARGET, target, sizeof(*target));
}

#endif
