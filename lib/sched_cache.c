// SPDX-License-Identifier: GPL-2.0-or-later
/* lblc and lblcr: the cache of addresses begins anew (ip_vs_lblc_init_svc()). */
#include "scheduler.h"

static void init(struct txn *t, const struct sched_change *c)
{
	struct cv_service *svc = svc_at(t->cv, c->service);
	uint32_t since = cv_now(t->cv);

	/* A service that gets its scheduler twice in a tick still has two caches. */
	if (svc->cache_since && !cv_before(svc->cache_since, since))
		since = svc->cache_since + 1;
	txn_set(t, &svc->cache_since, since);
	txn_set(t, &svc->cache_shift, 0);
	txn_set(t, &svc->cache_entries, 0);
	txn_set(t, &svc->cache_goal, 0);
}

const struct sched_ops sched_lblc = { .init = init };
