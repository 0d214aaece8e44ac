/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's half of the schedulers: what the hooks of the kernel's
 * ip_vs_scheduler (init_service, add_dest, upd_dest, del_dest) do to a service's
 * scheduler state when its configuration changes. The choosing is the data
 * path's (bpf/lb/sched*.h).
 *
 * The hooks add to the edit's record; they see the list as it was before.
 */
#ifndef CULVERT_SCHEDULER_H
#define CULVERT_SCHEDULER_H

#include "instance.h"
#include "journal.h"

/* One change of a service's list: of whom, and the weight after it. */
struct sched_change {
	uint32_t service;
	uint32_t dest;	 /* who comes, changes or goes; CV_NONE: nobody */
	uint32_t before; /* who stands before one that goes; CV_NONE: it is the head */
	enum { SCHED_ADD, SCHED_EDIT, SCHED_DEL } what;
	int32_t weight;
};

struct sched_ops {
	/* The service gets this scheduler. */
	void (*init)(struct txn *t, const struct sched_change *c);
	/* A destination comes, changes or goes; NULL: does not matter. */
	void (*changed)(struct txn *t, const struct sched_change *c);
};

extern const struct sched_ops sched_rr, sched_wrr;

/* NULL: the data path does not have it. */
const struct sched_ops *sched_ops(uint32_t sched);

void sched_init(struct txn *t, uint32_t sched, const struct sched_change *c);
void sched_changed(struct txn *t, const struct sched_change *c);

#endif
