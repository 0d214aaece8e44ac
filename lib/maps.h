/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps of an instance: which there are, and the tables among them that the
 * library has in its memory. Each is opened when it is first needed, so that a
 * command that only lists is quick; and a large one is mapped window by window,
 * because the kernel fills in every page of what is mapped: 20 ms for the tables of
 * a million destinations, of which one edit needs a dozen pages.
 *
 * T1  A table's whole range of addresses is reserved when it is opened. Windows
 *     of it are mapped there when they are first reached and stay, so a pointer to
 *     an element is good for the handle's life, and so is the difference of two.
 * T2  The way to an element is svc_at(), dest_at() and their like. The pointers
 *     in struct cv only say where the tables begin.
 * T3  What cannot be had (an index out of range, no memory for a window) spoils the
 *     handle: cv->spoiled is the errno, the pointer leads to memory of nobody's, and
 *     no record is committed any more. So only those look who walk along pointers
 *     or report what they read.
 */
#ifndef CULVERT_MAPS_H
#define CULVERT_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "culvert.h"

/* Tables, then what is reached by system calls. The order is that of maps.c's table. */
enum map_id {
	MAP_JOURNAL,
	MAP_SETTINGS,
	MAP_CLOCK,
	MAP_SVCS,
	MAP_DESTS,
	MAP_COUNTERS,
	MAP_DEST_EST,
	MAP_SVC_EST,
	MAP_CAUSES,
	MAP_CONN4_TAGS,
	MAP_CONN4,
	MAP_CONN6_TAGS,
	MAP_CONN6,
	MAP_TABLES, /* how many tables there are */
	MAP_SERVICES = MAP_TABLES,
	MAP_DEST_SLOTS,
	MAP_REALS,
	MAP_DEVICES,
	MAP_SCHED_TABLES,
	MAP_SCHED_CACHE,
	MAP_SCHED_MEMBERS,
	MAP_CALLS,
	MAP_CONN4_KEYS,
	MAP_CONN6_KEYS,
	MAP_COUNT
};

#define WINDOWS 1024 /* at most, of one table */

struct table {
	void *base;
	size_t length;	    /* bytes, whole pages */
	unsigned int shift; /* a window has 2^shift bytes */
	uint64_t mapped[WINDOWS / 64];
};

/* A table that stands in plain memory: one window, which is there. For tests. */
#define TABLE_IN_MEMORY(at, bytes)                                            \
	{                                                                     \
		.base = (at), .length = (bytes), .shift = 40, .mapped = { 1 } \
	}

/* The name it is pinned by. */
const char *map_name(enum map_id map);

/* The map's fd, which stays cv's; or a negative errno. */
int map_fd(struct cv *cv, enum map_id map);

/* Opens tables (a bit per enum map_id) that are not open yet. -EPROTO: another layout. */
#define MAP_BIT(map) (1U << (map))
#define MAPS_BASIC (MAP_BIT(MAP_JOURNAL) | MAP_BIT(MAP_SETTINGS) | MAP_BIT(MAP_CLOCK))
#define MAPS_LIST                                                                                 \
	(MAP_BIT(MAP_SVCS) | MAP_BIT(MAP_DESTS) | MAP_BIT(MAP_COUNTERS) | MAP_BIT(MAP_DEST_EST) | \
	 MAP_BIT(MAP_SVC_EST))
#define MAPS_CONNS                                                                \
	(MAP_BIT(MAP_CONN4_TAGS) | MAP_BIT(MAP_CONN4) | MAP_BIT(MAP_CONN6_TAGS) | \
	 MAP_BIT(MAP_CONN6))
int maps_need(struct cv *cv, unsigned int tables);

/* So many bytes of an open table, in memory (T3); no more than an element's. */
void *bytes_at(const struct cv *cv, enum map_id map, size_t offset, size_t size);

#define ELEMENT_AT(name, type, map)                                           \
	static inline type *name(const struct cv *cv, uint32_t index)         \
	{                                                                     \
		return bytes_at(cv, map, index * sizeof(type), sizeof(type)); \
	}
ELEMENT_AT(svc_at, struct cv_service, MAP_SVCS)
ELEMENT_AT(dest_at, struct cv_dest, MAP_DESTS)
ELEMENT_AT(counters_at, struct cv_counters, MAP_COUNTERS)
ELEMENT_AT(dest_est_at, struct cv_estimate, MAP_DEST_EST)
ELEMENT_AT(svc_est_at, struct cv_estimate, MAP_SVC_EST)
ELEMENT_AT(conn4_tags_at, struct cv_tags, MAP_CONN4_TAGS)
ELEMENT_AT(conn4_at, struct cv_conn4, MAP_CONN4)
ELEMENT_AT(conn6_tags_at, struct cv_tags, MAP_CONN6_TAGS)
ELEMENT_AT(conn6_at, struct cv_conn6, MAP_CONN6)
#undef ELEMENT_AT

/* The destination behind this one in its service's list; CV_NONE also if that cannot be told (T3). */
uint32_t dest_next(const struct cv *cv, uint32_t dest);

/*
 * Likewise, for the holder of the lock, before whom a list does not change: one that goes round (damaged
 * memory) spoils the handle. *steps is 0 at the head.
 */
uint32_t dest_step(const struct cv *cv, uint32_t dest, uint32_t *steps);

/* Maps all of the tables, for who goes about them without the functions above. */
int maps_whole(struct cv *cv, unsigned int tables);

/* Unmaps and closes all. */
void maps_close(struct cv *cv);

#endif
