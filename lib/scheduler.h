/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's half of the schedulers: what the hooks of the kernel's
 * ip_vs_scheduler (init_service, add_dest, upd_dest, del_dest) do to a service's
 * scheduler state when its configuration changes. The choosing is the data
 * path's (bpf/lb/sched*.h).
 *
 * The hooks add to the edit's record; they see the list as it was before. What
 * is derived from the list as it will be (tables, pointers) is made anew at the
 * record's end, by sched_rebuild(): it depends on the list alone, so that doing
 * it again after a crash is the same as doing it once.
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

/* NULL: nothing to do, or nothing to make. */
struct sched_ops {
	/* The service gets this scheduler. */
	void (*init)(struct txn *t, const struct sched_change *c);
	/* A destination comes, changes or goes. */
	void (*changed)(struct txn *t, const struct sched_change *c);
	/* Fills all of a table of `slots` slots from the list of n destinations, which is not empty. */
	int (*fill)(const struct cv *cv, const uint32_t *list, uint32_t n, uint32_t *table);
	/* Makes what else the data path needs to search the list. */
	int (*link)(struct cv *cv, const uint32_t *list, uint32_t n);
	uint32_t slots; /* of fill's table: at most CV_TABLE_PIECES pieces */
	uint32_t most;	/* destinations that its table can hold; 0: any number */
};

extern const struct sched_ops sched_rr, sched_wrr, sched_lblc, sched_dh, sched_sh, sched_mh;

/* NULL: the data path does not have it. */
const struct sched_ops *sched_ops(uint32_t sched);

void sched_init(struct txn *t, uint32_t sched, const struct sched_change *c);
void sched_changed(struct txn *t, const struct sched_change *c);

/* The service goes. */
void sched_done(struct txn *t, uint32_t service);

/*
 * Makes what is derived from a service's list, or removes it if the service is no
 * more. With `fresh`, also removes what another scheduler left. -ENOMEM
 */
int sched_rebuild(struct cv *cv, uint32_t service, bool fresh);

/* sched_skip.c: the pointers by which rr and wrr find a weight (cv_dest.up, cv_dest.jump). */
int sched_skip(struct cv *cv, const uint32_t *list, uint32_t n);

/* sched_table.c: writes a service's table, or the lack of one (n_slots 0). */
int sched_table_write(struct cv *cv, uint32_t service, const uint32_t *slots, uint32_t n_slots,
		      bool fresh);

#endif
