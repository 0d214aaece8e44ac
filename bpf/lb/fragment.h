/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments, in tc. IPVS lets the stack put packets together before it decides
 * (ip_vs_gather_frags()); BPF cannot queue packets, so their bytes are kept in
 * a map. Fragments to and from addresses of ours are held until all of a packet
 * are there, in any order; then the whole is decided upon, and each fragment
 * goes in through its device once more, in order, and is sent the same way. A
 * packet of which a fragment is missing reaches nobody.
 *
 * Invariants:
 *
 * F1  A queue is changed under its lock, taken as in C5. It is OPEN (collects),
 *     DECIDED (its fragments go by its verdict as they come in again) or DEAD
 *     (overlapping or too many fragments: the rest of the packet is dropped).
 * F2  A piece belongs to a queue while its serial is the queue's. The pool is a
 *     ring: a flood of fragments takes the oldest pieces away, and those
 *     packets are lost, others are not.
 */
#ifndef CULVERT_BPF_LB_FRAGMENT_H
#define CULVERT_BPF_LB_FRAGMENT_H

#include "cut.h"
#include "decide.h"

#define FRAG_PIECES 1024
#define FRAG_BYTES 2048		/* of the network layer; jumbo fragments pass to the stack */
#define FRAG_MOST 48		/* fragments of a packet: 64 KiB in pieces of 1500 */
#define FRAG_TIME (30 * CV_HZ)	/* net.ipv4.ipfrag_time */

struct frag_key {
	union cv_addr saddr;
	union cv_addr daddr;
	__u32 id;
	__u8 proto;
	__u8 v6;
	__u16 zero;
};

enum frag_state { FRAG_OPEN, FRAG_DECIDED, FRAG_DEAD };

struct frag_queue {
	__u32 lock;
	__u32 state;		/* enum frag_state */
	__u32 serial;
	__u32 due;		/* when it is forgotten, ticks */
	__u32 total;		/* bytes behind the headers, once the last fragment is there */
	__u32 got;
	__u32 n;		/* pieces; of a decided queue: that have yet to come in again */
	__u32 verdict;		/* enum verdict of the whole */
	struct conn_id conn;
	__u32 header;		/* bytes before a piece's payload */
	__u32 largest;		/* piece, bytes of the network layer */
	__u32 id;		/* of IPv6: the fragments leave with another, for two servers' answers may have the same */
	__u32 piece[FRAG_MOST];	/* slots in the pool, by arrival */
};

struct frag_piece {
	__u32 serial;
	__u16 offset;		/* of its payload in the packet's */
	__u16 len;		/* of the network layer */
	__u8 bytes[FRAG_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct frag_key);
	__type(value, struct frag_queue);
} frag_queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAG_PIECES);
	__type(key, __u32);
	__type(value, struct frag_piece);
} frag_pool SEC(".maps");

struct cv_frag_ring frag_ring SEC(".data.frag_ring");

#define FRAG_HEADER6 8		/* IPv6's fragment header */

/* A fragment's place in its packet. */
struct frag {
	struct frag_key key;
	__u32 offset;	/* of its payload, bytes */
	__u32 payload;	/* bytes */
	bool more;
};

struct frag_work {
	struct frag frag;
	struct frag_queue fresh;	/* a new queue, to be copied into the map */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frag_work);
} frag_works SEC(".maps");

static __always_inline bool host_is_ours(const union cv_addr *addr)
{
	__u32 bit = cv_host_bit(addr);

	return settings.hosts[(bit / 32) % (CV_HOSTS / 32)] >> bit % 32 & 1;
}

/* Reads the fragment's header once more. For IPv6 f->l4 is the fragment header's offset. */
static __always_inline bool frag_parse(struct __sk_buff *skb, struct flow *f, struct frag *g)
{
	__u32 header;
	__u16 word;

	__builtin_memset(&g->key, 0, sizeof(g->key));
	g->key.saddr = f->saddr;
	g->key.daddr = f->daddr;
	g->key.v6 = f->v6;
	if (f->v6) {
		struct {
			__u8 next, zero;
			__be16 offset;
			__be32 id;
		} h;

		if (bpf_skb_load_bytes(skb, f->l4, &h, sizeof(h)))
			return false;
		g->key.id = h.id;
		g->key.proto = h.next;
		word = bpf_ntohs(h.offset);
		g->offset = word & ~7;
		g->more = word & 1;
		header = f->l4 - ETH_HLEN + sizeof(h);
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
			return false;
		g->key.id = ip.id;
		g->key.proto = ip.protocol;
		word = bpf_ntohs(ip.frag_off);
		g->offset = (word & IP_OFFSET) * 8;
		g->more = word & IP_MF;
		header = ip.ihl * 4;
	}
	if (f->len <= header || f->len > FRAG_BYTES)
		return false;
	g->payload = f->len - header;
	f->l4 = ETH_HLEN + header;
	return g->offset + g->payload <= 65535 && !(g->more && g->payload % 8);
}

static __always_inline bool frag_lock(struct frag_queue *q)
{
	for (int i = 0; i < 64; i++)
		if (__sync_val_compare_and_swap(&q->lock, 0, 1) == 0)
			return true;
	return false;
}

static __always_inline void frag_unlock(struct frag_queue *q)
{
	__sync_lock_test_and_set(&q->lock, 0);
}

static __always_inline struct frag_queue *frag_queue_of(struct frag_work *w)
{
	struct frag_queue *q = bpf_map_lookup_elem(&frag_queues, &w->frag.key);

	if (q && !cv_before(q->due, READ_ONCE(clock.now)))
		return q;
	__builtin_memset(&w->fresh, 0, sizeof(w->fresh));
	w->fresh.serial = __sync_fetch_and_add(&frag_ring.serial, 1) + 1;
	w->fresh.due = READ_ONCE(clock.now) + FRAG_TIME;
	bpf_map_update_elem(&frag_queues, &w->frag.key, &w->fresh, BPF_ANY);
	return bpf_map_lookup_elem(&frag_queues, &w->frag.key);
}

/* ---- collecting ----------------------------------------------------------- */

struct frag_look {
	struct frag_queue *q;
	__u32 at;
	__u32 offset;
	__u32 found;	/* slot of the piece with that offset, or CV_NONE */
};

static long frag_look_step(__u32 step, void *arg)
{
	struct frag_look *l = arg;
	struct frag_piece *p;
	__u32 slot;

	if (step >= FRAG_MOST)
		return 1;
	slot = l->q->piece[step];
	p = bpf_map_lookup_elem(&frag_pool, &slot);
	if (!p || p->serial != l->q->serial || p->offset != l->offset)
		return 0;
	l->found = slot;
	return 1;
}

/* The pool's slot of the queue's piece that begins at `offset`. */
static __noinline __u32 frag_piece_at(struct frag_queue *q, __u32 offset)
{
	struct frag_look l = { .q = q, .offset = offset, .found = CV_NONE };

	if (!q)
		return CV_NONE;
	bpf_loop(q->n < FRAG_MOST ? q->n : FRAG_MOST, frag_look_step, &l, 0);
	return l.found;
}

/* Copies the frame's network layer into the pool; the slot, or CV_NONE. */
static __noinline __u32 frag_store(struct __sk_buff *skb, __u32 len, __u32 offset, __u32 serial)
{
	__u32 slot = __sync_fetch_and_add(&frag_ring.next, 1) % FRAG_PIECES;
	struct frag_piece *p = bpf_map_lookup_elem(&frag_pool, &slot);
	__u32 n;

	if (!p || !len || len > FRAG_BYTES)
		return CV_NONE;
	p->serial = 0;
	n = bounded(len - 1, FRAG_BYTES - 1) + 1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, p->bytes, n))
		return CV_NONE;
	p->offset = offset;
	p->len = len;
	p->serial = serial;
	return slot;
}

/* Takes the fragment in, under the lock. Is the packet whole now? */
static __noinline int frag_collect(struct __sk_buff *skb, struct flow *f, struct frag *g, struct frag_queue *q)
{
	__u32 slot, at;

	if (!f || !g || !q || q->state != FRAG_OPEN)
		return false;
	if (frag_piece_at(q, g->offset) != CV_NONE)	/* once more the same */
		return false;
	at = q->n;
	slot = at < FRAG_MOST ? frag_store(skb, f->len, g->offset, q->serial) : CV_NONE;
	if (slot == CV_NONE || at >= FRAG_MOST) {
		q->state = FRAG_DEAD;
		return false;
	}
	q->piece[at] = slot;
	q->n = at + 1;
	q->got += g->payload;
	if (f->len > q->largest)
		q->largest = f->len;
	if (!g->more)
		q->total = g->offset + g->payload;
	if (q->total && q->got > q->total)	/* they overlap: RFC 5722, RFC 8200 */
		q->state = FRAG_DEAD;
	return q->total && q->got == q->total && q->state == FRAG_OPEN;
}

/* ---- deciding ------------------------------------------------------------- */

/* Ports and flags of the packet put together, from its first piece. */
static __always_inline bool frag_head(struct frag_queue *q, struct flow *f, __u32 header)
{
	__u32 slot = frag_piece_at(q, 0), at;
	struct frag_piece *p;
	__u8 *l4;

	p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);
	if (!p || p->len < header + 8 || header > FRAG_BYTES - 32)
		return false;
	at = bounded(header, FRAG_BYTES - 1);
	if (at > FRAG_BYTES - 32)
		return false;
	l4 = p->bytes + at;
	f->sport = *(__be16 *)l4;
	f->dport = *(__be16 *)(l4 + 2);
	if (f->proto == IPPROTO_SCTP) {
		f->sctp_event = p->len < header + SCTP_HEAD ? SCTP_NO_CHUNK : sctp_event_of(l4[sizeof(struct sctp_head)]);
		return true;
	}
	f->tcp_flags = f->proto == IPPROTO_TCP ? l4[13] : 0;
	return f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP;
}

/* f becomes the packet put together. Is it one that can be decided upon? */
static __noinline int frag_whole(struct flow *f, struct frag *g, struct frag_queue *q)
{
	if (!f || !g || !q)
		return false;
	f->proto = g->key.proto;
	q->header = f->l4 - ETH_HLEN;
	q->id = ((g->key.saddr.q[0] ^ g->key.saddr.q[1] ^ g->key.id) * geo.hash_key[0]) >> 32;
	q->verdict = V_PASS;
	q->state = FRAG_DECIDED;
	if (!frag_head(q, f, q->header))
		return false;
	if (f->v6)		/* there is no fragment header in the whole */
		f->l4 -= FRAG_HEADER6;
	f->len = f->l4 - ETH_HLEN + q->total;
	return true;
}

struct frag_release {
	struct __sk_buff *skb;
	struct frag_queue *q;
	__u32 offset;	/* of the next piece */
	__u32 header;	/* bytes before the payload */
};

/* The frame becomes the next piece of the packet and comes in once more. */
static long frag_release_step(__u32 step, void *arg)
{
	struct frag_release *r = arg;
	__u32 slot = frag_piece_at(r->q, r->offset), n;
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	if (!p || !p->len || p->len > FRAG_BYTES)
		return 1;
	n = bounded((__u32)p->len - 1, FRAG_BYTES - 1) + 1;
	if (bpf_skb_change_tail(r->skb, ETH_HLEN + n, 0) ||
	    bpf_skb_store_bytes(r->skb, ETH_HLEN, p->bytes, n, 0) ||
	    tc_again(r->skb))
		return 1;
	r->offset += n - r->header;
	return r->offset >= r->q->total;
}

static __noinline int frag_release(struct __sk_buff *skb, struct frag_queue *q)
{
	struct frag_release r = { .skb = skb, .q = q };

	if (!q)
		return TC_ACT_SHOT;
	r.header = q->header;
	bpf_loop(FRAG_MOST, frag_release_step, &r, 0);
	return TC_ACT_SHOT;
}

/* ---- putting together ----------------------------------------------------- */

struct frag_join {
	struct __sk_buff *skb;
	struct whole *w;
	struct frag_queue *q;
	__u32 header;	/* bytes before the payload in memory; a piece's may be more */
	__u32 offset;	/* of the next piece */
};

/* A piece of the pool into memory, by way of the frame: BPF has no other way to copy so much. Its payload, bytes. */
GLOBAL __u32 frag_join_one(struct __sk_buff *skb, struct whole *w, struct frag_piece *p, __u32 header, __u32 at)
{
	__u32 n;

	if (!w || !p || p->len <= header || p->len > FRAG_BYTES ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, p->bytes, FRAG_BYTES, 0))
		return 0;
	if (!w->cuts && bpf_skb_load_bytes(skb, ETH_HLEN, w->bytes + WHOLE_ROOM, 60))
		return 0;
	n = bounded(p->len - header - 1, FRAG_BYTES - 1) + 1;
	if (w->cuts >= WHOLE_CUTS || bpf_skb_load_bytes(skb, ETH_HLEN + header, whole_at(w, at), n))
		return 0;
	w->cut[bounded(w->cuts, WHOLE_CUTS - 1)] = n;
	if (w->cuts) {
		w->behind += n;
		if (n > w->most)
			w->most = n;
	}
	w->cuts++;
	return n;
}

static long frag_join_step(__u32 step, void *arg)
{
	struct frag_join *j = arg;
	__u32 slot = frag_piece_at(j->q, j->offset), n;
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	if (!p)
		return 1;
	n = frag_join_one(j->skb, j->w, p, j->q->header, j->header + j->offset);
	j->offset += n;
	return !n || j->offset >= j->q->total;
}

static __always_inline void frag_head4(struct whole *w, __u32 header)
{
	struct iphdr *ip = (void *)whole_at(w, 0);

	ip->tot_len = bpf_htons(w->len);
	ip->frag_off = 0;
	ip->check = 0;
	ip->check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, bounded(header, 0x3c), 0));
}

static __always_inline void frag_head6(struct whole *w, __u32 header, __u8 proto)
{
	struct ipv6hdr *ip = (void *)whole_at(w, 0);

	ip->payload_len = bpf_htons(w->len - sizeof(*ip));
	ip->nexthdr = proto;
}

static __always_inline struct frag_queue *frag_mine(void)
{
	struct frag_work *w;
	__u32 zero = 0;

	w = bpf_map_lookup_elem(&frag_works, &zero);
	return w ? bpf_map_lookup_elem(&frag_queues, &w->frag.key) : NULL;
}

/*
 * The packet that frag_enter() called whole, in memory. Its fragments do not
 * come in again. Extension headers before IPv6's fragment header are not
 * handled: which of them names the next one is forgotten by now.
 */
GLOBAL int frag_join(struct __sk_buff *skb, struct flow *f)
{
	struct frag_join j = { .skb = skb, .q = frag_mine(), .w = whole_mine() };

	if (!f || !j.q || !j.w)
		return false;
	j.header = f->l4 - ETH_HLEN;
	if (f->v6 ? j.header != sizeof(struct ipv6hdr) : j.header > 60)
		return false;
	j.w->start = WHOLE_ROOM;
	j.w->len = j.header + j.q->total;
	j.w->limit = j.q->largest;
	j.w->cuts = j.w->most = j.w->behind = 0;
	if (j.w->len >= WHOLE_MOST || bpf_skb_change_tail(skb, ETH_HLEN + FRAG_BYTES, 0))
		return false;
	bpf_loop(FRAG_MOST, frag_join_step, &j, 0);
	j.q->due = READ_ONCE(clock.now) - 1;
	if (j.offset < j.q->total)
		return false;
	if (f->v6)
		frag_head6(j.w, j.header, f->proto);
	else
		frag_head4(j.w, j.header);
	return true;
}

struct frag_copy {
	__u32 slot;
	__u32 from;	/* in the piece's bytes */
	__u32 len;
};

/* A word of the first piece into sip_work()'s text. */
static long frag_copy_step(__u32 step, void *arg)
{
	struct frag_copy *copy = arg;
	struct frag_piece *p = bpf_map_lookup_elem(&frag_pool, &copy->slot);
	struct sip_work *w = sip_work();
	__u32 at = step * 4, from = copy->from + at;

	if (!p || !w || at >= copy->len || at > SIP_MOST - 4 || from > FRAG_BYTES - 4)
		return 1;
	*(__u32 *)(w->text + at) = *(__u32 *)(p->bytes + from);
	return 0;
}

/* Of the packet that frag_enter() called whole: what its first piece holds behind the UDP header; how much it was. */
GLOBAL __u32 frag_text(void)
{
	struct frag_queue *q = frag_mine();
	struct frag_copy copy = {};
	struct frag_piece *p;

	copy.slot = q ? frag_piece_at(q, 0) : CV_NONE;
	p = copy.slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &copy.slot);
	if (!p)
		return 0;
	copy.from = q->header + sizeof(struct udphdr);
	if (p->len <= copy.from)
		return 0;
	copy.len = p->len - copy.from;
	bpf_loop(FRAG_BYTES / 4, frag_copy_step, &copy, 0);
	return copy.len;
}

/* ---- sending -------------------------------------------------------------- */

static __always_inline void frag_hop(struct __sk_buff *skb, struct flow *f, struct cv_dest *dest, bool reply,
				     struct hop *hop)
{
	if (reply)
		tc_lookup(skb, &f->daddr, f->v6, hop);
	else
		tc_hop(skb, dest, READ_ONCE(clock.now), hop);
}

/* A fragment of a packet that was decided upon, by the connection's method: direct routing, masq, or local. */
static __noinline int frag_send(struct __sk_buff *skb, struct flow *f, struct frag *g, struct frag_queue *q)
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
	reply = q->verdict == V_REPLY;
	frag_hop(skb, f, dest, reply, &s->hop);
	f->proto = g->offset ? 0 : c->proto;	/* 0: there are no ports to rewrite */
	f->sport = c->dport;			/* as the one end or the other of it is read */
	f->dport = c->vport;
	if (c->method == CV_MASQ && (!nat_of(f->v6, q->conn.slot, reply, &n) || tc_nat(skb, f, &n)))
		return tc_drop(CV_C_DROP_ERROR);
	if (s->hop.nh.flags & CV_NH_LOCAL) {
		count_cause(CV_C_PASS_LOCAL);
		return reply ? tc_to_stack(skb) : TC_NEXT;
	}
	if (!s->hop.nh.ifindex)
		return tc_drop(CV_C_DROP_NOROUTE);
	if (f->v6 && bpf_skb_store_bytes(skb, f->l4 - 4, &q->id, sizeof(q->id), 0))
		return tc_drop(CV_C_DROP_ERROR);
	return tc_send_dr(skb, f, &s->hop);
}

/* Comes in again after the decision, or late. */
static __noinline int frag_follow(struct __sk_buff *skb, struct flow *f, struct frag *g, struct frag_queue *q)
{
	__u32 left;
	int rc;

	if (!f || !g || !q || q->state == FRAG_DEAD)
		return tc_drop(CV_C_FRAGMENT);
	left = __sync_fetch_and_sub(&q->n, 1);
	if (left <= 1)		/* the last one: the identifier may be used again */
		q->due = READ_ONCE(clock.now) - 1;
	if (q->verdict == V_SEND || q->verdict == V_REPLY) {
		rc = frag_send(skb, f, g, q);
		if (rc < SEND_TTL)
			return rc;
		return tc_drop(rc == SEND_TTL ? CV_C_DROP_TTL : CV_C_DROP_TOOBIG);
	}
	return q->verdict == V_PASS ? tc_pass(CV_C_FRAGMENT) : tc_drop(CV_C_FRAGMENT);
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
	if (!w || !f || (!f->mark && !host_is_ours(&f->daddr) && !host_is_ours(&f->saddr)) || !frag_parse(skb, f, &w->frag))
		return tc_pass(CV_C_FRAGMENT);
	q = frag_queue_of(w);
	if (!q || (q->state == FRAG_OPEN && !frag_lock(q)))
		return tc_drop(CV_C_DROP_LOCKED);
	if (q->state != FRAG_OPEN)
		return frag_follow(skb, f, &w->frag, q);
	whole = frag_collect(skb, f, &w->frag, q);
	if (whole)
		whole = frag_whole(f, &w->frag, q) ? FRAG_WHOLE : TC_ACT_OK;
	frag_unlock(q);
	if (!whole && q->state != FRAG_DECIDED)		/* held; its bytes are in the pool */
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

/* UDP over IPv4 without a checksum gets one from masq, over all of its fragments. */
static __always_inline bool frag_wants_sum(struct frag_queue *q, const struct flow *f)
{
	__u32 slot = frag_piece_at(q, 0), at = bounded(q->header, 0x3f) + offsetof(struct udphdr, check);
	struct frag_piece *p = slot == CV_NONE ? NULL : bpf_map_lookup_elem(&frag_pool, &slot);

	return p && f->proto == IPPROTO_UDP && !f->v6 && !*(__u16 *)(p->bytes + at);
}

/* No fragment is larger than what came; what IPVS makes of that when it tunnels from one family to the other. */
static __always_inline __u32 frag_limit(const struct flow *f, const struct cv_dest *dest, __u32 largest)
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
	if (f->ttl <= 1)
		return SEND_TTL;
	room = s->hop.nh.mtu;
	if (c->method == CV_TUNNEL && room) {
		room -= tun_overhead(dest);
		if (room < tun_least(dest))
			return tc_drop(CV_C_DROP_TOOBIG);
		w->limit = frag_limit(f, dest, largest);
		if (dest->flags & CV_DEST_IPV6 && !f->v6)	/* in front of IPv4's there is no room */
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
	conn_step_slot(f->v6, slot, ctl, STEP(f->proto, reply ? FROM_SERVER : FROM_CLIENT, f->tcp_flags));
	if (reply) {
		count_out(index, f->len);
	} else {
		count_packet(c);
		count_in(index, f->len);
	}
	q->conn.slot = slot;
	q->conn.ctl = ctl;
	frag_hop(skb, f, dest, reply, &s->hop);
	if (s->hop.nh.ifindex && c->method != CV_LOCALNODE &&
	    (c->method == CV_TUNNEL || flags & FRAG_ONCE || f->ttl <= 1 || (s->hop.nh.mtu && q->largest > s->hop.nh.mtu) ||
	     (c->method == CV_MASQ && frag_wants_sum(q, f))))
		return SEND_REMAKE;
	return frag_settle(skb, reply ? V_REPLY : V_SEND);
}

#endif
