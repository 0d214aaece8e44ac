/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A destination's next hop: found with bpf_fib_lookup(), kept in the
 * destination, looked up anew once a second by the packet that comes next.
 */
#ifndef CULVERT_BPF_LB_NEXTHOP_H
#define CULVERT_BPF_LB_NEXTHOP_H

#include "../packet.h"
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

/* A next hop with all that goes with it. */
struct hop {
	struct cv_nexthop nh;
	union cv_addr gw;
	__u32 family;	   /* of gw */
	union cv_addr src; /* the source address that the route prefers; zero if not known */
};

#define FIB_LOOKUP_SRC (1U << 4) /* BPF_FIB_LOOKUP_SRC of Linux 6.7 */

/*
 * What is asked besides the destination, for rules that go by it: the source, or
 * NULL, and the device that the packet came in by, or LOOPBACK_IFINDEX.
 */
struct route_of {
	const union cv_addr *from;
	__u32 iif;
};

/* What is asked, and the answer: 64 bytes that the stack has no room for. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_fib_lookup);
} questions SEC(".maps");

static __always_inline void fib_ask(struct bpf_fib_lookup *fib, const union cv_addr *addr, bool v6,
				    const struct route_of *of, __u16 len)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->family = v6 ? AF_INET6 : AF_INET;
	fib->ifindex = of->iif;
	fib->tot_len = len;
	if (v6) {
		__builtin_memcpy(fib->ipv6_dst, addr, sizeof(*addr));
		if (of->from)
			__builtin_memcpy(fib->ipv6_src, of->from, sizeof(*addr));
	} else {
		fib->ipv4_dst = addr->v4;
		if (of->from)
			fib->ipv4_src = of->from->v4;
	}
}

/*
 * Fills *hop. bpf_fib_lookup() returns, and what becomes of it:
 *   SUCCESS         route and neighbour: the MACs are known
 *   NO_NEIGH        route, no neighbour: tc lets the kernel resolve it. The
 *                   MTU is not told then, but to a packet that is too large
 *   FRAG_NEEDED     does not come: the length given is 1, to learn the MTU
 *   NOT_FWDED       a local (or broadcast) address: pass up the local stack; or
 *                   no route at all: see nexthop_judge()
 *   (culvert0)      a virtual address, which the director's own packets are
 *                   led there for: it is not anybody else's, so local
 *   FWD_DISABLED    the administrator turned forwarding off everywhere, and
 *                   loopback's with it: nothing is known; until the next command
 *                   turns that on again, what was known stands
 *   others          no route (unreachable, blackhole, prohibit, ...)
 */
static __always_inline long route_lookup(void *ctx, const union cv_addr *addr, bool v6,
					 const struct route_of *of, struct hop *hop)
{
	__u32 zero = 0, ifindex;
	struct bpf_fib_lookup *fib = bpf_map_lookup_elem(&questions, &zero);
	struct cv_device *dev;
	long rc;

	if (!fib)
		return BPF_FIB_LKUP_RET_UNREACHABLE;
	fib_ask(fib, addr, v6, of, 1);
	rc = bpf_fib_lookup(ctx, fib, sizeof(*fib), geo.fib_src ? FIB_LOOKUP_SRC : 0);
	__builtin_memset(hop, 0, sizeof(*hop));
	if (rc == BPF_FIB_LKUP_RET_NOT_FWDED) {
		hop->nh.flags = CV_NH_LOCAL;
		return rc;
	}
	if (settings.culvert0 && fib->ifindex == settings.culvert0) {
		hop->nh.flags = CV_NH_LOCAL | CV_NH_VIRTUAL;
		return rc;
	}
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
		return rc;
	hop->nh.ifindex = fib->ifindex;
	hop->nh.mtu = rc == BPF_FIB_LKUP_RET_SUCCESS ? fib->mtu_result : 0;
	hop->family = fib->family;
	if (fib->family == AF_INET6)
		__builtin_memcpy(&hop->gw, fib->ipv6_dst, sizeof(hop->gw));
	else
		hop->gw.v4 = fib->ipv4_dst;
	if (v6 && !of->from)
		__builtin_memcpy(&hop->src, fib->ipv6_src, sizeof(hop->src));
	else if (!of->from)
		hop->src.v4 = fib->ipv4_src;
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH) {
		hop->nh.flags = CV_NH_UNRESOLVED;
		fib_ask(fib, addr, v6, of, 0xffff);
		if (bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) == BPF_FIB_LKUP_RET_FRAG_NEEDED)
			hop->nh.mtu = fib->mtu_result;
		return rc;
	}
	__builtin_memcpy(hop->nh.dmac, fib->dmac, ETH_ALEN);
	__builtin_memcpy(hop->nh.smac, fib->smac, ETH_ALEN);
	ifindex = fib->ifindex; /* 6.1 takes no key from a global function's argument */
	dev = bpf_map_lookup_elem(&devices, &ifindex);
	if (dev && dev->flags & CV_DEV_XDP_XMIT)
		hop->nh.flags = CV_NH_XDP;
	return rc;
}

static __always_inline long nexthop_lookup(void *ctx, const union cv_addr *addr, bool v6,
					   struct hop *hop)
{
	const struct route_of own = { .iif = LOOPBACK_IFINDEX };

	return route_lookup(ctx, addr, v6, &own, hop);
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

/*
 * Of a destination: whether its address is the director's own, or there is no
 * route, bpf_fib_lookup() does not tell apart. The library found out when the
 * destination was added or edited.
 */
static __always_inline void nexthop_judge(const struct cv_dest *d, struct hop *hop)
{
	if (hop->nh.flags & CV_NH_LOCAL && !(d->flags & CV_DEST_LOCAL) &&
	    !(hop->nh.flags & CV_NH_VIRTUAL))
		hop->nh.flags = CV_NH_LOST;
}

/*
 * A neighbour that does not answer: the kernel asks three times, a second apart, and
 * then answers what waited with "host unreachable". What culvert sends has no
 * route of the stack's with it (skb_dst()), by which the kernel would know whom
 * to tell; so it answers itself, what comes from then on. A packet now and then goes
 * the neighbour's way still and makes the kernel ask anew, the others hear at once. What
 * comes after a pause begins from the beginning.
 */
#define NEIGH_GIVES_UP (3 * CV_HZ)
#define NEIGH_ASKS_ANEW (NEIGH_GIVES_UP + CV_HZ / 2)
#define NEIGH_FORGOTTEN (5 * CV_HZ)

static __always_inline bool neigh_silent(struct cv_dest *d, __u32 now)
{
	__u32 asked = READ_ONCE(d->neigh_asked);

	if (!asked || now - asked >= NEIGH_FORGOTTEN) {
		WRITE_ONCE(d->silent_since, now);
		WRITE_ONCE(d->neigh_asked, now | 1);
		return false;
	}
	if (now - READ_ONCE(d->silent_since) < NEIGH_GIVES_UP)
		return false;
	return now - asked < NEIGH_ASKS_ANEW ||
	       __sync_val_compare_and_swap(&d->neigh_asked, asked, now | 1) != asked;
}

/* The way may be narrower than its first link: for ten minutes, as of the stack's own (net.ipv4.route.mtu_expires). */
#define PMTU_STANDS (600 * CV_HZ)
#define PMTU_LEAST 552 /* net.ipv4.route.min_pmtu */

static __always_inline void nexthop_narrow(const struct cv_dest *d, struct cv_nexthop *nh)
{
	__u32 pmtu = READ_ONCE(d->pmtu);

	if (unlikely(pmtu) && cv_before(READ_ONCE(clock.now), READ_ONCE(d->pmtu_until)) &&
	    (!nh->mtu || pmtu < nh->mtu))
		nh->mtu = pmtu;
}

static __noinline int nexthop_refresh(void *ctx, struct cv_dest *d)
{
	struct hop hop = {};
	__u32 next;

	if (!d)
		return 0;
	if (nexthop_lookup(ctx, &d->addr, d->flags & CV_DEST_IPV6, &hop) ==
	    BPF_FIB_LKUP_RET_FWD_DISABLED)
		return 0;
	nexthop_judge(d, &hop);
	nexthop_narrow(d, &hop.nh);
	next = (d->nh_cur & 1) ^ 1;
	d->nh[next] = hop.nh;
	d->gw[next] = hop.gw;
	d->gw_family[next] = hop.family;
	d->src[next] = hop.src;
	__sync_lock_test_and_set(&d->nh_cur, next);
	if (!(hop.nh.flags & CV_NH_UNRESOLVED) && d->neigh_asked)
		WRITE_ONCE(d->neigh_asked, 0);
	/* Not there yet: ask again at the next tick. */
	if (!hop.nh.ifindex || hop.nh.flags & CV_NH_UNRESOLVED)
		WRITE_ONCE(d->nh_due, READ_ONCE(clock.now) + 1);
	return 0;
}

/* Refreshes the next hop if that is due; which of nh[], gw[] and src[] is the valid one. */
static __always_inline __u32 nexthop_current(void *ctx, struct cv_dest *d, __u32 now)
{
	if (unlikely(claim(&d->nh_due, now, NEXTHOP_TTL)))
		nexthop_refresh(ctx, d);
	return READ_ONCE(d->nh_cur) & 1;
}

/*
 * The way back to clients, for answers of masq connections: from the virtual
 * address, as the director's own packets go; with net.ipv4.vs.snat_reroute=0
 * from the real server, as forwarded ones, for which the device that they come in
 * by has to forward (ip_vs_route_me_harder()).
 */
static __always_inline long way_back_lookup(void *ctx, const union cv_addr *addr, bool v6,
					    const struct route_of *of, struct hop *hop)
{
	long rc = route_lookup(ctx, addr, v6, of, hop);

	if (likely(rc != BPF_FIB_LKUP_RET_FWD_DISABLED || of->iif == LOOPBACK_IFINDEX))
		return rc;
	nexthop_lookup(ctx, addr, v6, hop);
	if (!(hop->nh.flags & CV_NH_LOCAL))
		__builtin_memset(hop, 0, sizeof(*hop));
	return 0;
}

/*
 * A cache of those next hops per CPU, by both addresses: each pair has two places,
 * so that of a thousand clients hardly any two take turns in one. As old as a
 * destination's next hop may be, no older.
 */
#define BACK_HOPS 8192
#define BACK_HOP_BITS 13

struct back_hop {
	union cv_addr addr;
	union cv_addr from;
	struct cv_nexthop nh;
	__u32 iif;
	__u32 due; /* 0: empty */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BACK_HOPS);
	__type(key, __u32);
	__type(value, struct back_hop);
} back_hops SEC(".maps");

static __always_inline bool back_hop_is(const struct back_hop *b, const union cv_addr *addr,
					const union cv_addr *from, __u32 iif)
{
	return !((b->addr.q[0] ^ addr->q[0]) | (b->addr.q[1] ^ addr->q[1]) |
		 (b->from.q[0] ^ from->q[0]) | (b->from.q[1] ^ from->q[1]) | (b->iif ^ iif));
}

GLOBAL int back_hop_fill(struct xdp_md *ctx, struct back_hop *b, const union cv_addr *addr,
			 const union cv_addr *from, bool v6)
{
	const struct route_of of = { .from = from,
				     .iif = settings.snat_reroute ? LOOPBACK_IFINDEX :
								    ctx->ingress_ifindex };
	struct hop hop = {};

	if (!b || !addr || !from)
		return 0;
	if (way_back_lookup(ctx, addr, v6, &of, &hop) == BPF_FIB_LKUP_RET_FWD_DISABLED &&
	    back_hop_is(b, addr, from, of.iif))
		return 0;
	b->addr = *addr;
	b->from = *from;
	b->iif = of.iif;
	b->nh = hop.nh;
	b->due = READ_ONCE(clock.now) + (hop.nh.flags & CV_NH_XDP ? NEXTHOP_TTL : 0);
	return 0;
}

static __always_inline struct back_hop *back_hop_at(__u64 hash)
{
	__u32 at = hash % BACK_HOPS;

	return bpf_map_lookup_elem(&back_hops, &at);
}

static __always_inline bool back_hop_fresh(const struct back_hop *b)
{
	return b->due - READ_ONCE(clock.now) - 1 < NEXTHOP_TTL;
}

/* Of an answer to `addr` that is from `real` and will be from `virtual`. */
static __always_inline struct cv_nexthop *back_hop(struct xdp_md *ctx, bool v6,
						   const union cv_addr *addr,
						   const union cv_addr *real,
						   const union cv_addr *virtual)
{
	const union cv_addr *from = settings.snat_reroute ? virtual : real;
	__u32 iif = settings.snat_reroute ? LOOPBACK_IFINDEX : ctx->ingress_ifindex;
	__u64 hash =
		(v6 ? addr->q[0] ^ addr->q[1] ^ from->q[1] : addr->v4 | (__u64)from->v4 << 32) *
		geo.hash_key[0];
	struct back_hop *b = back_hop_at(hash >> (64 - BACK_HOP_BITS)), *other;

	if (!b)
		return NULL;
	if (unlikely(!back_hop_is(b, addr, from, iif))) {
		other = back_hop_at(hash >> (64 - 2 * BACK_HOP_BITS));
		if (other && (back_hop_fresh(b) || back_hop_is(other, addr, from, iif)))
			b = other;
	}
	if (unlikely(!back_hop_is(b, addr, from, iif) || !back_hop_fresh(b)))
		back_hop_fill(ctx, b, addr, from, v6);
	return &b->nh;
}

#endif
