/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The schedulers that choose the least loaded: they differ in what they call
 * load. lc (ip_vs_lc.c): active connections weigh 256 times as much as inactive
 * ones. wlc (ip_vs_wlc.c): the same, by weight.
 */
#ifndef CULVERT_BPF_LB_SCHED_LEAST_H
#define CULVERT_BPF_LB_SCHED_LEAST_H

#include "sched.h"

/* ip_vs_dest_conn_overhead(): of 64 bits, so that it does not overflow. */
static __always_inline __u64 dest_overhead(const struct cv_dest *d)
{
	return ((__u64)READ_ONCE(d->activeconns) << 8) + READ_ONCE(d->inactconns);
}

static long least_step(__u32 step, void *arg)
{
	struct sched_walk *w = arg;
	struct cv_dest *d;
	__u64 load, weight;

	if (w->at == CV_NONE)
		return 1;
	d = dest_at(w->at);
	if (!d)
		return 1;
	if (dest_usable(d)) {
		load = dest_overhead(d);
		weight = w->by == CV_SCHED_LC ? 1 : READ_ONCE(d->weight);
		if (w->best == CV_NONE || w->best_load * weight > load * w->best_weight) {
			w->best = w->at;
			w->best_load = load;
			w->best_weight = weight;
		}
	}
	w->at = READ_ONCE(d->next);
	return 0;
}

static __noinline __u32 sched_least(struct cv_service *svc, __u32 by)
{
	struct sched_walk w = { .best = CV_NONE, .by = by };

	if (!svc)
		return CV_NONE;
	w.at = READ_ONCE(svc->head);
	bpf_loop(SCHED_STEPS, least_step, &w, 0);
	return w.best;
}

#endif
