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

#define JOURNAL_PAGE sizeof(struct journal) /* the largest element */
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
	[MAP_REALS] = { "reals", sizeof(uint32_t), 0 },
	[MAP_DEVICES] = { "devices", sizeof(struct cv_device), 0 },
	[MAP_SCHED_TABLES] = { "tables", sizeof(struct cv_table), 0 },
	[MAP_SCHED_CACHE] = { "cache", 0, 0 },
	[MAP_SCHED_MEMBERS] = { "cache_members", 0, 0 },
	[MAP_CALLS] = { "calls", sizeof(struct cv_call), 0 },
	[MAP_CONN4_KEYS] = { "conn4_keys", sizeof(struct cv_keys), 0 },
	[MAP_CONN6_KEYS] = { "conn6_keys", sizeof(struct cv_keys), 0 },
};

/* Array elements stand 8 bytes aligned, as the kernel lays them. */
_Static_assert(sizeof(struct cv_service) % CV_CACHELINE == 0, "whole cache lines");
_Static_assert(sizeof(struct cv_dest) % CV_CACHELINE == 0, "whole cache lines");
_Static_assert(sizeof(struct cv_conn4) == 56 && sizeof(struct cv_conn6) == 88,
	       "cv_sets_for() counts on it");
_Static_assert(sizeof(struct cv_estimate) % 8 == 0, "array elements");
_Static_assert(sizeof(struct cv_tags) == 32, "two sets to a line");

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

/* ---- windows -------------------------------------------------------------- */

#define WINDOW_LEAST 16 /* 64 KiB */

static bool is_mapped(const struct table *t, size_t window)
{
	return t->mapped[window / 64] >> (window % 64) & 1;
}

/* Puts a part of the table, whole windows, where it belongs. */
static int map_range(struct cv *cv, enum map_id map, size_t from, size_t to)
{
	struct table *t = &cv->tables[map];
	void *at = (char *)t->base + from;

	if (to > t->length)
		to = t->length;
	if (mmap(at, to - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, cv->fds[map],
		 (off_t)from) == MAP_FAILED)
		return cv_fail(-errno, "cannot map %s: %s", maps[map].name, strerror(errno));
	for (size_t window = from >> t->shift; window << t->shift < to; window++)
		t->mapped[window / 64] |= 1ULL << (window % 64);
	return 0;
}

/* T3 */
static void *nowhere(struct cv *cv, int err)
{
	static _Alignas(CV_CACHELINE) char nobodys[JOURNAL_PAGE];

	cv->spoiled = err;
	return nobodys;
}

void *bytes_at(const struct cv *ccv, enum map_id map, size_t offset, size_t size)
{
	struct cv *cv = (struct cv *)ccv; /* what is mapped of it is no part of what a handle is */
	const struct table *t = &cv->tables[map];
	size_t last = offset + size - 1;
	int err = 0;

	if (last >= t->length)
		return nowhere(cv, cv_fail(-EPROTO, "%s has no byte %zu", maps[map].name, last));
	for (size_t window = offset >> t->shift; window <= last >> t->shift && !err; window++) {
		if (!is_mapped(t, window))
			err = map_range(cv, map, window << t->shift, (window + 1) << t->shift);
	}
	return err ? nowhere(cv, err) : (char *)t->base + offset;
}

uint32_t dest_next(const struct cv *cv, uint32_t dest)
{
	uint32_t next = __atomic_load_n(&dest_at(cv, dest)->next, __ATOMIC_ACQUIRE);

	return cv->spoiled ? CV_NONE : next;
}

uint32_t dest_step(const struct cv *ccv, uint32_t dest, uint32_t *steps)
{
	struct cv *cv = (struct cv *)ccv;
	uint32_t next = dest_next(cv, dest);

	if (next == CV_NONE || ++*steps < cv->journal->geo.max_dests)
		return next;
	cv->spoiled = cv_fail(-EPROTO, "a list of destinations goes round: %u steps from slot %u",
			      *steps, dest);
	return CV_NONE;
}

/* ---- tables --------------------------------------------------------------- */

/* Its pages and windows; nothing is mapped yet. */
static int open_table(struct cv *cv, enum map_id map)
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
	base = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return cv_fail(-errno, "no room for %s: %s", maps[map].name, strerror(errno));
	*t = (struct table){ .base = base, .length = length, .shift = WINDOW_LEAST };
	while ((length - 1) >> t->shift >= WINDOWS)
		t->shift++;
	memcpy((char *)cv + maps[map].field, &base, sizeof(base));
	return 0;
}

/* The small ones are reached by their pointers. */
#define SMALL (MAPS_BASIC | MAP_BIT(MAP_CAUSES))

int maps_need(struct cv *cv, unsigned int tables)
{
	for (unsigned int map = 0; map < MAP_TABLES; map++) {
		int err = 0;

		if (!(tables & MAP_BIT(map)))
			continue;
		if (!cv->tables[map].base)
			err = open_table(cv, map);
		if (!err && MAP_BIT(map) & SMALL && !is_mapped(&cv->tables[map], 0))
			err = map_range(cv, map, 0, cv->tables[map].length);
		if (err)
			return err;
	}
	return 0;
}

int maps_whole(struct cv *cv, unsigned int tables)
{
	int err = maps_need(cv, tables);

	for (unsigned int map = 0; map < MAP_TABLES && !err; map++) {
		if (tables & MAP_BIT(map))
			err = map_range(cv, map, 0, cv->tables[map].length);
	}
	return err;
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
