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

/* ip_vs_dest_set_min() and _max() ask different things; one that left for good goes first. */
static __always_inline bool set_better(const struct cache_work *w, const struct cv_dest *d,
				       bool stale)
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
	struct cache_work *w = *(struct cache_work **)arg;
	struct cache_member *m;
	struct cv_dest *d;
	bool stale;

	if (w->member.dest == CV_NONE)
		return 1;
	m = bpf_map_lookup_elem(&cache_members, &w->member);
	d = dest_at(w->member.dest);
	if (!m || !d)
		return 1;
	stale = m->serial != d->serial || dest_strayed(d, w->key.service);
	if (set_better(w, d, stale)) {
		w->best = w->member.dest;
		w->best_before = w->before;
		w->load = load_of(d);
		if (stale)
			return 1;
	}
	w->before = w->member.dest;
	w->member.dest = READ_ONCE(m->next);
	return 0;
}

/* Finds the least loaded, or the most loaded, in w->best. */
static __noinline int set_search(struct cache_work *w, const struct cache_entry *e, bool most)
{
	if (!w || !e)
		return 0;
	w->member.of = w->key;
	w->member.dest = READ_ONCE(e->head);
	w->before = w->best = w->best_before = CV_NONE;
	w->most = most;
	bpf_loop(SCHED_STEPS, set_step, &w, 0);
	return 0;
}

/* With the lock. */
static __always_inline void set_drop_most(struct cache_work *w, struct cache_entry *e)
{
	struct cache_member *m, *before;
	__u32 next;

	set_search(w, e, true);
	if (w->best == CV_NONE)
		return;
	w->member.dest = w->best;
	m = bpf_map_lookup_elem(&cache_members, &w->member);
	if (!m)
		return;
	next = m->next;
	bpf_map_delete_elem(&cache_members, &w->member);
	w->member.dest = w->best_before;
	before = bpf_map_lookup_elem(&cache_members, &w->member);
	if (before)
		WRITE_ONCE(before->next, next);
	else
		WRITE_ONCE(e->head, next);
	e->size--;
	e->modified = READ_ONCE(clock.now);
}

/* With the lock. One that is there already keeps its place. */
static __always_inline void set_add(struct cache_work *w, struct cache_entry *e, __u32 dest)
{
	struct cache_member *m;

	w->member.of = w->key;
	w->member.dest = dest;
	w->link = (struct cache_member){ .next = e->head, .serial = server_of(dest) >> 32 };
	m = bpf_map_lookup_elem(&cache_members, &w->member);
	if (m) {
		m->serial = w->link.serial;
		return;
	}
	if (bpf_map_update_elem(&cache_members, &w->member, &w->link, BPF_NOEXIST))
		return;
	WRITE_ONCE(e->head, dest);
	e->size++;
	e->modified = READ_ONCE(clock.now);
}

static __always_inline bool set_rested(const struct cache_entry *e)
{
	return cv_before(e->modified + settings.lblcr_expiration * CV_HZ, READ_ONCE(clock.now));
}

static __noinline __u32 sched_lblcr(struct cv_service *svc, __u32 service, const struct flow *f)
{
	__u32 chosen = CV_NONE;
	struct cache_entry *e;
	struct cache_work *w;

	if (!svc || !f)
		return CV_NONE;
	w = cache_begin(svc, service, f);
	if (!w)
		return CV_NONE;
	e = cache_find(svc, w);
	if (e) {
		set_search(w, e, false);
		chosen = w->best;
		if (e->size > 1 && set_rested(e) && sched_lock(svc)) {
			e = cache_find(svc, w);
			if (e && e->size > 1)
				set_drop_most(w, e);
			sched_unlock(svc);
		}
		if (chosen != CV_NONE && !cache_overloaded(svc, service, chosen))
			return chosen;
	}
	chosen = sched_least(svc, service, CV_SCHED_WLC);
	if (chosen == CV_NONE || !sched_lock(svc))
		return chosen;
	e = cache_make(svc, w);
	if (e)
		set_add(w, e, chosen);
	sched_unlock(svc);
	return chosen;
}

#endif
