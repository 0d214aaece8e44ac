/* SPDX-License-Identifier: GPL-2.0-only */
/* How frames leave from XDP, when all is known of the way: by every method. */
#ifndef CULVERT_BPF_LB_XDP_OUT_H
#define CULVERT_BPF_LB_XDP_OUT_H

#include "xmit_dr.h"
#include "xmit_nat.h"
#include "xmit_tunnel.h"

static __always_inline int xdp_out(struct ethhdr *eth, const struct cv_nexthop *nh)
{
	set_macs(eth, nh);
	count_cause(CV_C_SENT);
	return bpf_redirect(nh->ifindex, 0);
}

/* Rewritten, one hop less, and out. */
static __always_inline int xdp_nat_out(struct xdp_md *ctx, bool v6, bool source,
				       const struct flow *f, const struct nat *n,
				       const struct cv_nexthop *nh)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (!nat_write(v6, source, data, end, f, n) || data + ETH_HLEN > end ||
	    !decrease_ttl(data, end, v6))
		return XDP_DROP;
	return xdp_out(data, nh);
}

/*
 * Tunnel: the frame grows at its front. Checksums over the payload (GRE, GUE
 * with --tun-csum) are tc's.
 */
static __always_inline bool xdp_tunnels(const struct flow *f, const struct cv_dest *dest, __u32 mtu,
					__u32 at)
{
	return !(dest->tun_flags & (CV_TUN_CSUM | CV_TUN_REMCSUM)) &&
	       f->len + tun_overhead(dest) <= mtu && mtu >= tun_least(dest) + tun_overhead(dest) &&
	       f->len >= sizeof(struct ipv6hdr) &&
	       (dest->src[at & 1].q[0] || dest->src_default.q[0]);
}

/* Of a packet that xdp_tunnels(): one of TUN_MOST bytes at least, with what is put in front of it. */
static __always_inline int xdp_tunnel_out(struct xdp_md *ctx, const struct flow *f,
					  const struct cv_dest *dest, __u32 at, __be16 cport)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tun_plan plan;
	struct ethhdr *eth;

	at &= 1;
	tun_plan(dest, dest->src[at].q[0] ? &dest->src[at] : &dest->src_default, f, cport, &plan);
	if (data + ETH_HLEN > end || !decrease_ttl(data, end, f->v6) ||
	    bpf_xdp_adjust_head(ctx, -(int)tun_overhead(dest)))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + TUN_MOST > end)
		return XDP_DROP;
	eth = data;
	eth->h_proto = plan.v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	tun_write(&plan, data + ETH_HLEN);
	return xdp_out(eth, &dest->nh[at]);
}

#endif
