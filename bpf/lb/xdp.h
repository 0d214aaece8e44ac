/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The XDP door: whole for packets that can leave at once. Everything that
 * needs the stack (a neighbour to resolve, an ICMP error to send, a device that
 * takes no XDP frames, a local real server) it leaves alone, without having
 * counted it or changed its connection's state, and tc does it all.
 */
#ifndef CULVERT_BPF_LB_XDP_H
#define CULVERT_BPF_LB_XDP_H

#include "begin.h"
#include "live_back.h"
#include "live_send.h"
#include "stray.h"
#include "xdp_out.h"

static __always_inline int xdp_to_tc(void)
{
	count_cause(CV_C_PASS_TO_TC);
	return XDP_PASS;
}

/*
 * Should the kernel's neighbour table see this packet? (nexthop.h, NEIGH_TTL)
 * One packet is handed on for it, by the CPU that wins the swap.
 */
static __always_inline bool neigh_wants(struct cv_dest *dest, __u32 now, bool fresh)
{
	__u32 seen = READ_ONCE(dest->neigh_seen);

	if (likely(now - seen < (fresh ? NEIGH_TTL : NEIGH_TTL_LIVE)))
		return false;
	return __sync_val_compare_and_swap(&dest->neigh_seen, seen, now) == seen;
}

/* Masq: a client's packet on its way to the real server. */
static __noinline int xdp_send_nat(struct xdp_md *ctx, struct flow *f, __u32 slot,
				   struct cv_nexthop *nh)
{
	struct nat n = {};

	if (!f || !nh || !nat_of(f->v6, slot, false, &n))
		return XDP_DROP;
	return f->v6 ? xdp_nat_out(ctx, true, false, f, &n, nh) :
		       xdp_nat_out(ctx, false, false, f, &n, nh);
}

static __noinline int xdp_send_tunnel(struct xdp_md *ctx, struct flow *f, struct cv_dest *dest,
				      __u32 at, __be16 cport)
{
	return f && dest ? xdp_tunnel_out(ctx, f, dest, at, cport) : XDP_DROP;
}

/* Can this packet leave from XDP, all of it? Nothing has been changed yet if not. */
static __always_inline bool xdp_can_send(struct xdp_md *ctx, const struct flow *f,
					 struct cv_dest *dest, const struct cv_conn_common *c,
					 __u32 at)
{
	const struct cv_nexthop *nh = &dest->nh[at & 1];

	if (unlikely(!(nh->flags & CV_NH_XDP) || f->ttl <= 1))
		return false;
	if (likely(c->method == CV_DROUTE))
		return f->len <= nh->mtu;
	if (c->method == CV_MASQ)
		return f->len <= nh->mtu &&
		       !nat_needs_sum(f, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	return c->method == CV_TUNNEL && xdp_tunnels(f, dest, nh->mtu, at);
}

static __always_inline int xdp_send(struct xdp_md *ctx, struct flow *f, bool v6,
				    struct conn_ref *conn, bool fresh)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct cv_conn_common *c = conn->c;
	__u32 now = READ_ONCE(clock.now), index, at;
	struct cv_dest *dest;

	if (!c)
		return XDP_DROP;
	index = c->dest;
	dest = dest_at(index);
	if (unlikely(!dest))
		return xdp_to_tc();
	at = nexthop_current(ctx, dest, now);
	if (unlikely(!xdp_can_send(ctx, f, dest, c, at) || neigh_wants(dest, now, fresh) ||
		     !conn_same(conn)))
		return xdp_to_tc();
	conn_step(v6, conn, dest, f->proto, FROM_CLIENT, f->tcp_flags);
	count_packet(c);
	count_in(index, f->len);
	if (unlikely(c->method == CV_TUNNEL))
		return xdp_send_tunnel(ctx, f, dest, at, c->cport);
	if (unlikely(c->method == CV_MASQ))
		return xdp_send_nat(ctx, f, conn->slot, &dest->nh[at & 1]);
	if (data + ETH_HLEN > end || !decrease_ttl(data, end, v6))
		return XDP_DROP;
	return xdp_out(data, &dest->nh[at & 1]);
}

/* An answer on its way to the client. */
static __noinline int xdp_reply(struct xdp_md *ctx, struct flow *f, struct conn_ref *conn)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct cv_conn_common *c;
	struct cv_nexthop *nh;
	struct cv_dest *dest;
	struct nat n = {};
	__u32 index;

	if (!f || !conn || !conn->c)
		return XDP_DROP;
	c = conn->c;
	if (!nat_of(f->v6, conn->slot, true, &n))
		return XDP_DROP;
	nh = back_hop(ctx, f->v6, &f->daddr, &f->saddr, &n.to);
	index = c->dest;
	dest = dest_at(index);
	if (unlikely(!nh || !dest || !(nh->flags & CV_NH_XDP) || f->ttl <= 1 || f->len > nh->mtu ||
		     nat_needs_sum(f, data, end) || !conn_same(conn)))
		return xdp_to_tc();
	conn_step(f->v6, conn, dest, f->proto, FROM_SERVER, f->tcp_flags);
	count_out(dest, index, f->len);
	return f->v6 ? xdp_nat_out(ctx, true, true, f, &n, nh) :
		       xdp_nat_out(ctx, false, true, f, &n, nh);
}

static __always_inline int xdp_balance(struct xdp_md *ctx, struct flow *f, bool v6)
{
	struct cv_uplink *u = &uplinks[ctx->ingress_ifindex % CV_UPLINKS];
	struct decision d = { .xdp = true };
	struct conn_ref conn = {};

	if (perhaps_stray() && is_stray(f))
		return xdp_to_tc();
	if (perhaps_begins() && who_begins(f) != CV_NONE)
		return xdp_to_tc();
	switch (decide(f, v6, u->replies, &d, &conn)) {
	case V_SEND:
		if (unlikely(u->replies))
			u->replies = 0;
		return xdp_send(ctx, f, v6, &conn, d.fresh);
	case V_REPLY:
		if (unlikely(!u->replies))
			u->replies = 1;
		return xdp_reply(ctx, f, &conn);
	case V_PASS:
		return XDP_PASS;
	case V_DROP:
		count_cause(d.cause);
		return XDP_DROP;
	case V_TO_TC:
	case V_UNREACH:
	case V_CALL:
		break;
	}
	return xdp_to_tc();
}

/*
 * Is the frame for this device, and not for another on the same wire? The eight bytes at
 * the address are it and two more, which the shift leaves out.
 */
static __always_inline bool frame_is_ours(struct xdp_md *ctx, void *data)
{
	const struct cv_uplink *u = &uplinks[ctx->ingress_ifindex % CV_UPLINKS];

	return u->ifindex == ctx->ingress_ifindex &&
	       !((AT(__u64, data, 0) ^ AT(__u64, u->mac, 0)) << 16);
}

/* The way that knows all. */
static __always_inline int xdp_all(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct flow f = {};

	if (parse_frame(data, end, &f, false) != PARSED || !length_fits(&f, end - data))
		return XDP_PASS;
	return f.v6 ? xdp_balance(ctx, &f, true) : xdp_balance(ctx, &f, false);
}

/*
 * The straight ways first: where answers come in that of answers, which only masq
 * connections have.
 */
static __always_inline int xdp_door(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct cv_uplink *u = &uplinks[ctx->ingress_ifindex % CV_UPLINKS];
	int rc = LIVE_NOT;
	__be16 proto;

	if (data + ETH_HLEN > end || !settings.num_services || !frame_is_ours(ctx, data))
		return XDP_PASS;
	proto = AT(__be16, data, offsetof(struct ethhdr, h_proto));
	if (likely(!u->replies)) {
		rc = likely(proto == bpf_htons(ETH_P_IP)) ? live_xdp(ctx, false) :
							    live_door(ctx, proto);
		if (likely(rc == XDP_REDIRECT))
			return rc;
	}
	if (rc == LIVE_NOT && settings.num_masq) {
		rc = live_back(ctx, proto);
		if (rc == LIVE_NOT && u->replies)
			rc = live_door(ctx, proto);
	}
	if (rc == LIVE_NOT)
		return xdp_all(ctx);
	return rc & LIVE_OTHER ? live_send_other(ctx, rc) : rc;
}

#endif
