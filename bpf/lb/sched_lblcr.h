/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locality-based least connection with replication (ip_vs_lblcr.c): as lblc,
 * but an address has a set of servers. Its least loaded one is chosen; when that
 * one has more than its share while others idle, one more joins the set; a set
 * that did not change for a day (lblcr_expiration) loses its most loaded one.
 */
#ifndef CULVERT_BPF_LB_SCHED_LBLCR_H
#define CULVERT_BPF_LB_SCHED_LBLCR_H

#include "sched_cache.h"

struct set_walk {
	struct cache_member_key key;	/* of the one looked at */
	__u32 before;			/* the one before it; CV_NONE: it is the head */
	__u32 best;
	__u32 best_before;
	struct load load;		/* the best one's */
	bool most;			/* the best is the most loaded */
};

/* ip_vs_dest_set_min() and _max() ask different things; one that left for good goes first. */
static __always_inline bool set_better(const struct set_walk *w, const struct cv_dest *d, bool stale)
{
	struct load load = load_of(d);

	if (stale || !load.weight)
		return w->most && stale;
	if (w->most)
		return w->best == CV_NONE || load_less(&w->load, &load);
	return dest_usable(d) && (w->best == CV_NONE || load_less(&load, &w->load));
}

static long set_step(__u32 step, void *arg)
{
	struct set_walk *w = arg;
	struct cache_member *m;
	struct cv_dest *d;
	bool stale;

	if (w->key.dest == CV_NONE)
		return 1;
	m = bpf_map_lookup_elem(&cache_members, &w->key);
	d = dest_at(w->key.dest);
	if (!m || !d)
		return 1;
	stale = m->serial != d->serial;
	if (set_better(w, d, stale)) {
		w->best = w->key.dest;
		w->best_before = w->before;
		w->load = load_of(d);
		if (stale)
			return 1;
	}
	w->before = w->key.dest;
	w->key.dest = READ_ONCE(m->next);
	return 0;
}

static __always_inline void set_search(struct set_walk *w, const struct cache_key *key, const struct cache_entry *e,
				       bool most)
{
	w->key.of = *key;
	w->key.dest = READ_ONCE(e->head);
	w->key.zero = 0;
	w->before = w->best = w->best_before = CV_NONE;
	w->load.conns = w->load.weight = 0;
	w->most = most;
	bpf_loop(SCHED_STEPS, set_step, w, 0);
}

static __noinline __u32 set_least(const struct cache_key *key, const struct cache_entry *e)
{
	struct set_walk w;

	set_search(&w, key, e, false);
	return w.best;
}

/* With the lock. */
static __noinline int set_drop_most(const struct cache_key *key, struct cache_entry *e)
{
	struct cache_member *m, *before;
	struct set_walk w;
	__u32 next;

	set_search(&w, key, e, true);
	if (w.best == CV_NONE)
		return 0;
	w.key.dest = w.best;
	m = bpf_map_lookup_elem(&cache_members, &w.key);
	if (!m)
		return 0;
	next = m->next;
	bpf_map_delete_elem(&cache_members, &w.key);
	w.key.dest = w.best_before;
	before = bpf_map_lookup_elem(&cache_members, &w.key);
	if (before)
		WRITE_ONCE(before->next, next);
	else
		WRITE_ONCE(e->head, next);
	e->size--;
	e->modified = READ_ONCE(clock.now);
	return 0;
}

/* With the lock. One that is there already keeps its place. */
static __noinline int set_add(const struct cache_key *key, struct cache_entry *e, __u32 dest)
{
	struct cache_member_key k = { .of = *key, .dest = dest };
	struct cache_member *m = bpf_map_lookup_elem(&cache_members, &k);
	struct cache_member new = { .next = e->head, .serial = server_of(dest) >> 32 };

	if (m) {
		m->serial = new.serial;
		return 0;
	}
	if (bpf_map_update_elem(&cache_members, &k, &new, BPF_NOEXIST))
		return 0;
	WRITE_ONCE(e->head, dest);
	e->size++;
	e->modified = READ_ONCE(clock.now);
	return 0;
}

static __always_inline bool set_rested(const struct cache_entry *e)
{
	return cv_before(e->modified + settings.lblcr_expiration * CV_HZ, READ_ONCE(clock.now));
}

static __noinline __u32 sched_lblcr(struct cv_service *svc, __u32 service, const struct flow *f)
{
	__u32 chosen = CV_NONE;
	struct cache_entry *e;
	struct cache_key key;

	if (!svc || !f)
		return CV_NONE;
	cache_key(svc, service, f, &key);
	e = cache_find(svc, &key);
	if (e) {
		chosen = set_least(&key, e);
		if (e->size > 1 && set_rested(e) && sched_lock(svc)) {
			e = cache_find(svc, &key);
			if (e && e->size > 1)
				set_drop_most(&key, e);
			sched_unlock(svc);
		}
		if (chosen != CV_NONE && !cache_overloaded(svc, chosen))
			return chosen;
	}
	chosen = sched_least(svc, CV_SCHED_WLC);
	if (chosen == CV_NONE || !sched_lock(svc))
		return chosen;
	e = cache_make(svc, &key);
	if (e)
		set_add(&key, e, chosen);
	sched_unlock(svc);
	return chosen;
}

#endif
