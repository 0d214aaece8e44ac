/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight way of what most packets are: a segment with nothing but ACK, or
 * a datagram, of an established connection by direct routing, whose next hop is
 * known and fresh. It looks at all of its case before it changes anything;
 * whatever is not its case takes the way that knows all (xdp_door()), which
 * would do the same with such a packet, only slower.
 *
 * A packet costs what it touches: its own first line, the set's tags, the
 * connection's line, the destination's first line and this CPU's counters.
 * Comparisons are gathered into few branches that nearly always go one way, so
 * that the processor goes on to the next packet while those lines come.
 */
#ifndef CULVERT_BPF_LB_LIVE_H
#define CULVERT_BPF_LB_LIVE_H

#include "decide.h"
#include "xmit_dr.h"

/* What live_door() returns for a packet that it left as it was. */
#define LIVE_NOT (-1)

#define AT(type, base, offset) (*(type *)((void *)(base) + (offset)))

/* Which door a packet came through: constants to the compiler. */
enum live_in {
	LIVE_XDP,
	LIVE_TC,	/* an uplink's */
	LIVE_ROUTED,	/* culvert0's: the host's forwarding has taken a hop of its TTL */
};

/* What of a packet the straight way goes by. */
struct live {
	union cv_addr caddr;
	union cv_addr vaddr;
	__u32 ports;	/* source port low, destination port high, as in a connection */
	__u32 len;	/* bytes of the network layer */
	__u32 ctl;	/* what the connection's ctl has to be under LIVE_CTL */
	__u8 proto;
};

#define LIVE_CTL (CV_CTL_STATE | CV_CTL_LIVE | CV_CTL_TEMPLATE | CV_CTL_STALE)

/* For this device, where clients' packets come in? */
static __always_inline bool live_device(const struct xdp_md *ctx, void *data)
{
	__u32 in = ctx->ingress_ifindex;
	const struct cv_uplink *u = &uplinks[in % CV_UPLINKS];

	return !((u->ifindex ^ in) | (AT(__u32, data, 0) ^ AT(__u32, u->mac, 0)) |
		 (AT(__u16, data, 4) ^ AT(__u16, u->mac, 4)) | u->replies);
}

/* 0 if it is the packet's connection, alive and established, by direct routing. */
static __always_inline __u64 live_differs(bool v6, const struct cv_conn_common *c, const struct live *l, __u32 ctl)
{
	__u64 rest = (AT(__u32, c, offsetof(struct cv_conn_common, cport)) ^ l->ports) | ((ctl ^ l->ctl) & LIVE_CTL) |
		     (c->proto ^ l->proto) | (c->method ^ CV_DROUTE);

	if (v6) {
		const struct cv_conn6 *e = (const void *)c;

		return rest | (e->caddr.q[0] ^ l->caddr.q[0]) | (e->caddr.q[1] ^ l->caddr.q[1]) |
		       (e->vaddr.q[0] ^ l->vaddr.q[0]) | (e->vaddr.q[1] ^ l->vaddr.q[1]);
	}
	const struct cv_conn4 *e = (const void *)c;

	return rest | (e->caddr ^ l->caddr.v4) | (e->vaddr ^ l->vaddr.v4);
}

static __always_inline struct cv_conn_common *live_try(bool v6, __u32 slot, const struct live *l, __u32 *ctl)
{
	struct cv_conn_common *c = conn_at(v6, slot);

	if (!c)
		return NULL;
	*ctl = READ_ONCE(c->ctl);
	return likely(!live_differs(v6, c, l, *ctl)) ? c : NULL;
}

/* More ways of a set with an equal tag than so many are left to the other way. */
#define LIVE_WAYS 3

static __always_inline struct cv_conn_common *live_probe(bool v6, __u32 set, __u8 tag, const struct live *l,
							 __u32 *ctl)
{
	struct cv_tags *t = tags_at(v6, set);
	struct cv_conn_common *c;
	__u64 equal;

	if (!t)
		return NULL;
	equal = tags_equal(tag_word(t), tag);
	for (int i = 0; i < LIVE_WAYS && equal; i++) {
		__u64 lowest = equal & -equal;

		c = live_try(v6, set * CV_WAYS + way_of(lowest), l, ctl);
		if (likely(c))
			return c;
		equal ^= lowest;
	}
	return NULL;
}

/*
 * First where the connection stands if it could choose: one compare of its tag,
 * foreseen as equal, lets the entry's line be fetched while the tags still come.
 */
static __always_inline struct cv_conn_common *live_find(bool v6, const struct live *l, __u32 *ctl)
{
	struct place at = conn_place(v6, &l->caddr, (__be16)l->ports, l->proto, 0);
	struct cv_tags *t = tags_at(v6, at.home);
	struct cv_conn_common *c;

	if (!t)
		return NULL;
	if (likely((__u8)(tag_word(t) >> (8 * at.way)) == at.tag)) {
		c = live_try(v6, at.home * CV_WAYS + at.way, l, ctl);
		if (likely(c))
			return c;
	}
	c = live_probe(v6, at.home, at.tag, l, ctl);
	return likely(c) ? c : live_probe(v6, at.second, at.tag, l, ctl);
}

/* Can this door send to it, all resolved? */
static __always_inline bool live_reaches(enum live_in in, const struct cv_nexthop *nh)
{
	if (in == LIVE_XDP)
		return nh->flags & CV_NH_XDP;
	return !((nh->flags & (CV_NH_LOCAL | CV_NH_UNRESOLVED | CV_NH_LOST)) | !nh->ifindex);
}

/* Is nothing due that the other way would see to: expiry, next hop, neighbour, another timeout? */
static __always_inline bool live_fresh(enum live_in in, const struct cv_conn_common *c, const struct cv_dest *d,
				       const struct cv_nexthop *nh, const struct live *l, __u32 now, __u32 timeout)
{
	return !(cv_before(READ_ONCE(c->expires), now) | (c->timeout != timeout) |
		 !(READ_ONCE(d->flags) & CV_DEST_AVAILABLE) | !live_reaches(in, nh) | (l->len > nh->mtu) |
		 (READ_ONCE(d->nh_due) - now - 1 >= NEIGH_TTL_LIVE) |
		 (now - READ_ONCE(d->neigh_seen) >= NEIGH_TTL_LIVE));
}

/*
 * The timer is set anew when it is late by more than 1/256 of its time (3.5 s of
 * 15 minutes): most packets of a busy connection then leave its line clean, and
 * it need not be written back.
 */
static __always_inline void live_timer(struct cv_conn_common *c, __u32 expires, __u32 timeout)
{
	if (expires - c->expires > timeout >> 8)
		WRITE_ONCE(c->expires, expires);
}

static __always_inline int live_send(enum live_in in, void *data, void *end, bool v6, const struct live *l)
{
	__u32 now = READ_ONCE(clock.now), timeout, ctl = 0, index;
	struct cv_conn_common *c = live_find(v6, l, &ctl);
	struct cv_nexthop *nh;
	struct cv_dest *d;

	if (!c)
		return LIVE_NOT;
	index = c->dest;
	d = dest_at(index);
	if (!d)
		return LIVE_NOT;
	nh = &d->nh[READ_ONCE(d->nh_cur) & 1];
	timeout = settings.timeout[l->proto == IPPROTO_TCP ? CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED : CV_TIMEOUT_UDP];
	if (unlikely(!live_fresh(in, c, d, nh, l, now, timeout)) || unlikely(READ_ONCE(c->ctl) != ctl) ||
	    (in != LIVE_ROUTED && !decrease_ttl(data, end, v6)))
		return LIVE_NOT;
	live_timer(c, now + timeout, timeout);
	count_packet(c);
	count_in(index, l->len);
	count_cause(CV_C_SENT);
	set_macs(data, nh);
	return bpf_redirect(nh->ifindex, 0);
}

/*
 * A segment with ACK and none of SYN, FIN, RST; or a datagram; its header, behind
 * one of `ip` bytes, within the packet's own length. What its connection's ctl is to be.
 */
static __always_inline bool live_l4(void *l4, __u32 ip, struct live *l)
{
	l->ctl = CV_CTL_LIVE | (l->proto == IPPROTO_TCP ? CV_TCP_ESTABLISHED : CV_UDP_NORMAL);
	if (likely(l->proto == IPPROTO_TCP))
		return l->len >= ip + sizeof(struct tcphdr) &&
		       (AT(__u8, l4, 13) & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
	return l->proto == IPPROTO_UDP && l->len >= ip + sizeof(struct udphdr);
}

/* `size`: bytes of the frame, of which a part may not be in sight. */
static __always_inline int live4(enum live_in in, void *data, void *end, __u32 size)
{
	struct iphdr *ip = data + ETH_HLEN;
	struct live l = {};

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || *(__u8 *)ip != 0x45 ||
	    ip->frag_off & bpf_htons(IP_MF | IP_OFFSET) || (in != LIVE_ROUTED && ip->ttl <= 1))
		return LIVE_NOT;
	l.proto = ip->protocol;
	l.len = bpf_ntohs(ip->tot_len);
	l.caddr.v4 = ip->saddr;
	l.vaddr.v4 = ip->daddr;
	l.ports = AT(__u32, ip, sizeof(*ip));
	if (!live_l4(ip + 1, sizeof(*ip), &l) || l.len + ETH_HLEN > size)
		return LIVE_NOT;
	return live_send(in, data, end, false, &l);
}

static __always_inline int live6(enum live_in in, void *data, void *end, __u32 size)
{
	struct ipv6hdr *ip = data + ETH_HLEN;
	struct live l = {};

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || (*(__u8 *)ip & 0xf0) != 0x60 ||
	    (in != LIVE_ROUTED && ip->hop_limit <= 1))
		return LIVE_NOT;
	l.proto = ip->nexthdr;
	l.len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	__builtin_memcpy(&l.caddr, &ip->saddr, sizeof(l.caddr));
	__builtin_memcpy(&l.vaddr, &ip->daddr, sizeof(l.vaddr));
	l.ports = AT(__u32, ip, sizeof(*ip));
	if (!live_l4(ip + 1, sizeof(*ip), &l) || l.len + ETH_HLEN > size)
		return LIVE_NOT;
	return live_send(in, data, end, true, &l);
}

static __always_inline int live_frame(enum live_in in, void *data, void *end, __u32 size)
{
	struct ethhdr *eth = data;

	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return live4(in, data, end, size);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return live6(in, data, end, size);
	return LIVE_NOT;
}

static __always_inline int live_door(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + ETH_HLEN > end || !live_device(ctx, data) || !settings.num_services)
		return LIVE_NOT;
	return live_frame(LIVE_XDP, data, end, end - data);
}

/*
 * The same from tc, with the MAC addresses that are known in place of the kernel's
 * neighbour output. The device and its services were looked at. A GSO packet is
 * one of several. (Functions, not inlined: the 512 bytes of the stack.)
 */
static __always_inline int live_skb(enum live_in in, struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN > end || skb->gso_segs > 1)
		return LIVE_NOT;
	return live_frame(in, data, end, skb->len);
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
