/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queues that hold the fragments of packets which are not whole yet.
 *
 * Invariants:
 *
 * F1  A queue is changed under its lock, taken as in C5. It is OPEN (collects),
 *     DECIDED (its fragments go by its verdict as they come in again) or DEAD
 *     (overlapping or too many fragments: the rest of the packet is dropped).
 * F2  A piece belongs to a queue while its serial is the queue's. The pool is a
 *     ring: a flood of fragments takes the oldest pieces away, and those
 *     packets are lost, others are not.
 * F3  The mark of a packet is its first fragment's: rules that go by ports see
 *     them in no other. An uplink's door that has no service for the packet lets
 *     all of it pass, and the others are still to come in again there when the
 *     first, if rules lead it so, comes to culvert0. What is decided there is
 *     then true of all.
 */
#ifndef CULVERT_BPF_LB_FRAG_QUEUE_H
#define CULVERT_BPF_LB_FRAG_QUEUE_H

#include "decide.h"

#define FRAG_PIECES 1024
#define FRAG_BYTES 2048	       /* of the network layer; jumbo fragments pass to the stack */
#define FRAG_MOST 48	       /* fragments of a packet: 64 KiB in pieces of 1500 */
#define FRAG_TIME (30 * CV_HZ) /* net.ipv4.ipfrag_time */

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
	__u32 state; /* enum frag_state */
	__u32 serial;
	__u32 due;   /* when it is forgotten, ticks */
	__u32 total; /* bytes behind the headers, once the last fragment is there */
	__u32 got;
	__u32 n;       /* pieces */
	__u32 left;    /* of a decided queue: that have yet to come in again */
	__u32 ifindex; /* ... through this device's door */
	__u32 verdict; /* enum verdict of the whole */
	struct conn_id conn;
	__u32 header;  /* bytes before the first piece's payload */
	__u32 largest; /* piece, bytes of the network layer */
	__u32 id; /* of IPv6: the fragments leave with another, for two servers' answers may have the same */
	__u32 led;		/* 1: decided once more, by the mark of its first fragment (F3) */
	__u32 piece[FRAG_MOST]; /* slots in the pool, by arrival */
};

struct frag_piece {
	__u32 serial;
	__u16 offset; /* of its payload in the packet's */
	__u16 len;    /* of the network layer */
	__u32 header; /* bytes before its payload: not every option is in every fragment (RFC 791, 3.1) */
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

#define FRAG_HEADER6 8 /* IPv6's fragment header */

/* A fragment's place in its packet. */
struct frag {
	struct frag_key key;
	__u32 offset;  /* of its payload, bytes */
	__u32 payload; /* bytes */
	bool more;
};

struct frag_work {
	struct frag frag;
	struct frag_queue fresh; /* a new queue, to be copied into the map */
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
	/* Of two CPUs that have its first pieces at once both take the queue of one. */
	bpf_map_update_elem(&frag_queues, &w->frag.key, &w->fresh, q ? BPF_ANY : BPF_NOEXIST);
	return bpf_map_lookup_elem(&frag_queues, &w->frag.key);
}

/* ---- collecting ----------------------------------------------------------- */

struct frag_look {
	struct frag_queue *q;
	__u32 at;
	__u32 offset;
	__u32 found; /* slot of the piece with that offset, or CV_NONE */
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
static __noinline __u32 frag_store(struct __sk_buff *skb, const struct flow *f, __u32 offset,
				   __u32 serial)
{
	__u32 slot = __sync_fetch_and_add(&frag_ring.next, 1) % FRAG_PIECES;
	struct frag_piece *p = bpf_map_lookup_elem(&frag_pool, &slot);
	__u32 n, len = f ? f->len : 0;

	if (!p || !len || len > FRAG_BYTES)
		return CV_NONE;
	p->serial = 0;
	n = bounded(len - 1, FRAG_BYTES - 1) + 1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, p->bytes, n))
		return CV_NONE;
	p->offset = offset;
	p->len = len;
	p->header = f->l4 - ETH_HLEN;
	p->serial = serial;
	return slot;
}

/* Takes the fragment in, under the lock. Is the packet whole now? */
static __noinline int frag_collect(struct __sk_buff *skb, struct flow *f, struct frag *g,
				   struct frag_queue *q)
{
	__u32 slot, at;

	if (!f || !g || !q || q->state != FRAG_OPEN)
		return false;
	if (frag_piece_at(q, g->offset) != CV_NONE) /* once more the same */
		return false;
	at = q->n;
	slot = at < FRAG_MOST ? frag_store(skb, f, g->offset, q->serial) : CV_NONE;
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
	if (q->total && q->got > q->total) /* they overlap: RFC 5722, RFC 8200 */
		q->state = FRAG_DEAD;
	return q->total && q->got == q->total && q->state == FRAG_OPEN;
}

#endif
