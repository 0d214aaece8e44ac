/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight way of answers (live.h): what a masq connection's real server sends
 * to the client, by XDP. The client's end finds the tags; the tag's destination has
 * to be the sender, and is the only one to say which virtual address the client
 * knows it by. Unlike a client's stray segment, an answer that is none must pass
 * unchanged (a server may talk to somebody by itself), so cv_keys are always compared.
 */
#ifndef CULVERT_BPF_LB_LIVE_BACK_H
#define CULVERT_BPF_LB_LIVE_BACK_H

#include "live_send.h"

/* Is the destination, which has one virtual address only, reached by masquerading, and the sender? */
static __always_inline bool live_is_from(bool v6, const struct cv_dest *d, const struct live *l)
{
	if ((READ_ONCE(d->flags) & LIVE_METHOD) != LIVE_BY(CV_MASQ) || !READ_ONCE(d->vip_key) ||
	    d->port != l->ports >> 16)
		return false;
	return v6 ? same_addr(&d->addr, &l->vaddr) : d->addr.v4 == l->vaddr.v4;
}

static __always_inline int live_rewritten(struct xdp_md *ctx, bool v6, const struct live *l,
					  const struct cv_dest *d, const struct cv_nexthop *nh)
{
	const struct nat n = { .to = d->owner.addr, .to_port = d->owner.port, .source = true };
	const struct flow f = { .saddr = l->vaddr,
				.sport = l->ports >> 16,
				.proto = l->proto == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP };

	return xdp_nat_out(ctx, v6, true, &f, &n, nh);
}

static __always_inline int live_answered(struct xdp_md *ctx, void *data, bool v6, struct live *l)
{
	struct cv_nexthop *nh;
	struct live_at at;
	struct cv_dest *d;
	__u32 index;

	if (!live_find(v6, l, &at) || !(at.tag & CV_TAG_LIVE))
		return LIVE_NOT;
	index = at.tag >> CV_TAG_DEST_SHIFT & CV_TAG_NODEST;
	d = dest_at(index);
	if (!d || !live_is_from(v6, d, l) || !live_has_key(v6, &at, d->vip_key) ||
	    !live_summed(v6, data, l))
		return LIVE_NOT;
	nh = back_hop(ctx, v6, &l->caddr, &l->vaddr, &d->owner.addr);
	if (!nh || !(nh->flags & CV_NH_XDP) || l->len > nh->mtu ||
	    (READ_ONCE(*at.word) ^ at.tag) & ~CV_TAG_SEEN)
		return LIVE_NOT;
	live_by_tag(&at);
	count_out(d, index, l->len);
	return live_rewritten(ctx, v6, l, d, nh);
}

static __always_inline int live_back_of(struct xdp_md *ctx, bool v6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct live l = {};

	return live_parse(LIVE_XDP, v6, true, data, end, end - data, &l) ?
		       live_answered(ctx, data, v6, &l) :
		       LIVE_NOT;
}

static __noinline int live_back4(struct xdp_md *ctx)
{
	return live_back_of(ctx, false);
}

static __noinline int live_back6(struct xdp_md *ctx)
{
	return live_back_of(ctx, true);
}

static __always_inline int live_back(struct xdp_md *ctx, __be16 proto)
{
	if (likely(proto == bpf_htons(ETH_P_IP)))
		return live_back4(ctx);
	return proto == bpf_htons(ETH_P_IPV6) ? live_back6(ctx) : LIVE_NOT;
}

#endif
