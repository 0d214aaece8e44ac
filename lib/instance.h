/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instance: the directory CV_BPFFS/<network namespace cookie>/.
 *
 *	lifeline	a link that tells whether the namespace still lives
 *	maps/ progs/	the load balancer's
 *	links/		what is attached to devices
 *	ipvlan/		ipvlan's (ipvlan_internal.h)
 *	next/		an upgrade under way (pins.h)
 *	restoring/	a restore under way (restoring.h)
 *
 * I1  The directory's flock() is the instance's lock, and the directory is
 *     never renamed; it is removed only under its lock and with its lifeline cut
 *     or nothing left in it.
 * I2  There is a load balancer if and only if maps/ exists. Loading happens
 *     under the lock: everything is pinned below new/, then progs/ and links/
 *     are put in place, and the rename of maps/ makes it so. The rename of maps/
 *     to old/ ends it. What a killed command left in new/ and old/ is removed by
 *     whoever loads next. next/ is an upgrade under way (pins.h).
 * I3  A directory whose lifeline is cut belongs to nobody, for ever: cookies are
 *     not used twice.
 */
#ifndef CULVERT_INSTANCE_H
#define CULVERT_INSTANCE_H

#include <stdbool.h>

#include "culvert.h"
#include "maps.h"

struct cv {
	int dir;   /* the instance's directory */
	int adopt; /* the program ctl_adopt, once it is needed */
	bool locked;
	int spoiled;	       /* T3 of maps.h: an errno, or 0 */
	uint32_t reach;	       /* tick of the last quiet point: nothing older is still in use */
	uint32_t last_service; /* slot: a guess */
	uint64_t devices_read; /* when devices_refresh() last looked, ns */
	struct local_addrs *local;
	int fds[MAP_COUNT];
	struct table tables[MAP_TABLES];
	/* The tables by their types: NULL unless open. Large ones only by the functions of maps.h (T2). */
	struct journal *journal;
	struct cv_settings *settings;
	struct cv_clock *clock;
	struct cv_service *svcs;
	struct cv_dest *dests;
	struct cv_counters *counters;
	struct cv_estimate *dest_est;
	struct cv_estimate *svc_est;
	struct cv_causes *causes;
	struct cv_tags *conn4_tags;
	struct cv_conn4 *conn4;
	struct cv_tags *conn6_tags;
	struct cv_conn6 *conn6;
};

/*
 * Opens the directory of the calling thread's network namespace; with `create`
 * mounts the bpffs and makes it, with its lifeline, if need be. -ENOENT
 */
int instance_dir(bool create, int *out);

/* The lock on it. -ENOENT: it was removed meanwhile. */
int instance_lock(int dir, unsigned int seconds);

/* Under the lock: takes the load balancer away, and the directory if nothing else is in it (I1). */
int instance_remove_lb(struct cv *cv);
int instance_remove_dir(int dir);
/* Under the lock: takes it away if there is neither a load balancer nor ipvlan in it; cv_why() stays. */
void instance_remove_unused(int dir);

/* As instance_dir(true), and takes its lock: the caller owns both until it closes the fd. */
int instance_dir_locked(unsigned int seconds, int *out);

/* Is there a load balancer in it (I2)? */
bool instance_loaded(int dir);

/*
 * A handle for the load balancer of a directory, which becomes the handle's in any
 * case. Without `check` the caller knows that the tables are this culvert's (B2).
 */
int instance_open(int dir, bool check, struct cv **out);

/* The network namespace's cookie (socket(7), SO_NETNS_COOKIE). */
int instance_cookie(uint64_t *out);

/* Removes what is left of namespaces that are gone. */
void instance_collect(void);

#endif
