/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps of an instance: which there are, and the tables among them that the
 * library maps into its memory. Each is opened and mapped when it is first
 * needed, so that a command that only lists is quick.
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
	MAP_DEVICES,
	MAP_SCHED_TABLES,
	MAP_SCHED_CACHE,
	MAP_SCHED_MEMBERS,
	MAP_COUNT
};

struct table {
	void *base;
	size_t length; /* bytes, whole pages */
};

/* The name it is pinned by. */
const char *map_name(enum map_id map);

/* The map's fd, which stays cv's; or a negative errno. */
int map_fd(struct cv *cv, enum map_id map);

/* Maps tables (a bit per enum map_id) that are not mapped yet. -EPROTO: another layout. */
#define MAP_BIT(map) (1U << (map))
#define MAPS_BASIC (MAP_BIT(MAP_JOURNAL) | MAP_BIT(MAP_SETTINGS) | MAP_BIT(MAP_CLOCK))
#define MAPS_LIST                                                                                 \
	(MAP_BIT(MAP_SVCS) | MAP_BIT(MAP_DESTS) | MAP_BIT(MAP_COUNTERS) | MAP_BIT(MAP_DEST_EST) | \
	 MAP_BIT(MAP_SVC_EST))
int maps_need(struct cv *cv, unsigned int tables);

/* Unmaps and closes all. */
void maps_close(struct cv *cv);

#endif
