// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Other programs for the load balancer's hooks, under traffic. They are loaded
 * against the maps that there are, so that from the first packet on they see what
 * the old ones saw; old and new may run beside each other for as long as it takes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "attach.h"
#include "bpffs.h"
#include "build.h"
#include "cleanup.h"
#include "edit.h"
#include "instance.h"
#include "ipvlan.h"
#include "journal.h"
#include "object.h"
#include "pins.h"
#include "probe.h"
#include "shape.h"
#include "upgrade.h"
#include "why.h"

/* Every hook and the sweeper run what pins_prog() says. */
static int swap_all(struct cv *cv, unsigned int *hooks)
{
	_cleanup_fd_ int start = -1;
	int err = attach_swap(cv, hooks);

	if (err)
		return err;
	start = pins_prog(cv->dir, "ctl_start");
	return start < 0 ? start : object_start_sweeper(start);
}

static int finish(struct cv *cv, unsigned int *hooks)
{
	int err = swap_all(cv, hooks);

	return err ? err : pins_settle(cv->dir);
}

int upgrade_finish(struct cv *cv)
{
	unsigned int hooks;

	return pins_decided(cv->dir) ? finish(cv, &hooks) : 0;
}

static void undo(struct cv *cv)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();
	unsigned int hooks;

	if (pins_undo(cv->dir) == 0)
		swap_all(cv, &hooks);
}

/*
 * What cannot be finished is taken back; what cannot be taken back, the next command finishes. Once every
 * hook has changed the upgrade has happened: pins that cannot be moved now the next command moves.
 */
static int finish_or_undo(struct cv *cv, unsigned int *hooks)
{
	int err = swap_all(cv, hooks);

	if (err)
		undo(cv);
	else
		pins_settle(cv->dir);
	return err;
}

/* ---- may these tables be this culvert's? -------------------------------------------- */

static int check_meaning(const struct cv_build *was)
{
	struct cv_build own;

	object_build(&own);
	if (was->layout == own.layout)
		return 0;
	return cv_fail(
		-EPROTO,
		"the tables' fields mean other things (layout %u) than in this culvert (layout %u)",
		was->layout, own.layout);
}

/* The geometry has no table of its own; the types of one tell what it looks like. */
static int check_geometry(struct cv *cv, const struct bpf_object *obj)
{
	const struct btf *own = bpf_object__btf(obj);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = map_fd(cv, MAP_SVCS), there, here;
	struct btf *btf;
	bool same;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return fd < 0 ? fd : cv_plain(-errno);
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		return cv_fail(-errno, "the tables do not tell their types: %s", strerror(errno));
	there = btf__find_by_name_kind(btf, "cv_geometry", BTF_KIND_STRUCT);
	here = btf__find_by_name_kind(own, "cv_geometry", BTF_KIND_STRUCT);
	same = there > 0 && here > 0 &&
	       shape_of_type(btf, (uint32_t)there) == shape_of_type(own, (uint32_t)here);
	btf__free(btf);
	return same ? 0 :
		      cv_fail(-EPROTO,
			      "the instance's geometry is laid out otherwise than in this culvert");
}

/* ---- the load balancer -------------------------------------------------------------- */

static int load_beside(struct cv *cv, struct culvert_bpf **out)
{
	_cleanup_(object_close) struct culvert_bpf *skel = NULL;
	struct cv_geometry geo = cv->journal->geo;
	struct cv_build build;
	int err;

	geo.fib_src = probe_fib_src();
	err = object_open(&geo, &skel);
	if (!err)
		err = check_geometry(cv, object_bpf(skel));
	if (!err)
		err = pins_reuse(cv->dir, object_bpf(skel));
	if (!err)
		err = object_load(skel);
	if (err)
		return err;
	object_build(&build);
	err = build_store(object_bpf(skel), &build);
	if (!err)
		*out = take_ptr(skel);
	return err;
}

/* What a killed command left is finished by those programs that it had in mind. */
static int take_over(struct cv *cv)
{
	int err = journal_recover(cv);

	if (!err)
		err = edit_resume(cv);
	return err ? err : upgrade_finish(cv);
}

static int replace(struct cv *cv, struct cv_upgrade *out)
{
	_cleanup_(object_close) struct culvert_bpf *skel = NULL;
	int err = load_beside(cv, &skel);

	if (!err)
		err = take_over(cv);
	if (!err)
		err = pins_decide(cv->dir, object_bpf(skel));
	if (!err)
		err = finish_or_undo(cv, &out->hooks);
	if (!err)
		pins_prune(cv->dir, object_bpf(skel));
	return err;
}

static int upgrade_lb(struct cv_upgrade *out)
{
	_cleanup_(cv_close) struct cv *cv = NULL;
	_cleanup_fd_ int dir = -1;
	struct cv_build was;
	int err = instance_dir(false, &dir);

	if (!err)
		err = instance_lock(dir, 0);
	if (!err && !instance_loaded(dir))
		err = -ENOENT;
	if (!err)
		err = build_read(dir, &was);
	if (!err)
		err = check_meaning(&was);
	if (err)
		return err;
	out->there = true;
	build_show(&was, &out->was);
	err = instance_open(take_fd(dir), false, &cv);
	if (err)
		return err;
	cv->locked = true;
	return replace(cv, out);
}

int cv_upgrade(struct cv_upgrade out[CV_PARTS])
{
	int lb, ipvlan;

	memset(out, 0, CV_PARTS * sizeof(*out));
	lb = upgrade_lb(&out[CV_PART_LB]);
	if (lb && lb != -ENOENT)
		return lb;
	ipvlan = ipv_upgrade(&out[CV_PART_IPVLAN]);
	if (ipvlan == -ENOENT && lb == -ENOENT)
		return cv_fail(-ENOENT, "no culvert in this network namespace");
	return ipvlan == -ENOENT ? 0 : ipvlan;
}

void cv_version_own(enum cv_part part, struct cv_version *out)
{
	struct cv_build build;

	if (part == CV_PART_LB)
		object_build(&build);
	else
		ipv_build(&build);
	build_show(&build, out);
}
