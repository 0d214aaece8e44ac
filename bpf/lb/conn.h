/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection table: finding and ending connections (insert.h makes them). Layout and
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
	struct cv_conn_common *c; /* NULL: none */
	__u32 ctl;		  /* as it was when the key was compared */
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

static __always_inline bool conn_matches(const struct cv_conn_common *c, const struct conn_key *k,
					 bool v6, bool reply)
{
	if (c->proto != k->proto || c->cport != k->cport ||
	    (reply ? c->dport : c->vport) != k->port)
		return false;
	if (v6) {
		const struct cv_conn6 *e = (const void *)c;

		return same_addr(&e->caddr, &k->caddr) &&
		       same_addr(reply ? &e->daddr : &e->vaddr, &k->addr);
	}
	const struct cv_conn4 *e = (const void *)c;

	return e->caddr == k->caddr.v4 && (reply ? e->daddr : e->vaddr) == k->addr.v4;
}

/* The ctl of a slot's entry if that is what is looked for, else 0. `call`: of a template, the low half of its call's hash. */
static __always_inline __u32 conn_fits(bool v6, __u32 slot, const struct conn_key *k, bool reply,
				       bool template, __u32 call)
{
	struct cv_conn_common *c = conn_at(v6, slot);
	__u32 ctl;

	if (!c)
		return 0;
	ctl = READ_ONCE(c->ctl);
	return likely(ctl & CV_CTL_LIVE) &&
			       (ctl & (CV_CTL_TEMPLATE | CV_CTL_STALE)) ==
				       (template ? CV_CTL_TEMPLATE : 0) &&
			       likely(conn_matches(c, k, v6, reply)) &&
			       (!template || c->control == call) ?
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

static __always_inline bool conn_probe(bool v6, __u32 set, __u32 client, const struct conn_key *k,
				       __u32 call, struct conn_id *found)
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

static __always_inline enum glance conn_glance(bool v6, __u32 set, __u32 client,
					       const struct conn_key *k, struct conn_id *found)
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
	return k->template ?
		       (k->addr.q[0] + k->addr.q[1] + k->port + call) * 0x9e3779b97f4a7c15ULL :
		       0;
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

	if (!t || !c || (READ_ONCE(t->tag[slot % CV_WAYS]) & seen) == seen ||
	    !conn_end(v6, c, slot, ctl))
		return false;
	count_cause(CV_C_CONN_EXPIRED);
	return true;
}

/* A TCP connection of which only a SYN came. */
static __always_inline bool is_asked(__u32 proto, __u32 ctl)
{
	return proto == IPPROTO_TCP && (ctl & (CV_CTL_TEMPLATE | CV_CTL_STATE)) == CV_TCP_SYN_RECV;
}

/* ---- finding, whatever it is ---------------------------------------------- */

enum sought { NOT_FOUND, FOUND, FOUND_EXPIRED };

static __always_inline enum sought conn_seek_id(bool v6, const struct conn_key *k, __u64 call,
						struct conn_id *out)
{
	struct place at = conn_place(v6, &k->caddr, k->cport, k->proto, place_more(k, call));
	struct cv_conn_common *c;

	if (!conn_probe(v6, at.home, at.client, k, call, out) &&
	    !conn_probe(v6, place_second(v6, &at), at.client, k, call, out))
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
static __always_inline bool conn_find_slot(const struct conn_key *k, __u64 call,
					   struct conn_id *out)
{
	int found = conn_seek(k, call, out);

	return found == FOUND ||
	       (found == FOUND_EXPIRED && !conn_end_expired(k->v6, out->slot, out->ctl));
}

#endif
