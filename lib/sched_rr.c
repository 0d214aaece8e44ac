// SPDX-License-Identifier: GPL-2.0-or-later
/* Round robin (ip_vs_rr.c). */
#include "scheduler.h"

/* ip_vs_rr_del_dest(): the one before takes its place, so that the next in turn stays the next. */
static void changed(struct txn *t, const struct sched_change *c)
{
	if (c->what == SCHED_DEL)
		txn_swap(t, &svc_at(t->cv, c->service)->cursor, c->dest, c->before);
}

const struct sched_ops sched_rr = { .changed = changed, .link = sched_skip };
