/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Weighted round robin (ip_vs_wrr.c): rounds over the list, each choosing those
 * whose weight reaches the round's mark; the mark falls by the weights' gcd
 * from the largest weight to the smallest and starts over. Destinations that a
 * round does not choose are not looked at one by one (dest_skip()).
 */
#ifndef CULVERT_BPF_LB_SCHED_WRR_H
#define CULVERT_BPF_LB_SCHED_WRR_H

#include "sched.h"

struct wrr_walk {
	struct cv_service *svc;
	__u32 service;
	__u32 at;   /* looked at next */
	__u32 last; /* where the search began; CV_NONE: at the head */
	__u32 stop; /* reached again: nobody can take it */
	__s32 mark;
	__u32 chosen;
	bool restarted;
	bool last_pass;
};

/*
 * The end of a round: a lower mark, or the highest again. Returns whether the
 * search is over. The last round ends at `stop`, also if it was skipped over.
 */
static __always_inline bool wrr_next_round(struct wrr_walk *w)
{
	__s32 step = READ_ONCE(w->svc->wrr_gcd);

	if (w->stop != CV_NONE) {
		w->at = w->stop;
		return true;
	}
	w->mark -= step;
	if (w->mark <= 0) {
		w->mark = READ_ONCE(w->svc->wrr_max);
		if (w->last_pass || w->last == CV_NONE)
			return true;
		w->restarted = true;
	}
	w->last_pass = w->mark <= step;
	if (w->last_pass && w->restarted)
		w->stop = w->last;
	w->at = READ_ONCE(w->svc->head);
	return false;
}

static long wrr_step(__u32 step, void *arg)
{
	struct wrr_walk *w = arg;
	struct cv_dest *d;

	if (w->at == CV_NONE)
		return wrr_next_round(w);
	d = dest_at(w->at);
	if (!d)
		return 1;
	if (dest_weight(d) >= w->mark && dest_usable_by(d, w->service)) {
		w->chosen = w->at;
		return 1;
	}
	if (w->at == w->stop)
		return 1;
	w->at = dest_skip(d, w->service, w->mark);
	return 0;
}

static __noinline __u32 sched_wrr(struct cv_service *svc, __u32 service)
{
	struct wrr_walk w = { .svc = svc, .service = service, .chosen = CV_NONE, .stop = CV_NONE };

	if (!svc)
		return CV_NONE;
	if (!sched_lock(svc))
		return SCHED_BUSY;
	if (svc->wrr_max > 0) {
		w.last = svc->cursor;
		w.at = dest_after(svc, service, w.last);
		w.mark = svc->wrr_weight;
		bpf_loop(SCHED_STEPS, wrr_step, &w, 0);
		svc->wrr_weight = w.mark;
		svc->cursor = w.at;
	}
	sched_unlock(svc);
	return w.chosen;
}

#endif
