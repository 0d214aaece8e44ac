/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The XDP door: whole for packets that can leave at once. Everything that
 * needs the stack (a neighbour to resolve, an ICMP error to send, a device that
 * takes no XDP frames, a local real server) it leaves alone, without having
 * counted it or changed its connection's state, and tc does it all.
 */
#ifndef CULVERT_BPF_LB_XDP_H
#define CULVERT_BPF_LB_XDP_H

#include "decide.h"
#include "xmit_dr.h"

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

static __always_inline int xdp_send(struct xdp_md *ctx, struct flow *f, bool v6, struct conn_ref *conn,
					 bool fresh)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct cv_conn_common *c = conn->c;
	__u32 now = READ_ONCE(clock.now), index;
	struct cv_nexthop *nh;
	struct cv_dest *dest;

	if (!c)
		return XDP_DROP;
	index = c->dest;
	dest = dest_at(index);
	if (unlikely(!dest || c->method != CV_DROUTE || f->ttl <= 1))
		return xdp_to_tc();
	nh = nexthop_of(ctx, dest, now);
	if (unlikely(!(nh->flags & CV_NH_XDP) || f->len > nh->mtu || neigh_wants(dest, now, fresh)))
		return xdp_to_tc();
	if (unlikely(!conn_same(conn)))
		return xdp_to_tc();
	conn_step(conn, dest, f->proto, FROM_CLIENT, f->tcp_flags);
	c->in_pkts++;
	count_in(index, f->len);
	if (data + ETH_HLEN > end || !decrease_ttl(data, end, v6))
		return XDP_DROP;
	set_macs(data, nh);
	return bpf_redirect(nh->ifindex, 0);
}

static __always_inline int xdp_balance(struct xdp_md *ctx, struct flow *f, bool v6)
{
	struct decision d = {};
	struct conn_ref conn = {};

	switch (decide(f, v6, &d, &conn)) {
	case V_SEND:
		return xdp_send(ctx, f, v6, &conn, d.fresh);
	case V_PASS:
		return XDP_PASS;
	case V_DROP:
		count_cause(d.cause);
		return XDP_DROP;
	case V_UNREACH:
		break;
	}
	return xdp_to_tc();
}

/* Is the frame for this device, and not for another on the same wire? */
static __always_inline bool frame_is_ours(struct xdp_md *ctx, const struct ethhdr *eth)
{
	const struct cv_uplink *u = &uplinks[ctx->ingress_ifindex % CV_UPLINKS];

	return u->ifindex == ctx->ingress_ifindex && *(__u32 *)eth->h_dest == *(__u32 *)u->mac &&
	       *(__u16 *)(eth->h_dest + 4) == *(__u16 *)(u->mac + 4);
}

static __always_inline int xdp_door(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct flow f = {};

	if (!settings.num_services || parse_frame(data, end, &f, false) != PARSED ||
	    !frame_is_ours(ctx, data) || !length_fits(&f, end - data))
		return XDP_PASS;
	return f.v6 ? xdp_balance(ctx, &f, true) : xdp_balance(ctx, &f, false);
}

#endif
