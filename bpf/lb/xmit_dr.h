/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct routing: the packet goes to the real server's next hop as it is, but
 * for the link layer and one hop of its TTL (ip_vs_dr_xmit()).
 */
#ifndef CULVERT_BPF_LB_XMIT_DR_H
#define CULVERT_BPF_LB_XMIT_DR_H

#include "../packet.h"

/* One hop less. RFC 1624, eqn. 3: the TTL is the high byte of its word. */
static __always_inline void ipv4_decrease_ttl(struct iphdr *ip)
{
	__u32 sum = (__u32)ip->check + bpf_htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

/* One hop less for the packet behind `eth`, whose bounds this checks. */
static __always_inline bool decrease_ttl(struct ethhdr *eth, void *end, bool v6)
{
	if (v6) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return false;
		ip->hop_limit--;
		return true;
	}
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end)
		return false;
	ipv4_decrease_ttl(ip);
	return true;
}

/* Takes back what the host's forwarding took, likewise. */
static __always_inline bool increase_ttl(struct ethhdr *eth, void *end, bool v6)
{
	if (v6) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return false;
		ip->hop_limit++;
		return true;
	}
	struct iphdr *ip = (void *)(eth + 1);
	__u32 sum;

	if ((void *)(ip + 1) > end)
		return false;
	sum = (__u32)ip->check + (__u16)~bpf_htons(0x0100);
	ip->check = sum + (sum >> 16);
	ip->ttl++;
	return true;
}

static __always_inline void set_macs(struct ethhdr *eth, const struct cv_nexthop *nh)
{
	/* Both at once, in words: dmac and smac stand side by side there as here. */
	*(__u64 *)eth = *(const __u64 *)nh->dmac;
	((__u32 *)eth)[2] = ((const __u32 *)nh->dmac)[2];
}

#endif
