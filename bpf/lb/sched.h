/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Schedulers: which destination a new connection gets. A scheduler is one
 * function in a file of its own,
 *
 *	static __u32 sched_NAME(struct cv_service *svc, __u32 service, const struct flow *f)
 *
 * which returns the index of a destination, or CV_NONE, and chooses what the
 * kernel's net/netfilter/ipvs/ip_vs_NAME.c chooses, choice by choice. Its state
 * is in struct cv_service. To add one: its file, a line in schedule(), its name
 * in lib/names.c.
 */
#ifndef CULVERT_BPF_LB_SCHED_H
#define CULVERT_BPF_LB_SCHED_H

#include "dest.h"
#include "service.h"

/* The one after `index` in the service's list, from the head again after the last. */
static __always_inline __u32 dest_after(const struct cv_service *svc, __u32 index)
{
	struct cv_dest *d;

	if (index == CV_NONE)
		return READ_ONCE(svc->head);
	d = dest_at(index);
	return d ? READ_ONCE(d->next) : CV_NONE;
}

/*
 * Walks a service's list from its head; `score` says how good a destination is
 * (the lowest wins, of equals the first), SCHED_NEVER leaves it out.
 */
#define SCHED_NEVER (~0ULL)

struct sched_walk {
	__u32 at;
	__u32 best;
	__u64 best_load;	/* of the best one: its load ... */
	__u64 best_weight;	/* ... and weight, compared crosswise */
	__u32 by;		/* enum cv_sched: whose measure */
};

/* How many bpf_loop() steps a walk may take: more destinations than that a service does not get. */
#define SCHED_STEPS (1U << 20)

/*
 * A try-lock for schedulers whose state is more than one word. Waits a bounded
 * time; without it the packet is dropped (and the client sends it again).
 */
static __always_inline bool sched_lock(struct cv_service *svc)
{
	for (int i = 0; i < 64; i++)
		if (__sync_val_compare_and_swap(&svc->sched_lock, 0, 1) == 0)
			return true;
	return false;
}

static __always_inline void sched_unlock(struct cv_service *svc)
{
	__sync_lock_test_and_set(&svc->sched_lock, 0);
}

#endif
