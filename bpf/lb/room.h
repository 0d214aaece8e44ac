/* SPDX-License-Identifier: GPL-2.0-only */
/* A slot for a new connection: a free one, or that of a connection that gives way. */
#ifndef CULVERT_BPF_LB_ROOM_H
#define CULVERT_BPF_LB_ROOM_H

#include "conn.h"

/*
 * What gives way when both sets of a key are full. Lower goes first; CONN_KEEP
 * never does. A new connection has proved nothing yet, so it displaces no
 * established one, however long that was silent: a flood of SYNs ends half-open
 * connections, its own mostly.
 */
#define CONN_KEEP 0xff
#define IDLE_ENOUGH (60 * CV_HZ) /* UDP */

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

/* What a set has to offer. */
struct slot_choice {
	__u32 free;   /* how many of its slots are free ... */
	__u32 yields; /* ... or would give way */
	__u32 slot;   /* the best so far ... */
	__u32 ctl;
	__u32 worth; /* ... what it is worth ... */
	__u32 left;  /* ... and for how long: of equals, the one nearest to its end goes */
};

/* Per CPU, and not what the loop is given, which would have to be on the stack: that is short. */
struct choosing {
	__u32 set;
	__u32 now;
	struct slot_choice best;
	struct slot_choice home; /* of the set before */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct choosing);
} choices SEC(".maps");

static __always_inline struct choosing *choosing(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&choices, &zero);
}

static __always_inline long choose_look(bool v6, __u32 way)
{
	struct choosing *k = choosing();
	__u32 slot, ctl, worth = 0, left = 0;
	struct cv_conn_common *c;
	struct slot_choice *best;

	if (!k)
		return 1;
	best = &k->best;
	slot = k->set * CV_WAYS + way % CV_WAYS;
	c = conn_at(v6, slot);
	if (!c)
		return 1;
	ctl = READ_ONCE(c->ctl);
	if (ctl & CV_CTL_BUSY)
		return 0;
	if (ctl & CV_CTL_LIVE) {
		worth = conn_worth(c, ctl, k->now);
		left = READ_ONCE(c->expires) - k->now;
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

static long choose_step4(__u32 step, void *none)
{
	return choose_look(false, step);
}

static long choose_step6(__u32 step, void *none)
{
	return choose_look(true, step);
}

/* Looks a set over: a free slot if it has one, else its best victim. */
static __always_inline void choose_slot(bool v6, struct choosing *k, __u32 set)
{
	k->set = set;
	k->best = (struct slot_choice){ .worth = CONN_KEEP };
	if (v6)
		bpf_loop(CV_WAYS, choose_step6, NULL, 0);
	else
		bpf_loop(CV_WAYS, choose_step4, NULL, 0);
}

static __always_inline bool offers_more(const struct slot_choice *a, const struct slot_choice *b)
{
	if (a->free || b->free)
		return a->free > b->free;
	return a->worth < b->worth || (a->worth == b->worth && a->yields > b->yields);
}

/*
 * The home set while it has room to spare, else the emptier of the two. Most
 * connections are then found at the first look, and a table fills to four
 * fifths before a connection has to give way. When both are full, as in a flood
 * of SYNs, what stays is spread as evenly by going where more would give way.
 */
#define ROOM_TO_SPARE 4
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

static __always_inline bool asked_gives_way(const struct cv_conn_common *c, __u32 ctl)
{
	return (ctl & (CV_CTL_LIVE | CV_CTL_BUSY)) == CV_CTL_LIVE && is_asked(c->proto, ctl);
}

/*
 * In a flood nearly all are half open, and the tags say which: of two of them the
 * one nearer to its end gives way. So two entries are read, at once, where
 * find_room() reads sixteen, one miss of the cache after the other. The tags may
 * be mistaken; the entry is right.
 */
static __always_inline __u64 asked_room_in(bool v6, __u32 set, __u32 second, __u32 random)
{
	struct cv_tags *t = tags_at(v6, set), *other = tags_at(v6, second);
	__u64 marks = t ? tags_asked(t) : 0, more = other ? tags_asked(other) : 0;
	struct cv_conn_common *a, *b;
	__u32 slot_a, slot_b, ctl_a, ctl_b;

	if (ways_marked(more) > ways_marked(marks)) {
		marks = more;
		set = second;
	}
	slot_a = set * CV_WAYS + way_of(mark_of(marks, random));
	slot_b = set * CV_WAYS + way_of(mark_of(marks, random >> 3));
	a = conn_at(v6, slot_a);
	b = conn_at(v6, slot_b);
	if (!marks || !a || !b)
		return NO_ROOM;
	ctl_a = READ_ONCE(a->ctl);
	ctl_b = READ_ONCE(b->ctl);
	if (!asked_gives_way(a, ctl_a) ||
	    (asked_gives_way(b, ctl_b) &&
	     cv_before(READ_ONCE(b->expires), READ_ONCE(a->expires)))) {
		a = b;
		slot_a = slot_b;
		ctl_a = ctl_b;
	}
	return asked_gives_way(a, ctl_a) ? (__u64)slot_a << 32 | ctl_a : NO_ROOM;
}

GLOBAL __u64 asked_room(bool v6, __u32 home, __u32 second, __u32 random)
{
	return v6 ? asked_room_in(true, home, second, random) :
		    asked_room_in(false, home, second, random);
}

/* Slot (high half) and its ctl (low half) for a new connection, or NO_ROOM. */
GLOBAL __u64 find_room(bool v6, __u32 home, __u32 second)
{
	struct choosing *k = choosing();

	if (!k)
		return NO_ROOM;
	k->now = READ_ONCE(clock.now);
	choose_slot(v6, k, home);
	if (k->best.free < ROOM_TO_SPARE) {
		k->home = k->best;
		choose_slot(v6, k, second);
		if (!offers_more(&k->best, &k->home))
			k->best = k->home;
	}
	return k->best.worth < CONN_KEEP ? (__u64)k->best.slot << 32 | k->best.ctl : NO_ROOM;
}

#endif
