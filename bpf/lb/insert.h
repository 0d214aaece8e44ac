/* SPDX-License-Identifier: GPL-2.0-only */
/* Making connections: one for a key (C5), in a slot that nobody else writes (C1, C2). */
#ifndef CULVERT_BPF_LB_INSERT_H
#define CULVERT_BPF_LB_INSERT_H

#include "room.h"

static __always_inline __u32 *lock_of(const struct place *at)
{
	return &set_locks[at->client % CV_LOCKS];
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
	__u32 ctl;     /* state and flags, without LIVE and generation */
	__u32 timeout; /* ticks */
	__u32 control;
	__u32 fwmark;
	__u64 call; /* of a template: the Call-ID's hash, or 0 */
};

static __always_inline void conn_write(bool v6, struct cv_conn_common *c, const struct new_conn *n,
				       __u32 now)
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

/* Has any connection in its sets the same CV_TAG_CLIENT? */
static __always_inline bool client_is_there(bool v6, const struct place *at)
{
	struct cv_tags *home = tags_at(v6, at->home), *second = tags_at(v6, place_second(v6, at));

	return !home || !second ||
	       tags_of_client(home, at->client) | tags_of_client(second, at->client);
}

/* Under the lock of its client (C5). */
static __always_inline enum made conn_insert_locked(bool v6, const struct place *at,
						    const struct new_conn *n, struct conn_id *out)
{
	__u32 now = READ_ONCE(clock.now), ctl, slot;
	struct cv_conn_common *c;
	__u64 room;

	if (unlikely(client_is_there(v6, at)) && conn_find_slot(&n->key, n->call, out))
		return CONN_THERE;
	room = free_room(v6, at->home, place_second(v6, at));
	if (room == NO_ROOM)
		room = asked_room(v6, at->home, place_second(v6, at), at->key);
	if (unlikely(room == NO_ROOM))
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
	tag_new(v6, slot, at, n->dest, is_asked(n->key.proto, n->ctl) ? CV_TAG_ASKED : 0);
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
	at = conn_place(n->key.v6, &n->key.caddr, n->key.cport, n->key.proto,
			place_more(&n->key, n->call));
	at.key ^= cv_vip_key(geo.hash_key, n->key.v6, &n->key.addr, n->key.port, n->key.proto);
	if (!set_lock(&at))
		return CONN_LOCKED;
	made = n->key.v6 ? conn_insert_locked(true, &at, n, out) :
			   conn_insert_locked(false, &at, n, out);
	set_unlock(&at);
	return made;
}

#endif
