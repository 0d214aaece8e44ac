/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight way of what most packets are: a segment with nothing but ACK, or
 * a datagram, of an established connection by direct routing, whose next hop is
 * known and fresh. It looks at all of its case before it changes anything;
 * whatever is not its case takes the way that knows all (xdp_door()), which
 * would do the same with such a packet, only slower.
 *
 * A packet costs what it touches: its own first line, the line of the set's
 * tags, the destination's first line and this CPU's counters; the connection's
 * entry only during its first packets (C9). Tags are compared without branches,
 * and the rest is gathered into few that nearly always go one way, so that the
 * processor goes on to the next packet while those lines come.
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
	__u8 proto;
};

#define LIVE_CTL (CV_CTL_STATE | CV_CTL_LIVE | CV_CTL_TEMPLATE | CV_CTL_STALE)

/*
 * For this device, where clients' packets come in? The eight bytes at the address
 * are it and two more, which the shifts leave out.
 */
static __always_inline bool live_device(const struct xdp_md *ctx, void *data)
{
	__u32 in = ctx->ingress_ifindex;
	const struct cv_uplink *u = &uplinks[in % CV_UPLINKS];

	return u->ifindex == in && !((AT(__u64, data, 0) ^ AT(__u64, u->mac, 0)) << 16) && !u->replies;
}

/* 0 if it is the packet's connection, alive and established, by direct routing. */
static __always_inline __u64 live_differs(bool v6, const struct cv_conn_common *c, const struct live *l, __u32 ctl)
{
	__u32 established = CV_CTL_LIVE | (l->proto == IPPROTO_TCP ? CV_TCP_ESTABLISHED : CV_UDP_NORMAL);
	__u64 rest = (AT(__u32, c, offsetof(struct cv_conn_common, cport)) ^ l->ports) | ((ctl ^ established) & LIVE_CTL) |
		     (c->proto ^ l->proto) | (c->method ^ CV_DROUTE);

	if (v6) {
		const struct cv_conn6 *e = (const void *)c;

		return rest | (e->caddr.q[0] ^ l->caddr.q[0]) | (e->caddr.q[1] ^ l->caddr.q[1]) |
		       (e->vaddr.q[0] ^ l->vaddr.q[0]) | (e->vaddr.q[1] ^ l->vaddr.q[1]);
	}
	const struct cv_conn4 *e = (const void *)c;

	return rest | (e->caddr ^ l->caddr.v4) | (e->vaddr ^ l->vaddr.v4);
}

/* The only tag with the packet's client. */
struct live_at {
	__u32 *word;	/* where it stands ... */
	__u32 tag;	/* ... and what it was */
	__u32 slot;
	__u32 vip;	/* cv_vip_key() of the packet ... */
	__u32 key;	/* ... and what it has to be in cv_keys */
};

/* May a packet make a connection of its own, which nobody knows of yet? Then the key has to fit. */
static __always_inline __u32 live_makes(const struct live *l)
{
	return (l->proto ^ IPPROTO_TCP) | settings.sloppy_tcp;
}

static __always_inline bool live_find(bool v6, const struct live *l, struct live_at *out)
{
	struct place at = conn_place(v6, &l->caddr, (__be16)l->ports, l->proto, 0);
	struct cv_tags *t = tags_at(v6, at.home);
	__u64 marks;
	__u32 way;

	if (!t)
		return false;
	out->vip = cv_vip_key(geo.hash_key, v6, &l->vaddr, l->ports >> 16, l->proto);
	out->key = at.key ^ out->vip;
	marks = tags_of_client(t, at.client);
	if (unlikely(!marks)) {
		at.home = place_second(v6, &at);
		t = tags_at(v6, at.home);
		if (!t)
			return false;
		marks = tags_of_client(t, at.client);
	}
	if (unlikely(!marks || marks & (marks - 1)))
		return false;
	way = way_of(marks);
	out->word = &t->tag[way];
	out->tag = READ_ONCE(*out->word);
	out->slot = at.home * CV_WAYS + way;
	return true;
}

/* Is a LIVE tag the packet's? (C9) */
static __always_inline bool live_fits(bool v6, const struct live *l, const struct live_at *at,
				      const struct cv_dest *d)
{
	const struct cv_keys *k;

	if (likely(!(live_makes(l) | (READ_ONCE(d->vip_key) ^ at->vip) | (at->tag & CV_TAG_TWIN))))
		return true;
	k = keys_at(v6, at->slot / CV_WAYS);
	return k && READ_ONCE(k->key[at->slot % CV_WAYS]) == at->key;
}

/*
 * The entry, for a connection that is not LIVE yet. NULL if the packet is not
 * for it, or if something is due that the other way sees to.
 */
static __always_inline struct cv_conn_common *live_entry(bool v6, __u32 slot, const struct live *l,
							 __u32 now, __u32 timeout, __u32 *ctl)
{
	struct cv_conn_common *c = conn_at(v6, slot);

	if (!c)
		return NULL;
	*ctl = READ_ONCE(c->ctl);
	return live_differs(v6, c, l, *ctl) || cv_before(READ_ONCE(c->expires), now) ||
			       c->timeout != timeout ?
		       NULL :
		       c;
}

/* A packet of it that leaves by the entry, and from now on perhaps by the tag alone (C9). */
static __always_inline void live_by_entry(struct cv_conn_common *c, __u32 ctl, __u32 expires,
					  __u32 timeout, const struct live_at *at)
{
	if (c->expires != expires)
		WRITE_ONCE(c->expires, expires);
	if (c->in_pkts < CV_IN_PKTS)
		c->in_pkts++;
	else if (timeout >= CV_TAG_TIMEOUT &&
		 (at->tag >> CV_TAG_DEST_SHIFT & CV_TAG_NODEST) != CV_TAG_NODEST &&
		 __sync_val_compare_and_swap(at->word, at->tag, at->tag | CV_TAG_LIVE) == at->tag &&
		 READ_ONCE(c->ctl) != ctl)
		__sync_fetch_and_and(at->word, ~CV_TAG_LIVE);
}

/* Most packets of a busy connection leave the tag as it is, too. */
static __always_inline void live_by_tag(const struct live_at *at)
{
	if (unlikely(!(at->tag & CV_TAG_SEEN)))
		__sync_val_compare_and_swap(at->word, at->tag, at->tag | CV_TAG_SEEN);
}

/* Can this door send to it, all resolved? */
static __always_inline bool live_reaches(enum live_in in, const struct cv_nexthop *nh)
{
	if (in == LIVE_XDP)
		return nh->flags & CV_NH_XDP;
	return !(nh->flags & (CV_NH_LOCAL | CV_NH_UNRESOLVED | CV_NH_LOST)) && nh->ifindex;
}

/* Is nothing due at the destination that the other way would see to: next hop, neighbour? */
static __always_inline bool live_fresh(enum live_in in, const struct cv_dest *d, const struct cv_nexthop *nh,
				       const struct live *l, __u32 now)
{
	return READ_ONCE(d->flags) & CV_DEST_AVAILABLE && live_reaches(in, nh) && l->len <= nh->mtu &&
	       READ_ONCE(d->nh_due) - now - 1 < NEIGH_TTL_LIVE && now - READ_ONCE(d->neigh_seen) < NEIGH_TTL_LIVE;
}

/* count_in() and count_cause() in one. */
static __always_inline void live_count(__u32 dest, __u32 bytes)
{
	__u32 cpu = bpf_get_smp_processor_id();

	count_in_at(dest, cpu, bytes);
	count_cause_at(CV_C_SENT, cpu);
}

static __always_inline int live_send(enum live_in in, void *data, void *end, bool v6, const struct live *l)
{
	__u32 now = READ_ONCE(clock.now), timeout = 0, ctl = 0, index;
	struct cv_conn_common *c = NULL;
	struct cv_nexthop *nh;
	struct live_at at;
	struct cv_dest *d;

	if (!live_find(v6, l, &at))
		return LIVE_NOT;
	index = at.tag >> CV_TAG_DEST_SHIFT & CV_TAG_NODEST;
	if (unlikely(!(at.tag & CV_TAG_LIVE))) {
		timeout = settings.timeout[l->proto == IPPROTO_TCP ? CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED :
								     CV_TIMEOUT_UDP];
		c = live_entry(v6, at.slot, l, now, timeout, &ctl);
		if (!c)
			return LIVE_NOT;
		index = c->dest;
	}
	d = dest_at(index);
	if (!d || (!c && unlikely(!live_fits(v6, l, &at, d))))
		return LIVE_NOT;
	nh = &d->nh[READ_ONCE(d->nh_cur) & 1];
	if (unlikely(!live_fresh(in, d, nh, l, now)) ||
	    unlikely((READ_ONCE(*at.word) ^ at.tag) & ~CV_TAG_SEEN) ||
	    unlikely(c && READ_ONCE(c->ctl) != ctl) || (in != LIVE_ROUTED && !decrease_ttl(data, end, v6)))
		return LIVE_NOT;
	if (unlikely(c))
		live_by_entry(c, ctl, now + timeout, timeout, &at);
	else
		live_by_tag(&at);
	live_count(index, l->len);
	set_macs(data, nh);
	return bpf_redirect(nh->ifindex, 0);
}

/*
 * A segment with ACK and none of SYN, FIN, RST; or a datagram; its header, behind
 * one of `ip` bytes, within the packet's own length.
 */
static __always_inline bool live_l4(void *l4, __u32 ip, struct live *l)
{
	if (likely(l->proto == IPPROTO_TCP))
		return l->len >= ip + sizeof(struct tcphdr) &&
		       (AT(__u8, l4, 13) & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
	return l->proto == IPPROTO_UDP && l->len >= ip + sizeof(struct udphdr);
}

/* Bytes of the frame; of an skb of `len`, of which a part may not be in sight. */
static __always_inline __u32 live_size(enum live_in in, void *data, void *end, __u32 len)
{
	return in == LIVE_XDP ? end - data : len;
}

static __always_inline int live4(enum live_in in, void *data, void *end, __u32 len)
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
	if (!live_l4(ip + 1, sizeof(*ip), &l) || l.len + ETH_HLEN > live_size(in, data, end, len))
		return LIVE_NOT;
	return live_send(in, data, end, false, &l);
}

static __always_inline int live6(enum live_in in, void *data, void *end, __u32 len)
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
	if (!live_l4(ip + 1, sizeof(*ip), &l) || l.len + ETH_HLEN > live_size(in, data, end, len))
		return LIVE_NOT;
	return live_send(in, data, end, true, &l);
}

static __always_inline int live_frame(enum live_in in, void *data, void *end, __u32 len)
{
	__be16 proto = AT(__be16, data, offsetof(struct ethhdr, h_proto));

	if (proto == bpf_htons(ETH_P_IP))
		return live4(in, data, end, len);
	if (proto == bpf_htons(ETH_P_IPV6))
		return live6(in, data, end, len);
	return LIVE_NOT;
}

static __noinline int live_door(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + ETH_HLEN > end || !live_device(ctx, data) || !settings.num_services)
		return LIVE_NOT;
	return live_frame(LIVE_XDP, data, end, 0);
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
