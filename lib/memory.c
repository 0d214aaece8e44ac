// SPDX-License-Identifier: GPL-2.0-or-later
/* What an instance costs, and what its packets met. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "culvert.h"
#include "instance.h"
#include "journal.h"

/* What the kernel says that a map takes (fdinfo, memlock), bytes. */
static uint64_t map_memory(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *f;

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(f);
	return bytes;
}

void cv_memory(const struct cv *ccv, struct cv_memory *out)
{
	struct cv *cv = (struct cv *)ccv; /* fds are opened when first needed */

	memset(out, 0, sizeof(*out));
	for (unsigned int map = 0; map < MAP_COUNT; map++) {
		uint64_t bytes = map_memory(map_fd(cv, map));

		switch (map) {
		case MAP_CONN4_TAGS:
		case MAP_CONN4:
			out->conns4 += bytes;
			break;
		case MAP_CONN6_TAGS:
		case MAP_CONN6:
			out->conns6 += bytes;
			break;
		case MAP_COUNTERS:
			out->counters += bytes;
			break;
		case MAP_SVCS:
		case MAP_SVC_EST:
		case MAP_SERVICES:
		case MAP_SCHED_TABLES:
			out->services += bytes;
			break;
		case MAP_DESTS:
		case MAP_DEST_EST:
		case MAP_DEST_SLOTS:
			out->dests += bytes;
			break;
		default:
			out->other += bytes;
		}
	}
}

void cv_causes(const struct cv *ccv, uint64_t out[CV_C_COUNT])
{
	struct cv *cv = (struct cv *)ccv;

	memset(out, 0, CV_C_COUNT * sizeof(*out));
	if (maps_need(cv, MAP_BIT(MAP_CAUSES)))
		return;
	for (uint32_t cpu = 0; cpu < cv->journal->geo.ncpus; cpu++) {
		for (int i = 0; i < CV_C_COUNT; i++)
			out[i] += __atomic_load_n(&cv->causes[cpu].n[i], __ATOMIC_RELAXED);
	}
}
