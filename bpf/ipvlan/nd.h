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
#define ND_MAX_OPTIONS 8
#define ND_MAX_EXTENSIONS 8
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

/* Where the options of a message of this type begin; slaves send three of the five types. */
static __always_inline __u32 nd_options(__u8 type)
{
	return type == ND_ROUTER_SOLICIT ? ND_TARGET : ND_OPTIONS;
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

/* False: it has more options than anybody needs, and what stands behind them was not looked at. */
static __always_inline bool nd_sanitise(struct __sk_buff *skb, __u8 type, __u64 mac)
{
	__u32 off = nd_options(type);
	struct nd_option opt;

	for (int i = 0; i < ND_MAX_OPTIONS; i++) {
		if (bpf_skb_load_bytes(skb, off, &opt, sizeof(opt)) || !opt.len)
			return true;
		if ((opt.type == ND_OPT_SOURCE || opt.type == ND_OPT_TARGET) && opt.len == 1)
			nd_option_set(skb, off, &opt, mac);
		off += opt.len * 8;
	}
	return bpf_skb_load_bytes(skb, off, &opt, sizeof(opt));
}

static __always_inline bool is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_AH || proto == IPPROTO_MH;
}

static __always_inline bool is_nd_type(__u8 type)
{
	return type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT;
}

/* Of one extension header: what follows it, and its length in bytes; 0: it cannot be read. */
static __always_inline __u32 extension(struct __sk_buff *skb, __u32 off, __u8 *proto)
{
	struct {
		__u8 next;
		__u8 len;
	} head;
	__u8 is = *proto;

	if (bpf_skb_load_bytes(skb, off, &head, sizeof(head)))
		return 0;
	*proto = head.next;
	if (is == IPPROTO_FRAGMENT)
		return 8;
	return is == IPPROTO_AH ? (head.len + 2) * 4 : (head.len + 1) * 8;
}

/*
 * Neighbour discovery behind extension headers: nobody sends that honestly, and a
 * receiver would take it (RFC 7113, 6980). It must have a hop limit of 255, so
 * that only such packets pay for being looked into. What cannot be is hidden well.
 */
static __always_inline bool nd_is_hidden(struct __sk_buff *skb, const struct frame *f)
{
	__u32 off = ETH_HLEN + sizeof(struct ipv6hdr), len;
	__u8 proto = f->proto, type;

	if (likely(f->family != AF_INET6 || f->ttl != 255 || !is_extension(proto)))
		return false;
	for (int i = 0; i < ND_MAX_EXTENSIONS; i++) {
		if (proto == IPPROTO_ICMPV6)
			return bpf_skb_load_bytes(skb, off, &type, 1) || is_nd_type(type);
		if (!is_extension(proto))
			return false;
		len = extension(skb, off, &proto);
		if (!len)
			return true;
		off += len;
	}
	return true;
}

static __always_inline bool nd_target(struct __sk_buff *skb, union cv_addr *target)
{
	return !bpf_skb_load_bytes(skb, ND_TARGET, target, sizeof(*target));
}

#endif
