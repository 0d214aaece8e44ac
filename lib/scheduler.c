// SPDX-License-Identifier: GPL-2.0-or-later
#include "scheduler.h"

/* lc, wlc: all that they need stands in the destinations. */
static const struct sched_ops stateless;

static const struct sched_ops *const schedulers[CV_SCHED_COUNT] = {
	[CV_SCHED_RR] = &sched_rr,
	[CV_SCHED_WRR] = &sched_wrr,
	[CV_SCHED_LC] = &stateless,
	[CV_SCHED_WLC] = &stateless,
};

const struct sched_ops *sched_ops(uint32_t sched)
{
	return sched < CV_SCHED_COUNT ? schedulers[sched] : NULL;
}

void sched_init(struct txn *t, uint32_t sched, const struct sched_change *c)
{
	const struct sched_ops *ops = sched_ops(sched);

	txn_set(t, &t->cv->svcs[c->service].cursor, CV_NONE);
	if (ops && ops->init)
		ops->init(t, c);
}

void sched_changed(struct txn *t, const struct sched_change *c)
{
	const struct sched_ops *ops = sched_ops(t->cv->svcs[c->service].sched);

	if (ops && ops->changed)
		ops->changed(t, c);
}
