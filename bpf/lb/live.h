/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight way of what most packets are: a segment with nothing but ACK, or
 * a datagram, of an established connection whose next hop is known and fresh. It
 * looks at all of its case before it changes anything; whatever is not its case
 * takes the way that knows all (xdp_all()), which would do the same with such a
 * packet, only slower. Here: how a packet's connection is found, and how it is
 * told that nothing else is due. What is sent how: live_send.h, live_back.h.
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
	LIVE_TC,     /* an uplink's */
	LIVE_ROUTED, /* culvert0's: the host's forwarding has taken a hop of its TTL */
};

/* What of a packet the straight way goes by. */
struct live {
	union cv_addr caddr;
	union cv_addr vaddr; /* of an answer: the real server's */
	__u32 ports;	     /* the client's low, the other's high, as in a connection */
	__u32 len;	     /* bytes of the network layer */
	__u32 client;	     /* CV_TAG_CLIENT, by live_find() */
	__u8 proto;
};

#define LIVE_CTL (CV_CTL_STATE | CV_CTL_LIVE | CV_CTL_TEMPLATE | CV_CTL_STALE)

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

/*
 * `back`: from a real server, so that the source is not the client's end. (Words and not
 * memcpy(), which the compiler would do by bytes.)
 */
static __always_inline void live_ends(bool v6, bool back, void *ip, struct live *l)
{
	__u32 saddr = v6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
	__u32 daddr = v6 ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr);
	__u32 client = back ? daddr : saddr, other = back ? saddr : daddr;
	__u32 ports = AT(__u32, ip, v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));

	l->ports = back ? ports << 16 | ports >> 16 : ports;
	if (!v6) {
		l->caddr.v4 = AT(__u32, ip, client);
		l->vaddr.v4 = AT(__u32, ip, other);
		return;
	}
	l->caddr.q[0] = AT(__u64, ip, client);
	l->caddr.q[1] = AT(__u64, ip, client + 8);
	l->vaddr.q[0] = AT(__u64, ip, other);
	l->vaddr.q[1] = AT(__u64, ip, other + 8);
}

static __always_inline bool live_parse4(enum live_in in, bool back, void *data, void *end,
					struct live *l)
{
	struct iphdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || *(__u8 *)ip != 0x45 ||
	    ip->frag_off & bpf_htons(IP_MF | IP_OFFSET) || (in != LIVE_ROUTED && ip->ttl <= 1))
		return false;
	l->proto = ip->protocol;
	l->len = bpf_ntohs(ip->tot_len);
	live_ends(false, back, ip, l);
	return live_l4(ip + 1, sizeof(*ip), l);
}

static __always_inline bool live_parse6(enum live_in in, bool back, void *data, void *end,
					struct live *l)
{
	struct ipv6hdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || (*(__u8 *)ip & 0xf0) != 0x60 ||
	    (in != LIVE_ROUTED && ip->hop_limit <= 1))
		return false;
	l->proto = ip->nexthdr;
	l->len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	live_ends(true, back, ip, l);
	return live_l4(ip + 1, sizeof(*ip), l);
}

/* May the frame be one of a live connection's? `size`: its bytes. An IPv4 address is the first word, the others 0. */
static __always_inline bool live_parse(enum live_in in, bool v6, bool back, void *data, void *end,
				       __u32 size, struct live *l)
{
	return (v6 ? live_parse6(in, back, data, end, l) : live_parse4(in, back, data, end, l)) &&
	       l->len + ETH_HLEN <= size;
}

/* 0 if it is the packet's connection, alive and established. */
static __always_inline __u64 live_differs(bool v6, const struct cv_conn_common *c,
					  const struct live *l, __u32 ctl)
{
	__u32 established =
		CV_CTL_LIVE | (l->proto == IPPROTO_TCP ? CV_TCP_ESTABLISHED : CV_UDP_NORMAL);
	__u64 rest = (AT(__u32, c, offsetof(struct cv_conn_common, cport)) ^ l->ports) |
		     ((ctl ^ established) & LIVE_CTL) | (c->proto ^ l->proto);

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
	__u32 *word; /* where it stands ... */
	__u32 tag;   /* ... and what it was */
	__u32 slot;
	__u32 key; /* the client's part of what stands in cv_keys */
};

/* May a packet make a connection of its own, which nobody knows of yet? Then the key has to fit. */
static __always_inline __u32 live_makes(const struct live *l)
{
	return (l->proto ^ IPPROTO_TCP) | settings.sloppy_tcp;
}

static __always_inline bool live_find(bool v6, struct live *l, struct live_at *out)
{
	struct place at = conn_place(v6, &l->caddr, (__be16)l->ports, l->proto, 0);
	struct cv_tags *t = tags_at(v6, at.home);
	__u64 marks;
	__u32 way;

	if (!t)
		return false;
	out->key = at.key;
	l->client = at.client;
	marks = tags_of_client(t, at.client);
	if (unlikely(!marks)) {
		at.home = place_second(v6, &at);
		t = tags_at(v6, at.home);
		if (!t)
			return false;
		marks = tags_of_client(t, at.client);
	}
	if (unlikely(!marks) || unlikely(marks_several(marks)))
		return false;
	way = way_of(marks);
	out->word = &t->tag[way];
	out->tag = READ_ONCE(*out->word);
	out->slot = at.home * CV_WAYS + way;
	return true;
}

static __always_inline bool live_has_key(bool v6, const struct live_at *at, __u32 vip)
{
	const struct cv_keys *k = keys_at(v6, at->slot / CV_WAYS);

	return k && READ_ONCE(k->key[at->slot % CV_WAYS]) == (at->key ^ vip);
}

/* Is a LIVE tag the packet's? (C9) */
static __always_inline bool live_fits(bool v6, const struct live *l, const struct live_at *at,
				      const struct cv_dest *d)
{
	__u32 vip = cv_vip_key(geo.hash_key, v6, &l->vaddr, l->ports >> 16, l->proto);

	return likely(!(live_makes(l) | (READ_ONCE(d->vip_key) ^ vip) | (at->tag & CV_TAG_TWIN))) ||
	       live_has_key(v6, at, vip);
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

/*
 * Do the destination's flags say how this connection's packets are sent? And is
 * nothing to be learnt from answers that only its entry could tell: whether a
 * persistent client of UDP is one (template_assure())?
 */
static __always_inline bool live_may(const struct cv_conn_common *c, __u32 ctl,
				     const struct cv_dest *d)
{
	__u32 flags = READ_ONCE(d->flags);

	if ((flags & (CV_DEST_METHOD | CV_DEST_MIXED)) != c->method)
		return false;
	return c->method != CV_MASQ || (READ_ONCE(d->vip_key) && c->dport == d->port &&
					(c->proto == IPPROTO_TCP || !(ctl & CV_CTL_CONTROLLED)));
}

/* A packet of it that leaves by the entry, and from now on perhaps by the tag alone (C9). */
static __always_inline void live_by_entry(struct cv_conn_common *c, __u32 ctl, __u32 expires,
					  __u32 timeout, const struct live_at *at,
					  const struct cv_dest *d)
{
	if (c->expires != expires)
		WRITE_ONCE(c->expires, expires);
	if (c->in_pkts < CV_IN_PKTS)
		c->in_pkts++;
	else if (timeout >= CV_TAG_TIMEOUT && live_may(c, ctl, d) &&
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

/* Is nothing due at the destination, whose flags have CV_DEST_AVAILABLE, that the other way would see to? */
static __always_inline bool live_fresh(enum live_in in, const struct cv_dest *d,
				       const struct cv_nexthop *nh, const struct live *l)
{
	__u32 now = READ_ONCE(clock.now);

	return live_reaches(in, nh) && l->len <= nh->mtu &&
	       READ_ONCE(d->nh_due) - now - 1 < NEIGH_TTL_LIVE &&
	       now - READ_ONCE(d->neigh_seen) < NEIGH_TTL_LIVE;
}

/* One hop less, of a packet whose bounds live_parse() has looked at. */
static __always_inline void live_ttl(bool v6, void *data)
{
	if (v6)
		((struct ipv6hdr *)(data + ETH_HLEN))->hop_limit--;
	else
		ipv4_decrease_ttl(data + ETH_HLEN);
}

/* count_in() and count_cause() in one. */
static __always_inline void live_count(__u32 dest, __u32 bytes)
{
	struct cv_counters *n = dest_counters(dest);

	if (n) {
		n->inpkts++;
		n->inbytes += bytes;
		n->sent++;
	}
}

#endif
