// SPDX-License-Identifier: GPL-2.0-or-later
/* Weighted round robin (ip_vs_wrr.c): the weights' gcd and maximum are kept here. */
#include "scheduler.h"

static int32_t gcd(int32_t a, int32_t b)
{
	while (b) {
		int32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void add_weight(int32_t weight, int32_t *divisor, int32_t *most)
{
	if (weight > 0)
		*divisor = gcd(weight, *divisor);
	if (weight > *most)
		*most = weight;
}

/* ip_vs_wrr_gcd_weight(), ip_vs_wrr_max_weight(), of the list as it will be. */
static void measure(const struct cv *cv, const struct sched_change *c, int32_t *divisor,
		    int32_t *most)
{
	uint32_t steps = 0;

	*divisor = 0;
	*most = 0;
	for (uint32_t d = svc_at(cv, c->service)->head; d != CV_NONE;
	     d = dest_step(cv, d, &steps)) {
		if (d != c->dest)
			add_weight(dest_at(cv, d)->weight, divisor, most);
	}
	if (c->dest != CV_NONE && c->what != SCHED_DEL)
		add_weight(c->weight, divisor, most);
	if (!*divisor)
		*divisor = 1;
}

static void init(struct txn *t, const struct sched_change *c)
{
	struct cv_service *svc = svc_at(t->cv, c->service);
	int32_t divisor, most;

	measure(t->cv, c, &divisor, &most);
	txn_set(t, &svc->wrr_gcd, divisor);
	txn_set(t, &svc->wrr_max, most - (divisor - 1));
	txn_set(t, &svc->wrr_weight, most - (divisor - 1));
}

/* ip_vs_wrr_dest_changed() */
static void changed(struct txn *t, const struct sched_change *c)
{
	struct cv_service *svc = svc_at(t->cv, c->service);
	int32_t mark = svc->wrr_weight, divisor, most;

	measure(t->cv, c, &divisor, &most);
	most -= divisor - 1;
	if (mark > most || !mark)
		mark = most;
	else if (divisor > 1)
		mark = mark / divisor * divisor + 1;
	txn_set(t, &svc->cursor, CV_NONE);
	txn_set(t, &svc->wrr_gcd, divisor);
	txn_set(t, &svc->wrr_max, most);
	txn_set(t, &svc->wrr_weight, mark);
}

const struct sched_ops sched_wrr = { .init = init, .changed = changed, .link = sched_skip };
