/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maglev hashing (ip_vs_mh.c): by the client's address, and with mh-port (flag
 * 2) its port. With mh-fallback (flag 1) the client is hashed again, with the
 * slot added, until a server is to be had.
 */
#ifndef CULVERT_BPF_LB_SCHED_MH_H
#define CULVERT_BPF_LB_SCHED_MH_H

#include "sched_table.h"

struct mh_walk {
	__u32 service;
	__u32 client;
	__u32 slot;
	__u32 chosen;
};

static __always_inline __u32 mh_slot(__u32 word)
{
	return cv_mh_hash(word, CV_MH_KEY) % CV_MH_SLOTS;
}

static long mh_step(__u32 step, void *arg)
{
	struct mh_walk *w = arg;
	__u32 dest = table_at(w->service, mh_slot(w->client + w->slot));

	w->slot = w->slot + 1 < CV_MH_SLOTS ? w->slot + 1 : 0;
	return table_take(w->service, dest, &w->chosen);
}

static __noinline __u32 sched_mh(struct cv_service *svc, __u32 service, const struct flow *f)
{
	struct mh_walk w = { .service = service, .chosen = CV_NONE };
	__u32 dest;

	if (!svc || !f)
		return CV_NONE;
	w.client = table_port(svc, f) + cv_fold(&f->saddr, f->v6);
	w.slot = mh_slot(w.client);
	dest = table_at(service, w.slot);
	if (table_usable(service, dest))
		return dest;
	if (dest == CV_NONE || !(svc->flags & CV_SVC_SCHED1))
		return CV_NONE;
	bpf_loop(CV_MH_SLOTS, mh_step, &w, 0);
	return w.chosen;
}

#endif
