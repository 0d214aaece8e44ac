/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_TICK_H
#define CULVERT_TICK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in ns, for what a command itself measures; the data path's time is cv_now(). */
static inline uint64_t tick_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

#endif
