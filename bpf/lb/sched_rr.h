/* SPDX-License-Identifier: GPL-2.0-only */
/* Round robin (ip_vs_rr.c): the next usable destination after the one chosen last. */
#ifndef CULVERT_BPF_LB_SCHED_RR_H
#define CULVERT_BPF_LB_SCHED_RR_H

#include "sched.h"

struct rr_walk {
	struct cv_service *svc;
	__u32 service;
	__u32 at;   /* looked at next */
	__u32 last; /* where the search began; CV_NONE: at the head */
	__u32 chosen;
	bool wrapped;
};

static long rr_step(__u32 step, void *arg)
{
	struct rr_walk *w = arg;
	struct cv_dest *d;

	if (w->at == CV_NONE) { /* past the end: once more from the head */
		if (w->wrapped || w->last == CV_NONE)
			return 1;
		w->wrapped = true;
		w->at = READ_ONCE(w->svc->head);
		return 0;
	}
	d = dest_at(w->at);
	if (!d)
		return 1;
	if (dest_usable_by(d, w->service)) {
		w->chosen = w->at;
		return 1;
	}
	if (w->wrapped && w->at == w->last)
		return 1;
	w->at = dest_skip(d, w->service, 1);
	return 0;
}

static __noinline __u32 sched_rr(struct cv_service *svc, __u32 service)
{
	struct rr_walk w = { .svc = svc, .service = service };

	if (!svc)
		return CV_NONE;
	/* Another CPU may choose meanwhile: then choose again, after its choice. */
	for (int i = 0; i < 8; i++) {
		w.last = READ_ONCE(svc->cursor);
		w.at = dest_after(svc, service, w.last);
		w.chosen = CV_NONE;
		w.wrapped = false;
		bpf_loop(SCHED_STEPS, rr_step, &w, 0);
		if (w.chosen == CV_NONE ||
		    __sync_val_compare_and_swap(&svc->cursor, w.last, w.chosen) == w.last)
			break;
	}
	return w.chosen;
}

#endif
