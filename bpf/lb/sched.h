/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Schedulers: which destination a new connection gets. A scheduler is a
 * function in a file of its own,
 *
 *	static __u32 sched_NAME(struct cv_service *svc, __u32 service, const struct flow *f)
 *
 * (with those of the arguments that it needs), which returns the index of a
 * destination, or CV_NONE, or SCHED_BUSY, and chooses what the kernel's
 * net/netfilter/ipvs/ip_vs_NAME.c chooses, choice by choice. Its state is in
 * struct cv_service; what it looks up in, the library makes (lib/scheduler.h).
 * To add one: its file, a line in schedule(), its hooks in lib/scheduler.c, its
 * name in lib/names.c.
 */
#ifndef CULVERT_BPF_LB_SCHED_H
#define CULVERT_BPF_LB_SCHED_H

#include "dest.h"
#include "service.h"

/* No choice could be made in time: the index of no destination, so the packet is dropped. */
#define SCHED_BUSY (CV_NONE - 1)

/* How many bpf_loop() steps a walk may take: more destinations than that a service does not get. */
#define SCHED_STEPS (1U << 20)

/*
 * A walk may stand at a destination while that leaves its service. Its `next`
 * then still leads on through the list that it was in, until its slot joins
 * another service; `service` is written before `next` then, and so read after it.
 */
static __always_inline bool dest_strayed(const struct cv_dest *d, __u32 service)
{
	__u32 of = READ_ONCE(d->service);

	return of != service && of != CV_NONE;
}

/* The one after d in the service's list; CV_NONE: the end, or d stands in another one. */
static __always_inline __u32 dest_next(const struct cv_dest *d, __u32 service)
{
	__u32 next = READ_ONCE(d->next);

	return dest_strayed(d, service) ? CV_NONE : next;
}

/* The first destination, or the one after `index`. */
static __always_inline __u32 dest_after(const struct cv_service *svc, __u32 service, __u32 index)
{
	struct cv_dest *d = dest_at(index);

	return d && !dest_strayed(d, service) ? READ_ONCE(d->next) : READ_ONCE(svc->head);
}

/* May the service's scheduler choose it? */
static __always_inline bool dest_usable_by(const struct cv_dest *d, __u32 service)
{
	return READ_ONCE(d->service) == service && dest_usable(d);
}

static __always_inline __s32 dest_weight(const struct cv_dest *d)
{
	return READ_ONCE(d->weight);
}

/*
 * Where to look next for a weight of at least `mark`: after d if d has that, or
 * else at a destination further on with nothing of that weight before it. The
 * library's pointers lead to any weight in O(log n) such steps. While a list
 * changes they may lead out of it: then the list itself is followed.
 */
static __always_inline __u32 dest_skip(const struct cv_dest *d, __u32 service, __s32 mark)
{
	__u32 up = READ_ONCE(d->up), jump = READ_ONCE(d->jump) - 1;
	const struct cv_dest *to;

	if (dest_weight(d) >= mark)
		return dest_next(d, service);
	to = dest_at(jump);
	if (to && to->service == service && dest_weight(to) < mark)
		return jump;
	if (up == CV_NONE)
		return CV_NONE;
	to = dest_at(up - 1);
	return to && to->service == service ? up - 1 : dest_next(d, service);
}

/*
 * A lock for state of more than one word. Its holder is never interrupted by
 * another packet on the same CPU, and holds it for a walk at most, so it is worth
 * waiting for; but not for ever: some milliseconds.
 */
#define SCHED_TRIES (1U << 16)

static long sched_try(__u32 step, void *arg)
{
	struct cv_service *svc = *(struct cv_service **)arg;

	return READ_ONCE(svc->sched_lock) == 0 &&
	       __sync_val_compare_and_swap(&svc->sched_lock, 0, 1) == 0;
}

static __always_inline bool sched_lock(struct cv_service *svc)
{
	if (likely(__sync_val_compare_and_swap(&svc->sched_lock, 0, 1) == 0))
		return true;
	return bpf_loop(SCHED_TRIES, sched_try, &svc, 0) < SCHED_TRIES;
}

static __always_inline void sched_unlock(struct cv_service *svc)
{
	__sync_lock_test_and_set(&svc->sched_lock, 0);
}

#endif
