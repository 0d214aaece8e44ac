// SPDX-License-Identifier: GPL-2.0-or-later
/* What an instance costs, and what its packets met. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "culvert.h"
#include "figures.h"
#include "instance.h"
#include "journal.h"

/* The line `memlock` of a map's fdinfo, bytes. */
static uint64_t memlock(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *f;

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

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Since 6.4 the kernel says what a map takes. Before, it says what one would
 * take that is full: of a hash map whose elements are allocated when they come,
 * only the buckets (16 bytes, a power of two of them) are there for certain.
 */
static uint64_t map_memory(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info), buckets = 1;
	uint64_t said = fd < 0 ? 0 : memlock(fd), full;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    !(info.map_flags & BPF_F_NO_PREALLOC))
		return said;
	full = round_up(round_up(info.key_size + info.value_size, 8) * info.max_entries,
			(uint64_t)sysconf(_SC_PAGESIZE));
	if (said != full)
		return said;
	while (buckets < info.max_entries)
		buckets *= 2;
	return 16ULL * buckets;
}

void cv_memory(const struct cv *ccv, struct cv_memory *out)
{
	struct cv *cv = (struct cv *)ccv; /* fds are opened when first needed */

	memset(out, 0, sizeof(*out));
	for (unsigned int map = 0; map < MAP_COUNT; map++) {
		uint64_t bytes = map_memory(map_fd(cv, map));

		switch (map) {
		case MAP_CONN4_TAGS:
		case MAP_CONN4_KEYS:
		case MAP_CONN4:
			out->conns4 += bytes;
			break;
		case MAP_CONN6_TAGS:
		case MAP_CONN6_KEYS:
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
		case MAP_REALS:
			out->dests += bytes;
			break;
		default:
			out->other += bytes;
		}
	}
}

int cv_causes(const struct cv *ccv, uint64_t out[CV_C_COUNT])
{
	struct cv *cv = (struct cv *)ccv;
	int err = maps_need(cv, MAP_BIT(MAP_CAUSES) | MAP_BIT(MAP_DESTS) | MAP_BIT(MAP_COUNTERS));

	memset(out, 0, CV_C_COUNT * sizeof(*out));
	if (err)
		return err;
	for (uint32_t cpu = 0; cpu < cv->journal->geo.ncpus; cpu++) {
		for (int i = 0; i < CV_C_COUNT; i++)
			out[i] += __atomic_load_n(&cv->causes[cpu].n[i], __ATOMIC_RELAXED);
	}
	out[CV_C_SENT] += figures_sent(cv);
	return cv->spoiled;
}
