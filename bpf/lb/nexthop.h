/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A destination's next hop: found with bpf_fib_lookup(), kept in the
 * destination, looked up anew once a second by the packet that comes next.
 */
#ifndef CULVERT_BPF_LB_NEXTHOP_H
#define CULVERT_BPF_LB_NEXTHOP_H

#include "dest.h"

/* How long a next hop is believed. A real server whose MAC changes is followed within this. */
#define NEXTHOP_TTL CV_HZ

/*
 * XDP redirects past the neighbour table, which would then never ask again
 * whether a real server is alive (NUD). So a packet a second goes through the
 * kernel's neighbour output (tc, bpf_redirect_neigh): the first packet of a new
 * connection, which nothing can overtake; without new ones, after a while, any.
 */
#define NEIGH_TTL CV_HZ
#define NEIGH_TTL_LIVE (16 * CV_HZ)

/*
 * Looks up the route as the director's own stack would for a packet of its own
 * (IPVS routes to the real server with ip_route_output_key()): from the
 * loopback device, whose forwarding switch the library turns on, because
 * bpf_fib_lookup() refuses devices that do not forward.
 */
#define LOOPBACK_IFINDEX 1

/*
 * Fills *nh and *gw. bpf_fib_lookup() returns, and what becomes of it:
 *   SUCCESS         route and neighbour: the MACs are known
 *   NO_NEIGH        route, no neighbour: tc lets the kernel resolve it
 *   FRAG_NEEDED     does not come: the length given is 1, to learn the MTU
 *   NOT_FWDED       a local (or broadcast) address: pass up the local stack
 *   others          no route (unreachable, blackhole, prohibit, ...)
 */
static __always_inline void nexthop_lookup(void *ctx, const union cv_addr *addr, bool v6, struct cv_nexthop *nh,
					   union cv_addr *gw, __u32 *gw_family)
{
	struct bpf_fib_lookup fib = {};
	struct cv_device *dev;
	long rc;

	fib.family = v6 ? AF_INET6 : AF_INET;
	fib.ifindex = LOOPBACK_IFINDEX;
	fib.tot_len = 1;
	if (v6)
		__builtin_memcpy(fib.ipv6_dst, addr, sizeof(*addr));
	else
		fib.ipv4_dst = addr->v4;
	rc = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	__builtin_memset(nh, 0, sizeof(*nh));
	if (rc == BPF_FIB_LKUP_RET_NOT_FWDED) {
		nh->flags = CV_NH_LOCAL;
		return;
	}
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
		return;
	nh->ifindex = fib.ifindex;
	nh->mtu = fib.mtu_result;
	*gw_family = fib.family;
	__builtin_memset(gw, 0, sizeof(*gw));
	if (fib.family == AF_INET6)
		__builtin_memcpy(gw, fib.ipv6_dst, sizeof(*gw));
	else
		gw->v4 = fib.ipv4_dst;
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH) {
		nh->flags = CV_NH_UNRESOLVED;
		return;
	}
	__builtin_memcpy(nh->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(nh->smac, fib.smac, ETH_ALEN);
	dev = bpf_map_lookup_elem(&devices, &nh->ifindex);
	if (dev && dev->flags & CV_DEV_XDP_XMIT)
		nh->flags = CV_NH_XDP;
}

/*
 * The one of many CPUs that moves *due forward does the work. A *due further
 * ahead than any period is not a time that anybody set, and is due as well.
 */
static __always_inline bool claim(__u32 *due, __u32 now, __u32 period)
{
	__u32 was = READ_ONCE(*due);

	if (likely(was - now - 1 < NEIGH_TTL_LIVE))
		return false;
	return __sync_val_compare_and_swap(due, was, now + period) == was;
}

static __noinline int nexthop_refresh(void *ctx, struct cv_dest *d)
{
	struct cv_nexthop nh;
	union cv_addr gw = {};
	__u32 family = 0, next;

	if (!d)
		return 0;
	nexthop_lookup(ctx, &d->addr, d->flags & CV_DEST_IPV6, &nh, &gw, &family);
	next = (d->nh_cur & 1) ^ 1;
	d->nh[next] = nh;
	d->gw[next] = gw;
	d->gw_family[next] = family;
	__sync_lock_test_and_set(&d->nh_cur, next);
	/* Not there yet: ask again at the next tick. */
	if (!nh.ifindex || nh.flags & CV_NH_UNRESOLVED)
		WRITE_ONCE(d->nh_due, READ_ONCE(clock.now) + 1);
	return 0;
}

static __always_inline struct cv_nexthop *nexthop_of(void *ctx, struct cv_dest *d, __u32 now)
{
	if (unlikely(claim(&d->nh_due, now, NEXTHOP_TTL)))
		nexthop_refresh(ctx, d);
	return &d->nh[READ_ONCE(d->nh_cur) & 1];
}

#endif
