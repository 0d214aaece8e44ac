/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments, in tc. IPVS lets the stack put packets together before it decides
 * (ip_vs_gather_frags()); BPF cannot queue packets, so their bytes are kept in
 * a map. Fragments to and from addresses of ours are held until all of a packet
 * are there, in any order; then the whole is decided upon, and each fragment
 * goes in through its device once more, in order, and is sent the same way. A
 * packet of which a fragment is missing reaches nobody.
 */
#ifndef CULVERT_BPF_LB_FRAGMENT_H
#define CULVERT_BPF_LB_FRAGMENT_H

#include "frag_join.h"
#include "tracked.h"

/* ---- deciding ------------------------------------------------------------- */

/* Ports and flags of the packet put together, from its first piece. */
static __always_inline bool frag_head(struct frag_queue *q, struct flow *f)
{
	__u32 slot = frag_piece_at(q, 0), at, header;
	struct frag_piece *p;
	__u8 *l4;

	p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);
	if (!p)
		return false;
	header = p->header;
	if (header > FRAG_BYTES - 32 || p->len < header + 8)
		return false;
	q->header = header;
	f->l4 = ETH_HLEN + header;
	at = bounded(header, FRAG_BYTES - 1);
	if (at > FRAG_BYTES - 32)
		return false;
	l4 = p->bytes + at;
	f->sport = *(__be16 *)l4;
	f->dport = *(__be16 *)(l4 + 2);
	if (f->proto == IPPROTO_SCTP) {
		f->sctp_event = p->len < header + SCTP_HEAD ?
					SCTP_NO_CHUNK :
					sctp_event_of(l4[sizeof(struct sctp_head)]);
		return true;
	}
	f->tcp_flags = f->proto == IPPROTO_TCP ? l4[13] : 0;
	return f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP;
}

/* f, of a frame of device `ifindex`, becomes the packet put together. Is it one that can be decided upon? */
static __noinline int frag_whole(struct flow *f, struct frag *g, struct frag_queue *q,
				 __u32 ifindex)
{
	if (!f || !g || !q)
		return false;
	f->proto = g->key.proto;
	q->id = ((g->key.saddr.q[0] ^ g->key.saddr.q[1] ^ g->key.id) * geo.hash_key[0]) >> 32;
	q->verdict = V_PASS;
	if (q->state == FRAG_DECIDED) {
		q->led = true;
	} else {
		q->left = q->n;
		q->ifindex = ifindex;
		q->state = FRAG_DECIDED;
	}
	if (!frag_head(q, f))
		return false;
	if (f->v6) /* there is no fragment header in the whole */
		f->l4 -= FRAG_HEADER6;
	f->len = f->l4 - ETH_HLEN + q->total;
	return true;
}

struct frag_release {
	struct __sk_buff *skb;
	struct frag_queue *q;
	__u32 offset; /* of the next piece */
};

/* The frame becomes the next piece of the packet and comes in once more. */
static long frag_release_step(__u32 step, void *arg)
{
	struct frag_release *r = arg;
	__u32 slot = frag_piece_at(r->q, r->offset), n;
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	if (!p || p->len <= p->header || p->len > FRAG_BYTES)
		return 1;
	n = bounded((__u32)p->len - 1, FRAG_BYTES - 1) + 1;
	if (bpf_skb_change_tail(r->skb, ETH_HLEN + n, 0) ||
	    bpf_skb_store_bytes(r->skb, ETH_HLEN, p->bytes, n, 0) || tc_again(r->skb))
		return 1;
	r->offset += n - p->header;
	return r->offset >= r->q->total;
}

static __noinline int frag_release(struct __sk_buff *skb, struct frag_queue *q)
{
	struct frag_release r = { .skb = skb, .q = q };

	if (!q)
		return TC_ACT_SHOT;
	bpf_loop(q->led ? 1 : FRAG_MOST, frag_release_step, &r, 0);
	return TC_ACT_SHOT;
}

/* ---- sending -------------------------------------------------------------- */

static __always_inline void frag_hop(struct __sk_buff *skb, struct flow *f, struct cv_dest *dest,
				     __u32 slot, bool reply, struct hop *hop)
{
	struct nat n = {};

	if (reply && nat_of(f->v6, slot, true, &n))
		tc_way_back(skb, f, &n.to, hop);
	else
		tc_hop(skb, dest, READ_ONCE(clock.now), hop);
}

/* A fragment of a packet that was decided upon, by the connection's method: direct routing, masq, or local. */
static __noinline int frag_send(struct __sk_buff *skb, struct flow *f, struct frag *g,
				struct frag_queue *q)
{
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct nat n = { .fragment = true, .whole = q ? q->total : 0 };
	bool reply;
	__u32 ctl;

	if (!f || !g || !q || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn_at(f->v6, q->conn.slot);
	dest = c ? dest_at(c->dest) : NULL;
	if (!dest)
		return tc_drop(CV_C_DROP_ERROR);
	/* It may have ended since; its counts are no more to be touched then (C4). */
	ctl = READ_ONCE(c->ctl);
	if (!(ctl & CV_CTL_LIVE) || (ctl ^ q->conn.ctl) & CV_CTL_GEN)
		return tc_drop(CV_C_DROP_ERROR);
	if (is_tracked(c)) /* the stack puts them together before it looks at them */
		return tracked_pass(skb, f, c);
	reply = q->verdict == V_REPLY;
	frag_hop(skb, f, dest, q->conn.slot, reply, &s->hop);
	f->proto = g->offset ? 0 : c->proto; /* 0: there are no ports to rewrite */
	f->sport = c->dport;		     /* as the one end or the other of it is read */
	f->dport = c->vport;
	if (c->method == CV_MASQ && (!nat_of(f->v6, q->conn.slot, reply, &n) || tc_nat(skb, f, &n)))
		return tc_drop(CV_C_DROP_ERROR);
	if (s->hop.nh.flags & CV_NH_LOCAL) {
		if (!reply && c->method == CV_MASQ)
			return tc_nat_up(skb, f->v6, &n);
		count_cause(CV_C_PASS_LOCAL);
		return reply ? tc_to_stack(skb) : TC_NEXT;
	}
	if (!s->hop.nh.ifindex)
		return tc_drop(CV_C_DROP_NOROUTE);
	if (f->v6 && bpf_skb_store_bytes(skb, f->l4 - 4, &q->id, sizeof(q->id), 0))
		return tc_drop(CV_C_DROP_ERROR);
	return tc_send_dr(skb, f, &s->hop);
}

/* Is it the first fragment of a packet that an uplink let pass, and whose others are still to come in there (F3)? */
static __always_inline bool frag_leads(const struct __sk_buff *skb, const struct flow *f,
				       const struct frag *g, const struct frag_queue *q)
{
	return f->mark && !g->offset && q->state == FRAG_DECIDED && q->verdict == V_PASS &&
	       q->left && !q->led && skb->ifindex == settings.culvert0 &&
	       q->ifindex != skb->ifindex;
}

/* Comes in again after the decision, or late. */
static __noinline int frag_follow(struct __sk_buff *skb, struct flow *f, struct frag *g,
				  struct frag_queue *q)
{
	int rc;

	if (!f || !g || !q || q->state == FRAG_DEAD)
		return tc_drop(CV_C_FRAGMENT);
	/* After the last one the identifier may be used again. */
	if (skb->ifindex == q->ifindex && __sync_fetch_and_sub(&q->left, 1) <= 1)
		q->due = READ_ONCE(clock.now) - 1;
	if (q->verdict == V_SEND || q->verdict == V_REPLY) {
		rc = frag_send(skb, f, g, q);
		if (rc < SEND_TTL)
			return rc;
		return tc_drop(rc == SEND_TTL ? CV_C_DROP_TTL : CV_C_DROP_TOOBIG);
	}
	return q->verdict == V_PASS ? tc_pass(CV_C_FRAGMENT) : tc_drop(CV_C_FRAGMENT);
}

/*
 * May the packet be for a service of ours? One by mark may be for any of the
 * host's own addresses.
 */
static __always_inline bool frag_concerns(struct __sk_buff *skb, const struct flow *f)
{
	struct tc_scratch *s = tc_scratch();

	if (f->mark || host_is_ours(&f->daddr) || host_is_ours(&f->saddr))
		return true;
	if (likely(!(settings.led & (f->v6 ? CV_MARKS6 : CV_MARKS4))) || !s)
		return false;
	tc_route(skb, &f->daddr, &f->saddr, (f->v6 ? ROUTE_V6 : 0) | ROUTE_FORWARDED, &s->hop);
	return s->hop.nh.flags & CV_NH_LOCAL;
}

/* What frag_enter() returns besides a tc action: the packet is whole, and the caller decides upon it. */
#define FRAG_WHOLE 0x40000

GLOBAL int frag_enter(struct __sk_buff *skb, struct flow *f)
{
	struct frag_queue *q;
	struct frag_work *w;
	__u32 zero = 0;
	int whole;

	w = bpf_map_lookup_elem(&frag_works, &zero);
	if (!w || !f || !frag_concerns(skb, f) || !frag_parse(skb, f, &w->frag))
		return tc_pass(CV_C_FRAGMENT);
	q = frag_queue_of(w);
	if (!q || (q->state == FRAG_OPEN && !frag_lock(q)))
		return tc_drop(CV_C_DROP_LOCKED);
	if (unlikely(frag_leads(skb, f, &w->frag, q)))
		return frag_whole(f, &w->frag, q, 0) ? FRAG_WHOLE : frag_release(skb, q);
	if (q->state != FRAG_OPEN)
		return frag_follow(skb, f, &w->frag, q);
	whole = frag_collect(skb, f, &w->frag, q);
	if (whole)
		whole = frag_whole(f, &w->frag, q, skb->ifindex) ? FRAG_WHOLE : TC_ACT_OK;
	frag_unlock(q);
	if (!whole && q->state != FRAG_DECIDED) /* held; its bytes are in the pool */
		return tc_drop(CV_C_FRAGMENT);
	return whole == FRAG_WHOLE ? FRAG_WHOLE : frag_release(skb, q);
}

/* The verdict on the packet that frag_enter() called whole: its fragments go by that. */
GLOBAL int frag_settle(struct __sk_buff *skb, int verdict)
{
	struct frag_queue *q = frag_mine();

	if (!q)
		return tc_drop(CV_C_DROP_ERROR);
	q->verdict = verdict;
	return frag_release(skb, q);
}

/* UDP without a checksum gets one from masq, over all of its fragments (if frag_join() can put them together). */
static __always_inline bool frag_wants_sum(struct frag_queue *q, const struct flow *f)
{
	__u32 slot = frag_piece_at(q, 0),
	      at = bounded(q->header, 0x3f) + offsetof(struct udphdr, check);
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	return p && f->proto == IPPROTO_UDP &&
	       (!f->v6 || q->header == sizeof(struct ipv6hdr) + FRAG_HEADER6) &&
	       !*(__u16 *)(p->bytes + at);
}

/* No fragment is larger than what came; what IPVS makes of that when it tunnels from one family to the other. */
static __always_inline __u32 frag_limit(const struct flow *f, const struct cv_dest *dest,
					__u32 largest)
{
	if (!(dest->flags & CV_DEST_IPV6))
		return f->v6 ? 0 : largest;
	if (!f->v6)
		return 0;
	return largest < 1280 ? 1280 : largest;
}

/* Puts the packet together for cut_send(), or for the error that is to say why it cannot go on. */
GLOBAL int frag_remake(struct __sk_buff *skb, struct flow *f, __u32 slot, bool reply)
{
	struct tc_scratch *s = tc_scratch();
	struct whole *w = whole_mine();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	__u32 room, largest;

	if (!f || !s || !w || !frag_join(skb, f))
		return tc_drop(CV_C_DROP_ERROR);
	largest = w->limit;
	c = conn_at(f->v6, slot);
	dest = c ? dest_at(c->dest) : NULL;
	if (!dest)
		return tc_drop(CV_C_DROP_ERROR);
	if (s->hop.nh.flags & CV_NH_LOCAL)
		return SEND_WHOLE;
	if (f->ttl <= 1)
		return SEND_TTL;
	room = s->hop.nh.mtu;
	if (c->method == CV_TUNNEL && room) {
		room -= tun_overhead(dest);
		if (room < tun_least(dest))
			return tc_drop(CV_C_DROP_TOOBIG);
		w->limit = frag_limit(f, dest, largest);
		w->apart =
			f->v6 &&
			dest->flags & CV_DEST_IPV6; /* ip6_finish_output(): more than came in one */
		if (dest->flags & CV_DEST_IPV6 && !f->v6) /* in front of IPv4's there is no room */
			w->cuts = 0;
	}
	if (f->v6 && room && largest > room) {
		if (!reply)
			whole_one_hop(w, true);
		return SEND_TOO_BIG | room;
	}
	return SEND_WHOLE;
}

/*
 * The packet that frag_enter() called whole goes its connection's way: the
 * fragments as they came, or by way of memory if they are to leave as others,
 * or if the connection ends with this packet (FRAG_ONCE).
 */
#define FRAG_REPLY 1U
#define FRAG_ONCE 2U

GLOBAL int frag_carry(struct __sk_buff *skb, struct flow *f, __u32 slot, __u32 ctl, __u32 flags)
{
	struct conn_ref conn = { .slot = slot, .ctl = ctl };
	bool reply = flags & FRAG_REPLY;
	struct frag_queue *q = frag_mine();
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	__u32 index;

	if (!f || !q || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn_at(f->v6, slot);
	if (!c)
		return tc_drop(CV_C_DROP_ERROR);
	conn.c = c;
	index = c->dest;
	dest = dest_at(index);
	if (!dest || !conn_same(&conn))
		return tc_drop(CV_C_DROP_ERROR);
	conn_step_slot(f->v6, slot, ctl,
		       STEP(f->proto, reply ? FROM_SERVER : FROM_CLIENT, f->tcp_flags));
	if (reply) {
		count_out(dest, index, f->len);
	} else {
		count_packet(c);
		count_in(index, f->len);
	}
	q->conn.slot = slot;
	q->conn.ctl = ctl;
	if (is_tracked(c))
		return frag_settle(skb, V_SEND);
	frag_hop(skb, f, dest, slot, reply, &s->hop);
	if (flags & FRAG_ONCE || (s->hop.nh.ifindex && c->method != CV_LOCALNODE &&
				  (c->method == CV_TUNNEL || f->ttl <= 1 ||
				   (s->hop.nh.mtu && q->largest > s->hop.nh.mtu) ||
				   (c->method == CV_MASQ && frag_wants_sum(q, f)))))
		return SEND_REMAKE;
	return frag_settle(skb, reply ? V_REPLY : V_SEND);
}

#endif
