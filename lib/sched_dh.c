// SPDX-License-Identifier: GPL-2.0-or-later
/* Destination hashing (ip_vs_dh.c): the destinations in turn, whatever their weights. */
#include <culvert/sched.h>

#include "scheduler.h"

static int fill(const struct cv *cv, const uint32_t *list, uint32_t n, uint32_t *table)
{
	for (uint32_t slot = 0; slot < CV_SH_SLOTS; slot++)
		table[slot] = list[slot % n];
	return 0;
}

const struct sched_ops sched_dh = { .fill = fill, .slots = CV_SH_SLOTS };
