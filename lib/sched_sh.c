// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source hashing (ip_vs_sh.c): the destinations in turn, each in as many slots
 * as it has weight, but in one at least.
 */
#include <culvert/sched.h>

#include "scheduler.h"

static int fill(const struct cv *cv, const uint32_t *list, uint32_t n, uint32_t *table)
{
	uint32_t at = 0;
	int32_t given = 0;

	for (uint32_t slot = 0; slot < CV_SH_SLOTS; slot++) {
		table[slot] = list[at];
		if (++given >= dest_at(cv, list[at])->weight) {
			at = at + 1 < n ? at + 1 : 0;
			given = 0;
		}
	}
	return 0;
}

const struct sched_ops sched_sh = { .fill = fill, .slots = CV_SH_SLOTS };
