/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight way of clients' packets (live.h): direct routing by every door,
 * masquerading and tunnels by XDP. A tag says which destination, and that one
 * the rest: the real server's address and port, or its tunnel.
 */
#ifndef CULVERT_BPF_LB_LIVE_SEND_H
#define CULVERT_BPF_LB_LIVE_SEND_H

#include "live.h"
#include "xdp_out.h"

/*
 * How a connection's packets are sent that is known by its tag: the destination's
 * flags tell, if they always have, as long as it is there.
 */
#define LIVE_METHOD (CV_DEST_METHOD | CV_DEST_MIXED | CV_DEST_AVAILABLE)
#define LIVE_BY(method) ((method) | CV_DEST_AVAILABLE)

/*
 * What the functions behind xdp_out.h go by, of a packet that live_parse() took. (Not from
 * what it found: these are functions of their own, whose stack is theirs.)
 */
static __always_inline bool live_flow(bool v6, void *data, void *end, struct flow *f)
{
	f->v6 = v6;
	if (v6) {
		struct ipv6hdr *ip = data + ETH_HLEN;

		if ((void *)(ip + 1) + sizeof(struct udphdr) > end)
			return false;
		f->proto = ip->nexthdr;
		f->len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
		f->ttl = ip->hop_limit;
		f->tos = bpf_ntohs(AT(__be16, ip, 0)) >> 4;
		f->df = true;
		__builtin_memcpy(&f->saddr, &ip->saddr, sizeof(f->saddr));
		__builtin_memcpy(&f->daddr, &ip->daddr, sizeof(f->daddr));
		f->sport = AT(__be16, ip, sizeof(*ip));
		f->dport = AT(__be16, ip, sizeof(*ip) + 2);
		return f->proto != IPPROTO_SCTP;
	}
	struct iphdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) + sizeof(struct udphdr) > end)
		return false;
	f->proto = ip->protocol;
	f->len = bpf_ntohs(ip->tot_len);
	f->ttl = ip->ttl;
	f->tos = ip->tos;
	f->df = ip->frag_off & bpf_htons(IP_DF);
	f->saddr.v4 = ip->saddr;
	f->daddr.v4 = ip->daddr;
	f->sport = AT(__be16, ip, sizeof(*ip));
	f->dport = AT(__be16, ip, sizeof(*ip) + 2);
	return f->proto != IPPROTO_SCTP;
}

/* Is there a checksum to go by? (nat_needs_sum()) */
static __always_inline bool live_summed(bool v6, void *data, const struct live *l)
{
	__u32 l4 = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));

	return l->proto == IPPROTO_TCP || AT(__u16, data, l4 + offsetof(struct udphdr, check));
}

/*
 * What live_send() returns for a packet that it has counted, and that live_send_other() is to
 * send: functions that the one calls would be more than the 512 bytes of the stack.
 */
#define LIVE_OTHER (1U << 30)
#define LIVE_IPV6 (1U << 29)
#define LIVE_TUNNEL (1U << 28)
#define LIVE_HOP_SHIFT 27 /* cv_dest.nh_cur */
#define LIVE_DEST ((1U << LIVE_HOP_SHIFT) - 1)

static __always_inline __u32 live_other_by(__u32 dest, __u32 cur, __u32 method, bool v6)
{
	return LIVE_OTHER | (v6 ? LIVE_IPV6 : 0) |
	       (method == LIVE_BY(CV_TUNNEL) ? LIVE_TUNNEL : 0) | cur << LIVE_HOP_SHIFT |
	       (dest & LIVE_DEST);
}

static __always_inline int live_nat(struct xdp_md *ctx, const struct cv_dest *d, __u32 at, bool v6)
{
	struct nat n = { .to = d->addr, .to_port = d->port };
	struct flow f;

	if (!live_flow(v6, (void *)(long)ctx->data, (void *)(long)ctx->data_end, &f))
		return XDP_DROP;
	return xdp_nat_out(ctx, v6, false, &f, &n, &d->nh[at & 1]);
}

static __always_inline int live_tunnel(struct xdp_md *ctx, const struct cv_dest *d, __u32 at,
				       bool v6)
{
	struct flow f;

	if (!live_flow(v6, (void *)(long)ctx->data, (void *)(long)ctx->data_end, &f))
		return XDP_DROP;
	return xdp_tunnel_out(ctx, &f, d, at, f.sport);
}

static __noinline int live_send_other(struct xdp_md *ctx, __u32 by)
{
	const struct cv_dest *d = dest_at(by & LIVE_DEST);
	__u32 at = by >> LIVE_HOP_SHIFT;

	if (!d)
		return XDP_DROP;
	if (by & LIVE_TUNNEL)
		return by & LIVE_IPV6 ? live_tunnel(ctx, d, at, true) :
					live_tunnel(ctx, d, at, false);
	return by & LIVE_IPV6 ? live_nat(ctx, d, at, true) : live_nat(ctx, d, at, false);
}

/* May a packet of a connection of another method than direct routing be sent from here? */
static __always_inline bool live_other(enum live_in in, bool v6, void *data, const struct live *l,
				       const struct cv_dest *d, __u32 method, __u32 at)
{
	const struct flow f = { .len = l->len };

	if (in != LIVE_XDP)
		return false;
	if (method == LIVE_BY(CV_MASQ))
		return live_summed(v6, data, l);
	return method == LIVE_BY(CV_TUNNEL) && xdp_tunnels(&f, d, d->nh[at & 1].mtu, at);
}

/* May it be sent now, from here? `method`: as LIVE_METHOD takes it from flags. */
static __always_inline bool live_ready(enum live_in in, bool v6, void *data, const struct live *l,
				       const struct cv_dest *d, __u32 cur, __u32 method)
{
	return likely(live_fresh(in, d, &d->nh[cur], l)) &&
	       (likely(method == LIVE_BY(CV_DROUTE)) ||
		live_other(in, v6, data, l, d, method, cur));
}

/* Away with it, or off to where it is. All has been looked at; `data` up to the ports, too. */
static __always_inline int live_leave(enum live_in in, bool v6, void *data, const struct live *l,
				      const struct cv_dest *d, __u32 index, __u32 cur, __u32 method)
{
	const struct cv_nexthop *nh = &d->nh[cur];

	if (unlikely(method != LIVE_BY(CV_DROUTE))) {
		count_in(index, l->len);
		return live_other_by(index, cur, method, v6);
	}
	if (in != LIVE_ROUTED)
		live_ttl(v6, data);
	live_count(index, l->len);
	set_macs(data, nh);
	return bpf_redirect(nh->ifindex, 0);
}

/* Of a connection that is LIVE: its tag says all. */
static __always_inline int live_send_known(enum live_in in, bool v6, void *data,
					   const struct live *l, const struct live_at *at)
{
	__u32 index = at->tag >> CV_TAG_DEST_SHIFT & CV_TAG_NODEST, cur, method;
	struct cv_dest *d = dest_at(index);

	if (!d || unlikely(!live_fits(v6, l, at, d)))
		return LIVE_NOT;
	method = READ_ONCE(d->flags) & LIVE_METHOD;
	cur = READ_ONCE(d->nh_cur) & 1;
	if (!live_ready(in, v6, data, l, d, cur, method) ||
	    unlikely((READ_ONCE(*at->word) ^ at->tag) & ~CV_TAG_SEEN))
		return LIVE_NOT;
	live_by_tag(at);
	return live_leave(in, v6, data, l, d, index, cur, method);
}

/* Of one that is not, or not yet: by its entry. */
static __always_inline int live_send_young(enum live_in in, bool v6, void *data,
					   const struct live *l, const struct live_at *at)
{
	__u32 now = READ_ONCE(clock.now), ctl = 0, timeout, index, cur, method;
	struct cv_conn_common *c;
	struct cv_dest *d;

	timeout = settings.timeout[l->proto == IPPROTO_TCP ? CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED :
							     CV_TIMEOUT_UDP];
	c = live_entry(v6, at->slot, l, now, timeout, &ctl);
	if (!c)
		return LIVE_NOT;
	index = c->dest;
	d = dest_at(index);
	if (!d || (c->method != CV_DROUTE && !live_may(c, ctl, d)))
		return LIVE_NOT;
	method = (READ_ONCE(d->flags) & CV_DEST_AVAILABLE) | c->method;
	cur = READ_ONCE(d->nh_cur) & 1;
	if (!live_ready(in, v6, data, l, d, cur, method) ||
	    unlikely((READ_ONCE(*at->word) ^ at->tag) & ~CV_TAG_SEEN || READ_ONCE(c->ctl) != ctl))
		return LIVE_NOT;
	live_by_entry(c, ctl, now + timeout, timeout, at, d);
	return live_leave(in, v6, data, l, d, index, cur, method);
}

static __always_inline int live_send(enum live_in in, bool v6, void *data, struct live *l)
{
	struct live_at at;

	if (!live_find(v6, l, &at))
		return LIVE_NOT;
	return likely(at.tag & CV_TAG_LIVE) ? live_send_known(in, v6, data, l, &at) :
					      live_send_young(in, v6, data, l, &at);
}

/* A frame of `size` bytes; of an skb a part may not be in sight. */
static __always_inline int live_frame(enum live_in in, void *data, void *end, __u32 size,
				      struct live *l)
{
	__be16 proto = AT(__be16, data, offsetof(struct ethhdr, h_proto));

	if (proto == bpf_htons(ETH_P_IP))
		return live_parse(in, false, false, data, end, size, l) ?
			       live_send(in, false, data, l) :
			       LIVE_NOT;
	if (proto == bpf_htons(ETH_P_IPV6))
		return live_parse(in, true, false, data, end, size, l) ?
			       live_send(in, true, data, l) :
			       LIVE_NOT;
	return LIVE_NOT;
}

/* By XDP, whose door has looked at device and family: a function for each, so that either has its registers to itself. */
static __always_inline int live_xdp(struct xdp_md *ctx, bool v6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct live l = {};

	return live_parse(LIVE_XDP, v6, false, data, end, end - data, &l) ?
		       live_send(LIVE_XDP, v6, data, &l) :
		       LIVE_NOT;
}

static __noinline int live_xdp4(struct xdp_md *ctx)
{
	return live_xdp(ctx, false);
}

static __noinline int live_xdp6(struct xdp_md *ctx)
{
	return live_xdp(ctx, true);
}

static __always_inline int live_door(struct xdp_md *ctx, __be16 proto)
{
	if (likely(proto == bpf_htons(ETH_P_IP)))
		return live_xdp4(ctx);
	return proto == bpf_htons(ETH_P_IPV6) ? live_xdp6(ctx) : LIVE_NOT;
}

/*
 * The same from tc, with the MAC addresses that are known in place of the kernel's
 * neighbour output. The device and its services were looked at. A GSO packet is
 * one of several. (Functions, not inlined: the 512 bytes of the stack.)
 */
static __always_inline int live_skb(enum live_in in, struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct live l = {};
	int rc;

	if (data + ETH_HLEN > end || skb->gso_segs > 1)
		return LIVE_NOT;
	rc = live_frame(in, data, end, skb->len, &l);
	if (rc != LIVE_NOT)
		skb_hash(skb, l.client);
	return rc;
}

static __noinline int live_tc(struct __sk_buff *skb)
{
	return live_skb(LIVE_TC, skb);
}

static __noinline int live_routed(struct __sk_buff *skb)
{
	return live_skb(LIVE_ROUTED, skb);
}

#endif
