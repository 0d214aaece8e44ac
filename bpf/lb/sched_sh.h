/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Source hashing (ip_vs_sh.c): by the client's address, and with sh-port (flag
 * 2) its port. With sh-fallback (flag 1) the slots from twice the hash on are
 * tried where the first one's server is not to be had; without, nobody is.
 */
#ifndef CULVERT_BPF_LB_SCHED_SH_H
#define CULVERT_BPF_LB_SCHED_SH_H

#include "sched_table.h"

struct sh_walk {
	__u32 service;
	__u32 slot;
	__u32 chosen;
};

static long sh_step(__u32 step, void *arg)
{
	struct sh_walk *w = arg;
	__u32 dest = table_at(w->service, w->slot++ % CV_SH_SLOTS);

	return table_take(w->service, dest, &w->chosen);
}

static __noinline __u32 sched_sh(struct cv_service *svc, __u32 service, const struct flow *f)
{
	struct sh_walk w = { .service = service, .chosen = CV_NONE };
	__u32 hash, dest;

	if (!svc || !f)
		return CV_NONE;
	hash = cv_sh_hash(table_port(svc, f) + cv_fold(&f->saddr, f->v6));
	dest = table_at(service, hash);
	if (table_usable(service, dest))
		return dest;
	if (dest == CV_NONE || !(svc->flags & CV_SVC_SCHED1))
		return CV_NONE;
	w.slot = 2 * hash;
	bpf_loop(CV_SH_SLOTS, sh_step, &w, 0);
	return w.chosen;
}

#endif
