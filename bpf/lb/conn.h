/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection table: finding, making and ending connections. Layout and
 * invariants C1 to C9 stand in include/culvert/conn.h.
 *
 * A connection is handled by a pointer to what both families' entries begin
 * with; `v6` says which entry it is and is a constant wherever speed counts.
 */
#ifndef CULVERT_BPF_LB_CONN_H
#define CULVERT_BPF_LB_CONN_H

#include "../packet.h"
#include "dest.h"
#include "tag.h"

struct conn_ref {
	struct cv_conn_common *c;	/* NULL: none */
	__u32 ctl;			/* as it was when the key was compared */
	__u32 slot;
};

static __always_inline struct cv_conn_common *conn_at(bool v6, __u32 slot)
{
	return v6 ? bpf_map_lookup_elem(&conn6, &slot) : bpf_map_lookup_elem(&conn4, &slot);
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

/* The ctl of a slot's entry if that is what is looked for, else 0. `call`: of a template, the low half of its call's hash. */
static __always_inline __u32 conn_fits(bool v6, __u32 slot, const struct conn_key *k, bool reply, bool template,
				       __u32 call)
{
	struct cv_conn_common *c = conn_at(v6, slot);
	__u32 ctl;

	if (!c)
		return 0;
	ctl = READ_ONCE(c->ctl);
	return likely(ctl & CV_CTL_LIVE) &&
			       (ctl & (CV_CTL_TEMPLATE | CV_CTL_STALE)) == (template ? CV_CTL_TEMPLATE : 0) &&
			       likely(conn_matches(c, k, v6, reply)) && (!template || c->control == call) ?
		       ctl :
		       0;
}

GLOBAL __u32 conn_fits_any(__u32 slot, const struct conn_key *k, __u32 call)
{
	if (!k)
		return 0;
	return k->v6 ? conn_fits(true, slot, k, k->reply, k->template, call) :
		       conn_fits(false, slot, k, k->reply, k->template, call);
}

/* Which slot, and its ctl: what of a connection can be handed through a global function. */
struct conn_id {
	__u32 slot;
	__u32 ctl;
};

static __always_inline bool conn_probe(bool v6, __u32 set, __u32 client, const struct conn_key *k, __u32 call,
				       struct conn_id *found)
{
	struct cv_tags *t = tags_at(v6, set);
	__u64 marks;

	if (!t)
		return false;
	marks = tags_of_client(t, client);
	for (int i = 0; i < CV_WAYS && marks; i++) {
		__u64 lowest = marks & -marks;

		found->slot = set * CV_WAYS + way_of(lowest);
		found->ctl = conn_fits_any(found->slot, k, call);
		if (found->ctl)
			return true;
		marks ^= lowest;
	}
	return false;
}

/* The same for one way of a client's key, which is nearly always enough and needs no loop. */
enum glance { GLANCE_NONE, GLANCE_FOUND, GLANCE_UNSURE };

static __always_inline enum glance conn_glance(bool v6, __u32 set, __u32 client, const struct conn_key *k,
					       struct conn_id *found)
{
	struct cv_tags *t = tags_at(v6, set);
	__u64 marks;

	if (!t)
		return GLANCE_NONE;
	marks = tags_of_client(t, client);
	if (!marks)
		return GLANCE_NONE;
	found->slot = set * CV_WAYS + way_of(marks & -marks);
	found->ctl = conn_fits(v6, found->slot, k, false, false, 0);
	return found->ctl ? GLANCE_FOUND : GLANCE_UNSURE;
}

/* Is it still the connection that was found? (C3) */
static __always_inline bool conn_same(const struct conn_ref *r)
{
	__u32 now = READ_ONCE(r->c->ctl);

	return (now & CV_CTL_LIVE) && !((now ^ r->ctl) & CV_CTL_GEN);
}

static __always_inline __u64 place_more(const struct conn_key *k, __u64 call)
{
	return k->template ? (k->addr.q[0] + k->addr.q[1] + k->port + call) * 0x9e3779b97f4a7c15ULL : 0;
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

/* After conn_take(): the counts that the connection stood in, and its call. */
static __always_inline void conn_uncount(bool v6, struct cv_conn_common *c, __u32 slot, __u32 ctl)
{
	struct cv_dest *d = dest_at(c->dest);

	if (d)
		dest_drop_conn(d, ctl);
	if (ctl & CV_CTL_CONTROLLED) {
		struct cv_conn_common *t = conn_at(v6, c->control);

		if (t)
			__sync_fetch_and_sub(&t->n_control, 1);
	}
	if (unlikely(ctl & CV_CTL_TEMPLATE && c->control)) {
		struct cv_call_key key = { .slot = slot, .v6 = v6 };

		bpf_map_delete_elem(&calls, &key);
	}
}

static __always_inline bool conn_end(bool v6, struct cv_conn_common *c, __u32 slot, __u32 ctl)
{
	if (!conn_take(c, ctl))
		return false;
	tag_set(v6, slot, 0);
	conn_uncount(v6, c, slot, ctl);
	WRITE_ONCE(c->ctl, ctl & CV_CTL_GEN);
	return true;
}

/*
 * Has its timer run out? A template stays while it controls connections, as
 * ip_vs_conn_expire() re-arms it for a minute.
 */
static __always_inline bool conn_expired(const struct cv_conn_common *c, __u32 now)
{
	return cv_before(READ_ONCE(c->expires), now) && !READ_ONCE(c->n_control);
}

/* conn_end() by slot, for the rare ends on a packet's path. */
GLOBAL int conn_end_slot(bool v6, __u32 slot, __u32 ctl)
{
	struct cv_conn_common *c = conn_at(v6, slot);

	return c && conn_end(v6, c, slot, ctl);
}

/*
 * Ends a connection that a packet came for and whose timer has run out; unless
 * it is LIVE and the sweeper, who keeps that timer, has yet to see the last packets.
 */
GLOBAL int conn_end_expired(bool v6, __u32 slot, __u32 ctl)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);
	struct cv_conn_common *c = conn_at(v6, slot);
	__u32 seen = CV_TAG_LIVE | CV_TAG_SEEN;

	if (!t || !c || (READ_ONCE(t->tag[slot % CV_WAYS]) & seen) == seen || !conn_end(v6, c, slot, ctl))
		return false;
	count_cause(CV_C_CONN_EXPIRED);
	return true;
}

/* ---- making -------------------------------------------------------------- */

/*
 * What gives way when both sets of a key are full. Lower goes first; CONN_KEEP
 * never does. A new connection has proved nothing yet, so it displaces no
 * established one, however long that was silent: a flood of SYNs ends half-open
 * connections, its own mostly.
 */
#define CONN_KEEP 0xff
#define IDLE_ENOUGH (60 * CV_HZ)	/* UDP */

static __always_inline __u32 worth_of_sctp(__u32 state)
{
	if (state < CV_SCTP_ESTABLISHED)
		return 1;
	if (state == CV_SCTP_ESTABLISHED)
		return CONN_KEEP;
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
		return worth_of_sctp(ctl & CV_CTL_STATE);
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
	return CONN_KEEP;
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
	__u32 way;	/* next one to look at */
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
static __always_inline void choose_slot(struct slot_choice *best, __u32 set)
{
	best->set = set;
	best->way = 0;
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

/*
 * Most sets have free slots, and the tags alone tell: one entry is touched, the
 * one to be written.
 */
static __always_inline __u64 free_room_in(bool v6, __u32 home, __u32 second)
{
	struct cv_tags *t = tags_at(v6, home);
	__u64 free = t ? tags_free(t) : 0, more;
	struct cv_conn_common *c;
	__u32 slot, ctl;

	if (ways_marked(free) < ROOM_TO_SPARE) {
		t = tags_at(v6, second);
		more = t ? tags_free(t) : 0;
		if (ways_marked(more) > ways_marked(free)) {
			free = more;
			home = second;
		}
	}
	if (!free)
		return NO_ROOM;
	slot = home * CV_WAYS + way_of(free & -free);
	c = conn_at(v6, slot);
	ctl = c ? READ_ONCE(c->ctl) : CV_CTL_BUSY;
	return ctl & (CV_CTL_LIVE | CV_CTL_BUSY) ? NO_ROOM : (__u64)slot << 32 | ctl;
}

GLOBAL __u64 free_room(bool v6, __u32 home, __u32 second)
{
	return v6 ? free_room_in(true, home, second) : free_room_in(false, home, second);
}

/* Slot (high half) and its ctl (low half) for a new connection, or NO_ROOM. */
GLOBAL __u64 find_room(bool v6, __u32 home, __u32 second)
{
	struct slot_choice c = { .now = READ_ONCE(clock.now), .v6 = v6 };
	__u32 slot, ctl, free, worth, yields;

	choose_slot(&c, home);
	slot = c.slot;
	ctl = c.ctl;
	free = c.free;
	worth = c.worth;
	yields = c.yields;
	if (free < ROOM_TO_SPARE) {
		choose_slot(&c, second);
		if (c.free > free || (!c.free && !free &&
				      (c.worth < worth || (c.worth == worth && c.yields > yields)))) {
			slot = c.slot;
			ctl = c.ctl;
			worth = c.worth;
		}
	}
	return worth < CONN_KEEP ? (__u64)slot << 32 | ctl : NO_ROOM;
}

static __always_inline __u32 *lock_of(const struct place *at)
{
	return &set_locks[(at->client >> 1) % CV_LOCKS];
}

static __always_inline bool set_lock(const struct place *at)
{
	__u32 *lock = lock_of(at);

	for (int i = 0; i < 64; i++)
		if (__sync_val_compare_and_swap(lock, 0, 1) == 0)
			return true;
	return false;
}

static __always_inline void set_unlock(const struct place *at)
{
	__sync_lock_test_and_set(lock_of(at), 0);
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
	__u64 call;		/* of a template: the Call-ID's hash, or 0 */
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

enum sought { NOT_FOUND, FOUND, FOUND_EXPIRED };

static __always_inline enum sought conn_seek_id(bool v6, const struct conn_key *k, __u64 call, struct conn_id *out)
{
	struct place at = conn_place(v6, &k->caddr, k->cport, k->proto, place_more(k, call));
	struct cv_conn_common *c;

	if (!conn_probe(v6, at.home, at.client, k, call, out) && !conn_probe(v6, place_second(v6, &at), at.client, k, call, out))
		return NOT_FOUND;
	c = conn_at(v6, out->slot);
	return c && conn_expired(c, READ_ONCE(clock.now)) ? FOUND_EXPIRED : FOUND;
}

/*
 * Any kind of key. Here as elsewhere the family is tested once and then a
 * constant: the verifier of 6.1 does not see that a second test of the same
 * value must come out the same.
 */
GLOBAL int conn_seek(const struct conn_key *k, __u64 call, struct conn_id *out)
{
	if (!k || !out)
		return NOT_FOUND;
	return k->v6 ? conn_seek_id(true, k, call, out) : conn_seek_id(false, k, call, out);
}

/*
 * One whose time is up is ended on the way, or the same key would soon stand
 * there twice. Whoever moved it on meanwhile has it alive. (Not within the global
 * function: stacks add up to 512 bytes.)
 */
static __always_inline bool conn_find_slot(const struct conn_key *k, __u64 call, struct conn_id *out)
{
	int found = conn_seek(k, call, out);

	return found == FOUND || (found == FOUND_EXPIRED && !conn_end_expired(k->v6, out->slot, out->ctl));
}

/* Under the lock of its client (C5). */
static __always_inline enum made conn_insert_locked(bool v6, const struct place *at, const struct new_conn *n,
						    struct conn_id *out)
{
	__u32 now = READ_ONCE(clock.now), ctl, slot;
	struct cv_conn_common *c;
	__u64 room;

	if (conn_find_slot(&n->key, n->call, out))
		return CONN_THERE;
	room = free_room(v6, at->home, place_second(v6, at));
	if (room == NO_ROOM)
		room = find_room(v6, at->home, place_second(v6, at));
	if (room == NO_ROOM)
		return CONN_FULL;
	slot = room >> 32;
	ctl = (__u32)room;
	c = conn_at(v6, slot);
	if (!c || !conn_take(c, ctl))
		return CONN_LOCKED;
	if (ctl & CV_CTL_LIVE) {
		count_cause(conn_expired(c, now) ? CV_C_CONN_EXPIRED : CV_C_CONN_EVICTED);
		tag_set(v6, slot, 0);
		conn_uncount(v6, c, slot, ctl);
	}
	conn_write(v6, c, n, now);
	tag_new(v6, slot, at, n->dest);
	ctl = n->ctl | CV_CTL_LIVE | ((ctl & CV_CTL_GEN) + (1U << CV_CTL_GEN_SHIFT));
	out->ctl = ctl;
	out->slot = slot;
	/* Publishes all of the above: fully ordered. */
	__sync_lock_test_and_set(&c->ctl, ctl);
	region_busy(v6, slot);
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
	at = conn_place(n->key.v6, &n->key.caddr, n->key.cport, n->key.proto, place_more(&n->key, n->call));
	at.key ^= cv_vip_key(geo.hash_key, n->key.v6, &n->key.addr, n->key.port, n->key.proto);
	if (!set_lock(&at))
		return CONN_LOCKED;
	made = n->key.v6 ? conn_insert_locked(true, &at, n, out) : conn_insert_locked(false, &at, n, out);
	set_unlock(&at);
	return made;
}

#endif
