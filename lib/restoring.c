// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bpffs.h"
#include "cleanup.h"
#include "culvert0.h"
#include "instance.h"
#include "ipvlan_internal.h"
#include "load.h"
#include "restoring.h"
#include "why.h"

#define MARK "restoring"
#define REMOVING "removing"

static bool marked(int dir, const char *mark)
{
	return faccessat(dir, mark, F_OK, 0) == 0;
}

bool restoring_left(int dir)
{
	return marked(dir, MARK) || marked(dir, REMOVING);
}

int restoring_remove_lb(int dir)
{
	if (mkdirat(dir, REMOVING, 0700) < 0 && errno != EEXIST)
		return cv_fail(-errno, "cannot begin: %s", strerror(errno));
	return restoring_wipe(dir);
}

static int dup_dir(int dir)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? cv_plain(-errno) : fd;
}

static int wipe_ipvlan(int dir)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	int fd = dup_dir(dir), err;

	if (fd < 0)
		return fd;
	err = ipv_open_in(fd, CV_IPV_EDIT, &v);
	/* Without its tables there is nothing of it but names. */
	if (!err)
		err = ipv_remove_all(v);
	return err && err != -ENOENT ? err : ipv_discard(dir);
}

static int wipe_lb(int dir)
{
	_cleanup_(cv_close) struct cv *cv = NULL;
	int fd, err;

	/* Killed before its tables were in place, it may have let the loopback device forward all the same. */
	if (!instance_loaded(dir))
		return load_forget(dir);
	fd = dup_dir(dir);
	err = fd < 0 ? fd : instance_open(fd, true, &cv);
	return err ? err : instance_remove_lb(cv);
}

int restoring_wipe(int dir)
{
	int err = marked(dir, MARK) ? wipe_ipvlan(dir) : 0;

	if (!err)
		err = wipe_lb(dir);
	if (!err && unlinkat(dir, REMOVING, AT_REMOVEDIR) < 0 && errno != ENOENT)
		err = cv_fail(-errno, "cannot end: %s", strerror(errno));
	return err ? err : instance_remove_dir(dir);
}

/* ---- a restore ---------------------------------------------------------------- */

struct cv_restore {
	int dir; /* locked */
	struct cv *cv;
	struct cv_ipv *v;
	bool whole;
};

/* The data path of ipvlan without slaves is nobody's: 1. */
static int slaves_left(int dir)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	int fd = dup_dir(dir), err = fd < 0 ? fd : ipv_open_in(fd, CV_IPV_EDIT, &v);

	if (err && err != -ENOENT)
		return err;
	if (!err && !cv_ipv_unused(v))
		return 1;
	return ipv_discard(dir);
}

static int begin(struct cv_restore *r)
{
	int err = instance_dir_locked(0, &r->dir), left;

	if (err)
		return err;
	r->whole = true; /* what is there is not ours */
	left = instance_loaded(r->dir) ? 1 : slaves_left(r->dir);
	if (left < 0)
		return left;
	if (left) {
		return cv_fail(-EEXIST,
			       "there is something of culvert in this network namespace already");
	}
	if (mkdirat(r->dir, MARK, 0700) < 0)
		return cv_fail(-errno, "cannot begin: %s", strerror(errno));
	r->whole = false;
	return 0;
}

int cv_restore_begin(struct cv_restore **out)
{
	_cleanup_(cv_restore_end) struct cv_restore *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return cv_plain(-ENOMEM);
	r->dir = -1;
	instance_collect();
	err = begin(r);
	if (!err)
		*out = take_ptr(r);
	return err;
}

int cv_restore_lb(struct cv_restore *r, const struct cv_sizes *sizes, struct cv **out)
{
	int err = load_data_path(r->dir, sizes), fd;

	if (err)
		return err;
	fd = dup_dir(r->dir);
	err = fd < 0 ? fd : instance_open(fd, true, &r->cv);
	if (err)
		return err;
	r->cv->locked = true;
	*out = r->cv;
	return maps_need(r->cv, MAPS_BASIC | MAPS_LIST);
}

int cv_restore_ipvlan(struct cv_restore *r, struct cv_ipv **out)
{
	int fd = dup_dir(r->dir), err = fd < 0 ? fd : ipv_open_in(fd, CV_IPV_CREATE, &r->v);

	if (!err)
		*out = r->v;
	return err;
}

int cv_restore_commit(struct cv_restore *r)
{
	int err = r->cv ? culvert0_settle(r->cv) : 0;

	if (!err && unlinkat(r->dir, MARK, AT_REMOVEDIR) < 0)
		err = cv_fail(-errno, "cannot end: %s", strerror(errno));
	r->whole = !err;
	return err;
}

void cv_restore_end(struct cv_restore **pr)
{
	struct cv_restore *r = *pr;

	if (!r)
		return;
	*pr = NULL;
	/* Both have the lock from here: only the last fd gives it up. */
	if (r->cv)
		r->cv->locked = false;
	cv_ipv_close(&r->v);
	if (r->dir >= 0 && !r->whole)
		restoring_wipe(r->dir);
	else if (r->dir >= 0)
		instance_remove_unused(r->dir); /* after a file that has nothing in it */
	cv_close(&r->cv);
	cleanup_fd(&r->dir);
	free(r);
}
