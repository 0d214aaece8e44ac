/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * l3, out of a slave: while the host has nothing but routes that could look at the
 * packet (bare.h), it goes by the host's route straight to the wire. Whatever is
 * out of the ordinary takes the way through the host's stack.
 */
#ifndef CULVERT_BPF_IPVLAN_STRAIGHT_H
#define CULVERT_BPF_IPVLAN_STRAIGHT_H

#include "frame.h"

#define IP_MAX_SIZE 0xffff
#define TCP_HEADER_WORDS 12 /* the byte whose upper half says how many */
#define IPTOS_CLASS 0xfc    /* all but the bits of ECN */

/*
 * What a packet will take on the wire, behind the Ethernet header. Of large ones to be segmented those of
 * plain TCP are known; others (UDP, which may be a tunnel's) are the stack's.
 */
static __always_inline __u32 wire_size(struct __sk_buff *skb, const struct frame *f)
{
	__u32 ip = f->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u8 *words = (void *)(long)skb->data + ETH_HLEN + ip + TCP_HEADER_WORDS;

	if (!skb->gso_size)
		return skb->len - ETH_HLEN;
	if (f->proto != IPPROTO_TCP || (void *)(words + 1) > (void *)(long)skb->data_end)
		return IP_MAX_SIZE + 1;
	return ip + (*words >> 4) * 4 + skb->gso_size;
}

/* Options, a hop-by-hop header and a class of service are the stack's: it acts on them when it forwards. */
static __always_inline bool is_ordinary(struct __sk_buff *skb, const struct frame *f)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

	if (skb->mark || f->ttl <= 1)
		return false;
	if (f->family != AF_INET)
		return f->proto != IPPROTO_HOPOPTS;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return false;
	return ip->ihl == 5 && !(ip->tos & IPTOS_CLASS) && f->dst.b[0];
}

/* ---- where the host's routes send it ----------------------------------------------- */

static __always_inline __u32 route_hash(__u32 slave, const struct frame *f)
{
	__u32 hash = (slave ^ f->src.w[0] ^ f->src.w[3]) * 0x9e3779b1U;

	return remembered_at(hash ^ f->dst.w[0] ^ f->dst.w[2] ^ f->dst.w[3]);
}

static __always_inline bool route_is_of(const struct cv_ipv_route *r, __u32 slave,
					const struct frame *f, __u64 tick)
{
	return r->tick == tick && r->slave == slave && r->family == f->family &&
	       r->flow == f->flow && addr_same(&r->dst, &f->dst) && addr_same(&r->src, &f->src);
}

static __always_inline long route_ask(struct __sk_buff *skb, struct bpf_fib_lookup *fib,
				      const struct frame *f, __u32 flags)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->family = f->family;
	fib->ifindex = skb->ifindex;
	fib->l4_protocol = f->proto;
	fib->tot_len = 1; /* that asks for the route's MTU */
	fib_addresses(fib, f);
	return bpf_fib_lookup(skb, fib, sizeof(*fib), flags);
}

/* The device that the host would send it by; 0: the host's own affair. */
static __noinline __u32 route_look_up(struct __sk_buff *skb, struct cv_ipv_route *r,
				      const struct frame *f)
{
	struct bpf_fib_lookup fib;
	long rc = route_ask(skb, &fib, f, 0);

	r->known = rc ? CV_IPV_MACS_UNKNOWN : CV_IPV_MACS_NEW;
	__builtin_memcpy(r->macs, fib.dmac, ETH_ALEN);
	__builtin_memcpy(r->macs + ETH_ALEN, fib.smac, ETH_ALEN);
	/* Nor does the kernel tell the MTU then. */
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH)
		rc = route_ask(skb, &fib, f, BPF_FIB_LOOKUP_SKIP_NEIGH);
	if (rc)
		return 0;
	r->next_hop_family = fib.family;
	__builtin_memcpy(&r->next_hop, fib.ipv6_dst, sizeof(r->next_hop));
	r->mtu = fib.mtu_result;
	return fib.ifindex;
}

/*
 * The route that the packet takes out of `out`, if it fits it. A route is looked up once in a tick of the
 * kernel's clock for all packets that are alike, by a program that cannot be interrupted by another of its
 * kind on its CPU: softirq (V7).
 */
static __always_inline struct cv_ipv_route *route_of(struct __sk_buff *skb, __u32 slave,
						     const struct frame *f, __u32 out)
{
	__u32 at = route_hash(slave, f);
	struct cv_ipv_route *r = bpf_map_lookup_elem(&routes, &at);
	__u64 tick = bpf_jiffies64();

	if (!r)
		return NULL;
	if (unlikely(!route_is_of(r, slave, f, tick))) {
		if (route_look_up(skb, r, f) != out)
			r->mtu = 0;
		r->tick = tick;
		r->slave = slave;
		r->family = f->family;
		r->flow = f->flow;
		r->src = f->src;
		r->dst = f->dst;
	}
	return wire_size(skb, f) <= r->mtu ? r : NULL;
}

/*
 * Out of the master to its next hop. The first packet in a tick goes by the kernel's table of neighbours,
 * which so learns that this one is in use and asks for it again in time; the others with the MAC address
 * that the neighbour had then.
 */
static __always_inline int route_take(struct __sk_buff *skb, struct cv_ipv_route *r, __u32 out)
{
	struct bpf_redir_neigh nh = { .nh_family = r->next_hop_family };

	if (likely(r->known == CV_IPV_MACS_KNOWN) &&
	    !bpf_skb_store_bytes(skb, 0, r->macs, sizeof(r->macs), 0))
		return bpf_redirect(out, 0);
	if (r->known == CV_IPV_MACS_NEW)
		r->known = CV_IPV_MACS_KNOWN;
	__builtin_memcpy(nh.ipv6_nh, &r->next_hop, sizeof(nh.ipv6_nh));
	return bpf_redirect_neigh(out, &nh, sizeof(nh), 0);
}

#endif
