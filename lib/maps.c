// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include <culvert/sched.h>

#include "bpffs.h"
#include "cleanup.h"
#include "instance.h"
#include "journal.h"
#include "maps.h"
#include "why.h"

#define FIELD(member) offsetof(struct cv, member)

static const struct {
	const char *name;
	size_t value_size; /* of one element */
	size_t field;	   /* in struct cv: the typed pointer */
} maps[MAP_COUNT] = {
	[MAP_JOURNAL] = { "journal", sizeof(struct journal), FIELD(journal) },
	[MAP_SETTINGS] = { "data_settings", sizeof(struct cv_settings), FIELD(settings) },
	[MAP_CLOCK] = { "data_clock", sizeof(struct cv_clock), FIELD(clock) },
	[MAP_SVCS] = { "svcs", sizeof(struct cv_service), FIELD(svcs) },
	[MAP_DESTS] = { "dests", sizeof(struct cv_dest), FIELD(dests) },
	[MAP_COUNTERS] = { "counters", sizeof(struct cv_counters), FIELD(counters) },
	[MAP_DEST_EST] = { "dest_est", sizeof(struct cv_estimate), FIELD(dest_est) },
	[MAP_SVC_EST] = { "svc_est", sizeof(struct cv_estimate), FIELD(svc_est) },
	[MAP_CAUSES] = { "causes", sizeof(struct cv_causes), FIELD(causes) },
	[MAP_CONN4_TAGS] = { "conn4_tags", sizeof(struct cv_tags), FIELD(conn4_tags) },
	[MAP_CONN4] = { "conn4", sizeof(struct cv_conn4), FIELD(conn4) },
	[MAP_CONN6_TAGS] = { "conn6_tags", sizeof(struct cv_tags), FIELD(conn6_tags) },
	[MAP_CONN6] = { "conn6", sizeof(struct cv_conn6), FIELD(conn6) },
	[MAP_SERVICES] = { "services", sizeof(uint32_t), 0 },
	[MAP_DEST_SLOTS] = { "dest_slots", sizeof(uint32_t), 0 },
	[MAP_DEVICES] = { "devices", sizeof(struct cv_device), 0 },
	[MAP_SCHED_TABLES] = { "tables", sizeof(struct cv_table), 0 },
	[MAP_SCHED_CACHE] = { "cache", 0, 0 },
	[MAP_SCHED_MEMBERS] = { "cache_members", 0, 0 },
};

/* Array elements stand 8 bytes aligned, as the kernel lays them. */
_Static_assert(sizeof(struct cv_service) % CV_CACHELINE == 0, "whole cache lines");
_Static_assert(sizeof(struct cv_dest) % CV_CACHELINE == 0, "whole cache lines");
_Static_assert(sizeof(struct cv_conn4) == 64, "one cache line");
_Static_assert(sizeof(struct cv_conn6) == 96, "a line and a half");
_Static_assert(sizeof(struct cv_estimate) % 8 == 0, "array elements");
_Static_assert(sizeof(struct cv_tags) == 8, "eight sets to a line");

const char *map_name(enum map_id map)
{
	return maps[map].name;
}

int map_fd(struct cv *cv, enum map_id map)
{
	_cleanup_fd_ int dir = -1;
	int err;

	if (cv->fds[map] >= 0)
		return cv->fds[map];
	err = bpffs_subdir(cv->dir, "maps", false, &dir);
	if (err)
		return err;
	err = bpffs_get(dir, maps[map].name);
	if (err >= 0)
		cv->fds[map] = err;
	return err;
}

static int map_table(struct cv *cv, enum map_id map)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct table *t = &cv->tables[map];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = map_fd(cv, map);
	size_t length;
	void *base;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return cv_fail(-errno, "map %s: %s", maps[map].name, strerror(errno));
	if (info.value_size != maps[map].value_size)
		return cv_fail(-EPROTO,
			       "map %s has elements of %u bytes where this culvert has %zu",
			       maps[map].name, info.value_size, maps[map].value_size);
	length = ((size_t)info.max_entries * info.value_size + page - 1) / page * page;
	base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return cv_fail(-errno, "cannot map %s: %s", maps[map].name, strerror(errno));
	t->base = base;
	t->length = length;
	memcpy((char *)cv + maps[map].field, &base, sizeof(base));
	return 0;
}

int maps_need(struct cv *cv, unsigned int tables)
{
	for (unsigned int map = 0; map < MAP_TABLES; map++) {
		int err;

		if (!(tables & MAP_BIT(map)) || cv->tables[map].base)
			continue;
		err = map_table(cv, map);
		if (err)
			return err;
	}
	return 0;
}

void maps_close(struct cv *cv)
{
	for (unsigned int map = 0; map < MAP_COUNT; map++) {
		if (map < MAP_TABLES && cv->tables[map].base) {
			munmap(cv->tables[map].base, cv->tables[map].length);
			cv->tables[map].base = NULL;
		}
		cleanup_fd(&cv->fds[map]);
	}
}
