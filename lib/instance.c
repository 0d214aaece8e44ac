// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "attach.h"
#include "bpffs.h"
#include "build.h"
#include "cleanup.h"
#include "culvert0.h"
#include "edit.h"
#include "instance.h"
#include "journal.h"
#include "lifeline.h"
#include "load.h"
#include "local.h"
#include "lock.h"
#include "object.h"
#include "probe.h"
#include "restoring.h"
#include "upgrade.h"
#include "why.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* ---- the directory -------------------------------------------------------- */

int instance_cookie(uint64_t *out)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*out);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, out, &size) < 0)
		return cv_fail(-errno, "cannot tell which network namespace this is: %s",
			       strerror(errno));
	return 0;
}

#define NAME_SIZE 32

/* Of the directory of this network namespace. */
static int own_name(char name[NAME_SIZE])
{
	uint64_t cookie;
	int err = instance_cookie(&cookie);

	if (!err)
		snprintf(name, NAME_SIZE, "%llu", (unsigned long long)cookie);
	return err;
}

static int open_own(int root, bool create, int *out)
{
	char name[NAME_SIZE];
	int err = own_name(name);

	return err ? err : bpffs_subdir(root, name, create, out);
}

/* A restore that was killed has not happened (W1): unless its command is still at it. */
static int forget_restore(int dir)
{
	int err = lock_try(dir);

	if (err)
		return err == -EBUSY ? 0 : err;
	err = restoring_left(dir) ? restoring_wipe(dir) : 0;
	lock_drop(dir);
	return err ? err : -ENOENT;
}

/*
 * How often the directory is made again, or opened and locked: whenever it goes away in between, another command has
 * come to an end.
 */
#define DIR_TRIES 100

static int goes_away(void)
{
	return cv_fail(-EBUSY, "other commands remove the instance as often as it is made");
}

int instance_dir(bool create, int *out)
{
	_cleanup_fd_ int root = -1, dir = -1;
	int err = probe_privileges(false);

	if (!err)
		err = bpffs_open(create, &root);
	if (err)
		return err;
	for (int tries = 0; tries < DIR_TRIES; tries++) {
		cleanup_fd(&dir);
		err = open_own(root, create, &dir);
		if (!err && restoring_left(dir))
			err = forget_restore(dir);
		if (err != -ENOENT || !create)
			break;
	}
	if (err == -ENOENT && create)
		return goes_away();
	if (!err)
		*out = take_fd(dir);
	return err;
}

int instance_lock(int dir, unsigned int seconds)
{
	int err = lock_take(dir, seconds);

	if (err || !restoring_left(dir))
		return err;
	err = restoring_wipe(dir);
	lock_drop(dir);
	return err ? err : -ENOENT;
}

/* One that could not be completed goes, unless there is something in it. */
static void remove_empty(void)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();
	_cleanup_fd_ int root = -1;
	char name[NAME_SIZE];

	if (own_name(name) == 0 && bpffs_open(false, &root) == 0)
		unlinkat(root, name, AT_REMOVEDIR);
}

/* Locked, and it goes when the network namespace goes. -ENOENT: it was removed meanwhile. */
static int lock_and_tie(int dir, unsigned int seconds)
{
	int err = instance_lock(dir, seconds);

	if (!err)
		err = lifeline_tie(dir);
	if (err && err != -EBUSY)
		remove_empty();
	return err;
}

/*
 * A directory may be removed between its opening and its locking, or, empty as it
 * is, by a command that fails before it has the lock: then there is a new one to make.
 */
int instance_dir_locked(unsigned int seconds, int *out)
{
	_cleanup_fd_ int dir = -1;
	int err = -ENOENT;

	for (int tries = 0; tries < DIR_TRIES && err == -ENOENT; tries++) {
		cleanup_fd(&dir);
		err = instance_dir(true, &dir);
		if (!err)
			err = lock_and_tie(dir, seconds);
	}
	if (err == -ENOENT)
		err = goes_away();
	if (!err)
		*out = take_fd(dir);
	return err;
}

bool instance_loaded(int dir)
{
	struct stat st;

	return fstatat(dir, "maps", &st, 0) == 0;
}

/* ---- opening -------------------------------------------------------------- */

static struct cv *new_handle(void)
{
	struct cv *cv = calloc(1, sizeof(*cv));

	if (!cv)
		return NULL;
	cv->dir = cv->adopt = -1;
	for (int i = 0; i < MAP_COUNT; i++)
		cv->fds[i] = -1;
	return cv;
}

static int check_layout(int dir)
{
	struct cv_build own;

	object_build(&own);
	return build_check(dir, &own);
}

/* If a killed command left something half done and nobody is at it, finishes that. */
static void settle(struct cv *cv)
{
	if (cv->journal->state == JOURNAL_EMPTY && !cv->journal->todo && !cv->journal->routes_due)
		return;
	if (lock_try(cv->dir) < 0)
		return;
	cv->locked = true;
	if (journal_recover(cv) == 0)
		edit_resume(cv);
	cv_unlock(cv);
}

int instance_open(int dir, bool check, struct cv **out)
{
	_cleanup_(cv_close) struct cv *cv = new_handle();
	int err;

	if (!cv) {
		close(dir);
		return cv_plain(-ENOMEM);
	}
	cv->dir = dir;
	why_listen();
	err = check ? check_layout(dir) : 0;
	if (!err)
		err = maps_need(cv, MAPS_BASIC);
	if (err)
		return err;
	*out = take_ptr(cv);
	return 0;
}

/* Likewise of loading: unless somebody is at it. */
static void forget_load(int dir)
{
	if (!load_left(dir) || lock_try(dir) < 0)
		return;
	load_forget(dir);
	lock_drop(dir);
}

static int nothing_here(int dir)
{
	if (dir >= 0 && faccessat(dir, "ipvlan", F_OK, 0) == 0)
		return cv_fail(-ENOENT,
			       "no load balancer in this network namespace, only ipvlan slaves");
	return cv_fail(-ENOENT, "no culvert in this network namespace");
}

int cv_open(struct cv **out)
{
	_cleanup_fd_ int dir = -1;
	struct cv *cv;
	int err = instance_dir(false, &dir);

	if (!err && !instance_loaded(dir)) {
		forget_load(dir);
		err = -ENOENT;
	}
	if (err == -ENOENT)
		return nothing_here(dir);
	if (!err)
		err = instance_open(take_fd(dir), true, &cv);
	if (err)
		return err;
	settle(cv);
	*out = cv;
	return 0;
}

int cv_open_or_create(struct cv **out, const struct cv_sizes *sizes)
{
	static const struct cv_sizes defaults;
	_cleanup_fd_ int dir = -1;
	int err = cv_open(out), own;
	bool made = false;

	if (err != -ENOENT)
		return err;
	if (!sizes)
		sizes = &defaults;
	err = cv_check_sizes(sizes);
	if (err)
		return err;
	instance_collect();
	err = instance_dir_locked(0, &dir);
	if (!err && !instance_loaded(dir)) {
		err = load_data_path(dir, sizes);
		if (err)
			instance_remove_unused(dir);
		made = !err;
	}
	if (err)
		return err;
	/* A copy of the descriptor, so that the lock stays until it is clear that the instance opens. */
	own = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	err = own < 0 ? cv_plain(-errno) : instance_open(own, true, out);
	if (err && made) {
		load_undo(dir);
		instance_remove_unused(dir);
	}
	lock_drop(dir);
	return err;
}

void cv_close(struct cv **pcv)
{
	struct cv *cv = *pcv;

	if (!cv)
		return;
	*pcv = NULL;
	/* A child of ours may have inherited the directory, and the lock with it. */
	if (cv->locked)
		cv_unlock(cv);
	maps_close(cv);
	local_forget(cv);
	cleanup_fd(&cv->adopt);
	cleanup_fd(&cv->dir);
	free(cv);
}

/* ---- the lock ------------------------------------------------------------- */

static void drop(struct cv *cv)
{
	cv->locked = false;
	lock_drop(cv->dir);
}

int cv_lock(struct cv *cv, unsigned int seconds)
{
	int err = instance_lock(cv->dir, seconds);

	if (err == -ENOENT)
		return cv_fail(-ENOENT, "the instance was removed meanwhile");
	if (err)
		return err;
	cv->locked = true;
	err = journal_recover(cv);
	if (!err)
		err = edit_resume(cv);
	if (err) {
		drop(cv);
		return err;
	}
	/* What these cannot do now, the next command will try; edits do not depend on it. */
	upgrade_finish(cv);
	load_settle(cv->dir, &cv->journal->lo_forwarding);
	culvert0_settle(cv);
	return 0;
}

void cv_unlock(struct cv *cv)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();

	culvert0_settle(cv);
	drop(cv);
}

/* ---- removing ------------------------------------------------------------- */

int instance_remove_lb(struct cv *cv)
{
	int err = culvert0_remove(cv);

	if (!err)
		err = attach_remove_all(cv);
	if (!err)
		err = unload_data_path(cv->dir, cv->journal->lo_forwarding);
	if (!err)
		cv->journal->routes_due =
			ROUTES_SETTLED; /* whoever gives up the lock now has nothing to put up again */
	return err;
}

int instance_remove_dir(int dir)
{
	_cleanup_fd_ int root = -1;
	char name[NAME_SIZE];
	int err = own_name(name);

	if (!err)
		err = bpffs_open(false, &root);
	if (err)
		return err;
	if (faccessat(dir, "ipvlan", F_OK, 0) == 0)
		return 0;
	return bpffs_remove(root, name);
}

void instance_remove_unused(int dir)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();

	if (bpffs_absent(dir, "maps") && bpffs_absent(dir, "ipvlan") && load_forget(dir) == 0)
		instance_remove_dir(dir);
}

int cv_destroy(struct cv **pcv)
{
	int err = cv_lock(*pcv, 0);

	if (!err)
		err = restoring_remove_lb((*pcv)->dir);
	/* What the handle had mapped is no longer what is there: there is nothing to settle. */
	if (!err)
		(*pcv)->journal->routes_due = ROUTES_SETTLED;
	cv_close(pcv);
	return err;
}

static void collect_one(int root, const char *name)
{
	_cleanup_fd_ int dir = -1;

	if (bpffs_subdir(root, name, false, &dir) || lock_try(dir) < 0)
		return;
	/* Without a lifeline it was made, and its maker killed; unless there is something in it. */
	if (lifeline_cut(dir))
		bpffs_remove(root, name);
	else if (lifeline_missing(dir))
		unlinkat(root, name, AT_REMOVEDIR);
}

void instance_collect(void)
{
	_cleanup_fd_ int root = -1;
	struct dirent *e;
	DIR *d;
	int fd;

	if (bpffs_open(false, &root))
		return;
	fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		cleanup_fd(&fd);
		return;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.')
			collect_one(root, e->d_name);
	}
	closedir(d);
}

/* ---- what there is -------------------------------------------------------- */

const struct cv_geometry *cv_geometry(const struct cv *cv)
{
	return &cv->journal->geo;
}

const struct cv_settings *cv_settings(const struct cv *cv)
{
	return cv->settings;
}

uint32_t cv_now(const struct cv *cv)
{
	return __atomic_load_n(&cv->clock->now, __ATOMIC_RELAXED);
}

void cv_get_sizes(const struct cv *cv, struct cv_sizes *out)
{
	const struct journal *j = cv->journal;

	*out = (struct cv_sizes){ .max_conns = j->max_conns,
				  .max_conns6 = j->max_conns6 ? j->max_conns6 : j->max_conns,
				  .max_services = j->geo.max_services,
				  .max_dests = j->geo.max_dests };
}

int cv_version_loaded(enum cv_part part, struct cv_version *out)
{
	_cleanup_fd_ int dir = -1, ipvlan = -1;
	struct cv_build build;
	int err = instance_dir(false, &dir);

	if (!err && part == CV_PART_IPVLAN)
		err = bpffs_subdir(dir, "ipvlan", false, &ipvlan);
	if (!err)
		err = build_read(part == CV_PART_IPVLAN ? ipvlan : dir, &build);
	if (!err)
		build_show(&build, out);
	return err;
}
