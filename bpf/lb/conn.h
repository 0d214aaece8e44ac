/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection table: finding, making and ending connections. Layout and
 * invariants C1 to C7 stand in include/culvert/conn.h.
 *
 * A connection is handled by a pointer to what both families' entries begin
 * with; `v6` says which entry it is and is a constant wherever speed counts.
 */
#ifndef CULVERT_BPF_LB_CONN_H
#define CULVERT_BPF_LB_CONN_H

#include "../packet.h"
#include "dest.h"
#include "hash.h"

struct conn_ref {
	struct cv_conn_common *c;	/* NULL: none */
	__u32 ctl;			/* as it was when the key was compared */
	__u32 slot;
};

static __always_inline struct cv_conn_common *conn_at(bool v6, __u32 slot)
{
	return v6 ? bpf_map_lookup_elem(&conn6, &slot) : bpf_map_lookup_elem(&conn4, &slot);
}

static __always_inline struct cv_tags *tags_at(bool v6, __u32 set)
{
	return v6 ? bpf_map_lookup_elem(&conn6_tags, &set) : bpf_map_lookup_elem(&conn4_tags, &set);
}

static __always_inline bool same_addr(const union cv_addr *a, const union cv_addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static __always_inline bool conn_matches(const struct cv_conn_common *c, const struct conn_key *k, bool v6,
					 bool reply)
{
	if (c->proto != k->proto || c->cport != k->cport || (reply ? c->dport : c->vport) != k->port)
		return false;
	if (v6) {
		const struct cv_conn6 *e = (const void *)c;

		return same_addr(&e->caddr, &k->caddr) && same_addr(reply ? &e->daddr : &e->vaddr, &k->addr);
	}
	const struct cv_conn4 *e = (const void *)c;

	return e->caddr == k->caddr.v4 && (reply ? e->daddr : e->vaddr) == k->addr.v4;
}

#define TAG_ONES 0x0101010101010101ULL
#define TAG_TOPS 0x8080808080808080ULL

/* The tags of a set as one word, that of way 0 lowest. */
static __always_inline __u64 tag_word(const struct cv_tags *t)
{
	return *(const volatile __u64 *)t;
}

/* Which of the tags equal `tag`: the top bit of their bytes. */
static __always_inline __u64 tags_equal(__u64 tags, __u8 tag)
{
	__u64 x = tags ^ tag * TAG_ONES;

	return ~(((x & ~TAG_TOPS) + ~TAG_TOPS) | x | ~TAG_TOPS);
}

/* The way of one of those bits: a perfect hash of the eight. */
static __always_inline __u32 way_of(__u64 bit)
{
	return ((bit >> 7) * 0x0020406080a0c0e0ULL) >> 61;
}

static __always_inline bool conn_probe(__u32 set, __u8 tag, const struct conn_key *k, bool v6, bool reply,
				       bool template, struct conn_ref *found)
{
	struct cv_tags *t = tags_at(v6, set);
	__u64 equal;

	if (!t)
		return false;
	equal = tags_equal(tag_word(t), tag);
	for (int i = 0; i < CV_WAYS && equal; i++) {
		__u64 lowest = equal & -equal;
		__u32 slot = set * CV_WAYS + way_of(lowest);
		struct cv_conn_common *c = conn_at(v6, slot);
		__u32 ctl;

		if (!c)
			return false;
		ctl = READ_ONCE(c->ctl);
		if (likely(ctl & CV_CTL_LIVE) && (ctl & (CV_CTL_TEMPLATE | CV_CTL_STALE)) == (template ? CV_CTL_TEMPLATE : 0) &&
		    likely(conn_matches(c, k, v6, reply))) {
			found->c = c;
			found->ctl = ctl;
			found->slot = slot;
			return true;
		}
		equal ^= lowest;
	}
	return false;
}

/* Is it still the connection that was found? (C3) */
static __always_inline bool conn_same(const struct conn_ref *r)
{
	__u32 now = READ_ONCE(r->c->ctl);

	return (now & CV_CTL_LIVE) && !((now ^ r->ctl) & CV_CTL_GEN);
}

static __always_inline bool conn_find_at(const struct place *at, const struct conn_key *k, bool v6, bool reply,
					 bool template, struct conn_ref *found)
{
	return conn_probe(at->home, at->tag, k, v6, reply, template, found) ||
	       conn_probe(at->second, at->tag, k, v6, reply, template, found);
}

static __always_inline __u64 place_more(const struct conn_key *k)
{
	return k->template ? (k->addr.q[0] + k->addr.q[1] + k->port) * 0x9e3779b97f4a7c15ULL : 0;
}

/* ---- ending -------------------------------------------------------------- */

/*
 * Takes a live entry out of use (C4). Whoever wins frees the slot and gives
 * back what the connection held: its place in the counts and in its template.
 * Returns whether it was this call.
 */
static __always_inline bool conn_take(struct cv_conn_common *c, __u32 ctl)
{
	__u32 busy = (ctl & ~CV_CTL_LIVE) | CV_CTL_BUSY;

	return __sync_val_compare_and_swap(&c->ctl, ctl, busy) == ctl;
}

/* After conn_take(): the counts that the connection stood in. */
static __always_inline void conn_uncount(bool v6, struct cv_conn_common *c, __u32 ctl)
{
	struct cv_dest *d = dest_at(c->dest);

	if (d)
		dest_drop_conn(d, ctl);
	if (ctl & CV_CTL_CONTROLLED) {
		struct cv_conn_common *t = conn_at(v6, c->control);

		if (t)
			__sync_fetch_and_sub(&t->n_control, 1);
	}
}

static __always_inline void tag_set(bool v6, __u32 slot, __u8 tag)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);

	if (t)
		WRITE_ONCE(t->tag[slot % CV_WAYS], tag);
}

static __always_inline bool conn_end(bool v6, struct cv_conn_common *c, __u32 slot, __u32 ctl)
{
	if (!conn_take(c, ctl))
		return false;
	conn_uncount(v6, c, ctl);
	tag_set(v6, slot, 0);
	WRITE_ONCE(c->ctl, ctl & CV_CTL_GEN);
	return true;
}

/* conn_end() by slot, for the rare ends on a packet's path. */
GLOBAL int conn_end_slot(bool v6, __u32 slot, __u32 ctl)
{
	struct cv_conn_common *c = conn_at(v6, slot);

	return c && conn_end(v6, c, slot, ctl);
}

/*
 * Has its timer run out? A template stays while it controls connections, as
 * ip_vs_conn_expire() re-arms it for a minute.
 */
static __always_inline bool conn_expired(const struct cv_conn_common *c, __u32 now)
{
	return cv_before(READ_ONCE(c->expires), now) && !READ_ONCE(c->n_control);
}

/* ---- making -------------------------------------------------------------- */

/*
 * What gives way when both sets of a key are full. Lower goes first; CONN_KEEP
 * never does. A new connection has proved nothing yet, so it displaces no
 * established one that was heard of within the last minute: a flood of SYNs
 * ends half-open connections, its own mostly.
 */
#define CONN_KEEP 0xff
#define IDLE_ENOUGH (60 * CV_HZ)

static __always_inline __u32 worth_of_sctp(__u32 state, __u32 idle)
{
	if (state < CV_SCTP_ESTABLISHED)
		return 1;
	if (state == CV_SCTP_ESTABLISHED)
		return idle > IDLE_ENOUGH ? 6 : CONN_KEEP;
	return state < CV_SCTP_REJECTED ? 3 : 2;
}

/*
 * What a live entry is worth that was last heard of `idle` ticks ago. Global, so
 * that the verifier takes the answer for any number instead of following each of
 * them through the search below.
 */
GLOBAL __u32 worth_of(__u32 ctl, __u32 proto, __u32 idle, __u32 n_control)
{
	if (ctl & CV_CTL_TEMPLATE)
		return n_control ? CONN_KEEP : 5;
	if (proto == IPPROTO_SCTP)
		return worth_of_sctp(ctl & CV_CTL_STATE, idle);
	if (proto != IPPROTO_TCP)
		return idle > IDLE_ENOUGH ? 4 : CONN_KEEP - 1;
	switch (ctl & CV_CTL_STATE) {
	case CV_TCP_NONE:
	case CV_TCP_SYN_SENT:
	case CV_TCP_SYN_RECV:
	case CV_TCP_SYNACK:
		return 1;
	case CV_TCP_CLOSE:
	case CV_TCP_TIME_WAIT:
	case CV_TCP_LAST_ACK:
		return 2;
	case CV_TCP_FIN_WAIT:
	case CV_TCP_CLOSE_WAIT:
		return 3;
	}
	return idle > IDLE_ENOUGH ? 6 : CONN_KEEP;
}

static __always_inline __u32 conn_worth(const struct cv_conn_common *c, __u32 ctl, __u32 now)
{
	__u32 left = READ_ONCE(c->expires) - now;

	if (conn_expired(c, now))
		return 0;
	return worth_of(ctl, c->proto, c->timeout - left, READ_ONCE(c->n_control));
}

struct slot_choice {
	__u32 set;
	__u32 way;	/* next one to look at: the connection's own first, so that it wins among equals */
	__u32 now;
	bool v6;
	__u32 free;	/* how many slots of the set are free ... */
	__u32 yields;	/* ... or would give way */
	__u32 slot;	/* the best so far ... */
	__u32 ctl;
	__u32 worth;	/* ... what it is worth ... */
	__u32 left;	/* ... and for how long: of equals, the one nearest to its end goes */
};

static __always_inline long choose_look(bool v6, struct slot_choice *best)
{
	__u32 slot = best->set * CV_WAYS + best->way++ % CV_WAYS, ctl, worth = 0, left = 0;
	struct cv_conn_common *c = conn_at(v6, slot);

	if (!c)
		return 1;
	ctl = READ_ONCE(c->ctl);
	if (ctl & CV_CTL_BUSY)
		return 0;
	if (ctl & CV_CTL_LIVE) {
		worth = conn_worth(c, ctl, best->now);
		left = READ_ONCE(c->expires) - best->now;
	}
	best->free += worth == 0;
	best->yields += worth < CONN_KEEP;
	if (worth < best->worth || (worth == best->worth && left < best->left)) {
		best->worth = worth;
		best->left = left;
		best->slot = slot;
		best->ctl = ctl;
	}
	return 0;
}

static long choose_step4(__u32 step, void *arg)
{
	return choose_look(false, arg);
}

static long choose_step6(__u32 step, void *arg)
{
	return choose_look(true, arg);
}

/* Looks a set over: a free slot if it has one, else its best victim. */
static __always_inline void choose_slot(struct slot_choice *best, __u32 set, __u32 way)
{
	best->set = set;
	best->way = way;
	best->free = 0;
	best->yields = 0;
	best->worth = CONN_KEEP;
	if (best->v6)
		bpf_loop(CV_WAYS, choose_step6, best, 0);
	else
		bpf_loop(CV_WAYS, choose_step4, best, 0);
}

/*
 * The home set while it has room to spare, else the emptier of the two. Most
 * connections are then found at the first look, and a table fills to five
 * sixths before a connection has to give way. When both are full, as in a flood
 * of SYNs, what stays is spread as evenly by going where more would give way.
 */
#define ROOM_TO_SPARE 2
#define NO_ROOM (~0ULL)

/* How many of the bits that tags_equal() gives are set. */
static __always_inline __u32 ways_marked(__u64 bits)
{
	return ((bits >> 7) * TAG_ONES) >> 56;
}

/*
 * Most sets have free slots, and the tags alone tell: one entry is touched, the
 * one to be written. The connection's own way if that is free.
 */
static __always_inline __u64 free_room_in(bool v6, __u32 home, __u32 second, __u32 way)
{
	struct cv_tags *t = tags_at(v6, home);
	__u64 free = t ? tags_equal(tag_word(t), 0) : 0, more;
	struct cv_conn_common *c;
	__u32 slot, ctl;

	if (ways_marked(free) < ROOM_TO_SPARE) {
		t = tags_at(v6, second);
		more = t ? tags_equal(tag_word(t), 0) : 0;
		if (ways_marked(more) > ways_marked(free)) {
			free = more;
			home = second;
		}
	}
	if (!free)
		return NO_ROOM;
	way %= CV_WAYS;
	slot = home * CV_WAYS + (free >> (8 * way) & 0x80 ? way : way_of(free & -free));
	c = conn_at(v6, slot);
	ctl = c ? READ_ONCE(c->ctl) : CV_CTL_BUSY;
	return ctl & (CV_CTL_LIVE | CV_CTL_BUSY) ? NO_ROOM : (__u64)slot << 32 | ctl;
}

GLOBAL __u64 free_room(bool v6, __u32 home, __u32 second, __u32 way)
{
	return v6 ? free_room_in(true, home, second, way) : free_room_in(false, home, second, way);
}

/* Slot (high half) and its ctl (low half) for a new connection, or NO_ROOM. */
GLOBAL __u64 find_room(bool v6, __u32 home, __u32 second, __u32 way)
{
	struct slot_choice c = { .now = READ_ONCE(clock.now), .v6 = v6 };
	__u32 slot, ctl, free, worth, yields;

	choose_slot(&c, home, way);
	slot = c.slot;
	ctl = c.ctl;
	free = c.free;
	worth = c.worth;
	yields = c.yields;
	if (free < ROOM_TO_SPARE) {
		choose_slot(&c, second, way);
		if (c.free > free || (!c.free && !free &&
				      (c.worth < worth || (c.worth == worth && c.yields > yields)))) {
			slot = c.slot;
			ctl = c.ctl;
			worth = c.worth;
		}
	}
	return worth < CONN_KEEP ? (__u64)slot << 32 | ctl : NO_ROOM;
}

static __always_inline bool set_lock(__u32 home)
{
	__u32 *lock = &set_locks[home % CV_LOCKS];

	for (int i = 0; i < 64; i++)
		if (__sync_val_compare_and_swap(lock, 0, 1) == 0)
			return true;
	return false;
}

static __always_inline void set_unlock(__u32 home)
{
	__sync_lock_test_and_set(&set_locks[home % CV_LOCKS], 0);
}

struct new_conn {
	struct conn_key key;
	union cv_addr daddr;
	__be16 dport;
	__u8 method;
	__u32 dest;
	__u32 ctl;		/* state and flags, without LIVE and generation */
	__u32 timeout;		/* ticks */
	__u32 control;
	__u32 fwmark;
};

static __always_inline void conn_write(bool v6, struct cv_conn_common *c, const struct new_conn *n, __u32 now)
{
	if (v6) {
		struct cv_conn6 *e = (void *)c;

		e->caddr = n->key.caddr;
		e->vaddr = n->key.addr;
		e->daddr = n->daddr;
	} else {
		struct cv_conn4 *e = (void *)c;

		e->caddr = n->key.caddr.v4;
		e->vaddr = n->key.addr.v4;
		e->daddr = n->daddr.v4;
	}
	c->cport = n->key.cport;
	c->vport = n->key.port;
	c->dport = n->dport;
	c->proto = n->key.proto;
	c->method = n->method;
	c->dest = n->dest;
	c->timeout = n->timeout;
	c->expires = now + n->timeout;
	c->control = n->control;
	c->fwmark = n->fwmark;
	c->in_pkts = 0;
}

enum made { CONN_MADE, CONN_THERE, CONN_LOCKED, CONN_FULL };

/* Which slot, and its ctl: what of a connection can be handed through a global function. */
struct conn_id {
	__u32 slot;
	__u32 ctl;
};

/*
 * One whose time is up is ended on the way, or the same key would soon stand
 * there twice. Whoever moved it on meanwhile has it alive.
 */
static __always_inline bool conn_find_id(bool v6, const struct conn_key *k, struct conn_id *out)
{
	struct place at = conn_place(v6, &k->caddr, k->cport, k->proto, place_more(k));
	struct conn_ref found = {};

	if (!conn_find_at(&at, k, v6, k->reply, k->template, &found))
		return false;
	if (conn_expired(found.c, READ_ONCE(clock.now)) && conn_end(v6, found.c, found.slot, found.ctl)) {
		count_cause(CV_C_CONN_EXPIRED);
		return false;
	}
	out->slot = found.slot;
	out->ctl = found.ctl;
	return true;
}

/*
 * Any kind of key. Here as elsewhere the family is tested once and then a
 * constant: the verifier of 6.1 does not see that a second test of the same
 * value must come out the same.
 */
GLOBAL int conn_find_slot(const struct conn_key *k, struct conn_id *out)
{
	if (!k || !out)
		return false;
	return k->v6 ? conn_find_id(true, k, out) : conn_find_id(false, k, out);
}

/* Under the lock of the home set. */
static __always_inline enum made conn_insert_locked(bool v6, const struct place *at, const struct new_conn *n,
						    struct conn_id *out)
{
	__u32 now = READ_ONCE(clock.now), ctl, slot;
	struct cv_conn_common *c;
	__u64 room;

	if (conn_find_slot(&n->key, out))
		return CONN_THERE;
	room = free_room(v6, at->home, at->second, at->way);
	if (room == NO_ROOM)
		room = find_room(v6, at->home, at->second, at->way);
	if (room == NO_ROOM)
		return CONN_FULL;
	slot = room >> 32;
	ctl = (__u32)room;
	c = conn_at(v6, slot);
	if (!c || !conn_take(c, ctl))
		return CONN_LOCKED;
	if (ctl & CV_CTL_LIVE) {
		count_cause(conn_expired(c, now) ? CV_C_CONN_EXPIRED : CV_C_CONN_EVICTED);
		conn_uncount(v6, c, ctl);
	}
	conn_write(v6, c, n, now);
	tag_set(v6, slot, at->tag);
	ctl = n->ctl | CV_CTL_LIVE | ((ctl & CV_CTL_GEN) + (1U << CV_CTL_GEN_SHIFT));
	out->ctl = ctl;
	out->slot = slot;
	/* Publishes all of the above: fully ordered. */
	__sync_lock_test_and_set(&c->ctl, ctl);
	return CONN_MADE;
}

/*
 * Makes a connection (or template). The caller has counted it at its
 * destination before, so that C6 holds, and takes it off again unless
 * CONN_MADE comes back. CONN_THERE: another CPU was faster; *out is its one.
 */
GLOBAL int conn_insert(const struct new_conn *n, struct conn_id *out)
{
	struct place at;
	enum made made;

	if (!n || !out)
		return CONN_LOCKED;
	at = conn_place(n->key.v6, &n->key.caddr, n->key.cport, n->key.proto, place_more(&n->key));
	if (!set_lock(at.home))
		return CONN_LOCKED;
	made = n->key.v6 ? conn_insert_locked(true, &at, n, out) : conn_insert_locked(false, &at, n, out);
	set_unlock(at.home);
	return made;
}

#endif
