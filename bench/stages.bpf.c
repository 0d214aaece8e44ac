// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path's own steps, each a program that goes as far as its name says and
 * no further. Loaded with the maps of an instance in place of their own, and run
 * under the stopwatch with flows that vary, they tell where a packet's time goes.
 * A step's own time is its program's less that of the one it begins with.
 */
#include "lb/xdp.h"

static __always_inline bool parsed(struct xdp_md *ctx, struct flow *f)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return data + ETH_HLEN <= end && settings.num_services && frame_is_ours(ctx, data) &&
	       parse_frame(data, end, f, false) == PARSED && length_fits(f, end - data);
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct flow f = {};

	return parsed(ctx, &f) ? XDP_DROP : XDP_PASS;
}

/* The straight way's: the tag says all that a packet of a busy connection needs. */
SEC("xdp")
int parse_tag(struct xdp_md *ctx)
{
	struct flow f = {};
	struct live l = {};
	struct live_at at = {};

	if (!parsed(ctx, &f))
		return XDP_PASS;
	l.caddr = f.saddr;
	l.vaddr = f.daddr;
	l.ports = f.sport | (__u32)f.dport << 16;
	l.proto = f.proto;
	return (f.v6 ? live_find(true, &l, &at) : live_find(false, &l, &at)) ? XDP_DROP : XDP_PASS;
}

/* The long way's: the tag, and the entry compared. */
static __always_inline bool found(struct flow *f, struct conn_id *id)
{
	return f->v6 ? lookup(f, true, id) : lookup(f, false, id);
}

SEC("xdp")
int parse_lookup(struct xdp_md *ctx)
{
	struct conn_id id = {};
	struct flow f = {};

	return parsed(ctx, &f) && found(&f, &id) ? XDP_DROP : XDP_PASS;
}

/* What direct routing changes of a packet; no counter, no timer, no redirect. */
SEC("xdp")
int parse_lookup_rewrite(struct xdp_md *ctx)
{
	void *data, *end;
	struct cv_conn_common *c;
	struct conn_id id = {};
	struct cv_dest *dest;
	struct flow f = {};

	if (!parsed(ctx, &f) || !found(&f, &id))
		return XDP_PASS;
	c = f.v6 ? conn_at(true, id.slot) : conn_at(false, id.slot);
	dest = c ? dest_at(c->dest) : NULL;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (!dest || data + ETH_HLEN > end || !decrease_ttl(data, end, f.v6))
		return XDP_PASS;
	set_macs(data, &dest->nh[READ_ONCE(dest->nh_cur) & 1]);
	return XDP_DROP;
}

SEC("xdp")
int parse_service(struct xdp_md *ctx)
{
	struct flow f = {};

	return parsed(ctx, &f) && service_find(&f) != CV_NONE ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int parse_service_schedule(struct xdp_md *ctx)
{
	struct flow f = {};
	__u32 service;

	if (!parsed(ctx, &f))
		return XDP_PASS;
	service = service_find(&f);
	return service != CV_NONE && schedule(service, &f) < geo.max_dests ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
