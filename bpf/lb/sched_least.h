/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The schedulers that choose the least loaded: they differ in what they call
 * load and weight. Of equals the first in the list.
 *
 *	lc	connections, active ones 256 times as much as inactive ones (ip_vs_lc.c)
 *	wlc	the same, by weight (ip_vs_wlc.c)
 *	sed	active connections and the new one, by weight (ip_vs_sed.c)
 *	nq	the first that is idle, or else as sed (ip_vs_nq.c)
 *	fo	the same for all, by weight: the largest weight (ip_vs_fo.c)
 *	ovf	as fo, of those with no more active connections than their weight (ip_vs_ovf.c)
 */
#ifndef CULVERT_BPF_LB_SCHED_LEAST_H
#define CULVERT_BPF_LB_SCHED_LEAST_H

#include "sched.h"

struct load {
	__u64 conns;
	__u64 weight;
};

/* Has `a` less load than `b`? Crosswise, instead of a.conns / a.weight < b.conns / b.weight. */
static __always_inline bool load_less(const struct load *a, const struct load *b)
{
	return b->conns * a->weight > a->conns * b->weight;
}

/* ip_vs_dest_conn_overhead() by weight; 64 bits, so that it does not overflow. */
static __always_inline struct load load_of(const struct cv_dest *d)
{
	return (struct load){
		.conns = ((__u64)READ_ONCE(d->activeconns) << 8) + READ_ONCE(d->inactconns),
		.weight = dest_weight(d),
	};
}

struct least_walk {
	__u32 by; /* enum cv_sched: whose measure */
	__u32 service;
	__u32 at;
	__u32 best;
	struct load least; /* the best one's */
};

static __always_inline struct load measure(__u32 by, const struct cv_dest *d)
{
	struct load load = load_of(d);

	switch (by) {
	case CV_SCHED_LC:
		load.weight = 1;
		break;
	case CV_SCHED_SED:
	case CV_SCHED_NQ:
		load.conns = (__u64)READ_ONCE(d->activeconns) + 1;
		break;
	case CV_SCHED_FO:
	case CV_SCHED_OVF:
		load.conns = 1;
		break;
	}
	return load;
}

static long least_step(__u32 step, void *arg)
{
	struct least_walk *w = arg;
	struct cv_dest *d;
	struct load load;

	if (w->at == CV_NONE)
		return 1;
	d = dest_at(w->at);
	if (!d)
		return 1;
	if (dest_usable_by(d, w->service) &&
	    !(w->by == CV_SCHED_OVF && READ_ONCE(d->activeconns) > (__u32)dest_weight(d))) {
		if (w->by == CV_SCHED_NQ && !READ_ONCE(d->activeconns)) {
			w->best = w->at;
			return 1;
		}
		load = measure(w->by, d);
		if (w->best == CV_NONE || load_less(&load, &w->least)) {
			w->best = w->at;
			w->least = load;
		}
	}
	w->at = dest_next(d, w->service);
	return 0;
}

/* By enum cv_sched. */
static __noinline __u32 sched_least(struct cv_service *svc, __u32 service, __u32 by)
{
	struct least_walk w = { .by = by, .service = service, .best = CV_NONE };

	if (!svc)
		return CV_NONE;
	w.at = READ_ONCE(svc->head);
	bpf_loop(SCHED_STEPS, least_step, &w, 0);
	return w.best;
}

#endif
