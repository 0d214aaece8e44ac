// SPDX-License-Identifier: GPL-2.0-or-later
/* Opens the data path of ipvlan, or loads it. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "build.h"
#include "cleanup.h"
#include "instance.h"
#include "ipvlan.shape.h"
#include "ipvlan.skel.h"
#include "ipvlan_btf.shape.h"
#include "ipvlan_btf.skel.h"
#include "ipvlan_internal.h"
#include "lock.h"
#include "pins.h"
#include "upgrade.h"
#include "why.h"

#define DIR_NAME "ipvlan"
#define NEW_NAME "ipvlan-new"

static const struct {
	const char *name;
	uint32_t value_size;
} map_table[IPV_MAPS] = {
	[IPV_MASTERS] = { "masters", sizeof(struct cv_ipv_master) },
	[IPV_SLAVES] = { "slaves", sizeof(struct cv_ipv_slave) },
	[IPV_PORTS] = { "ports", sizeof(struct cv_ipv_port) },
	[IPV_ADDRS] = { "addrs", sizeof(struct cv_ipv_addr) },
	[IPV_STRANGERS] = { "strangers", sizeof(uint32_t) },
	[IPV_ALLOWS] = { "allows", sizeof(uint32_t) },
	[IPV_COUNTERS] = { "counters", sizeof(struct cv_ipv_counters) },
};

/* ---- loading ------------------------------------------------------------------- */

static_assert(SHAPE_OF_ipvlan == SHAPE_OF_ipvlan_btf, "the same maps, whichever is loaded");

void ipv_object_close(struct bpf_object **obj)
{
	bpf_object__close(*obj);
}

void ipv_build(struct cv_build *out)
{
	build_fill(out, CV_IPV_LAYOUT_VERSION, SHAPE_OF_ipvlan);
}

static int load_object(const void *elf, size_t size, int reuse, struct bpf_object **out)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "ipvlan");
	_cleanup_(ipv_object_close) struct bpf_object *obj = bpf_object__open_mem(elf, size, &opts);
	int err;

	if (!obj)
		return cv_fail(-errno, "cannot open the data path of ipvlan: %s", strerror(errno));
	err = reuse < 0 ? 0 : pins_reuse(reuse, obj);
	if (err)
		return err;
	err = bpf_object__load(obj);
	if (err)
		return cv_fail(err, "cannot load the data path of ipvlan: %s", strerror(-err));
	if (pins_mappable(obj) < 0)
		return cv_fail(
			-ENOMEM,
			"cannot load the data path of ipvlan: no variables that can be mapped");
	*out = take_ptr(obj);
	return 0;
}

/* The one that sees more of the kernel, where there is something to be seen (bpf/ipvlan/bare.h). */
static int load_either(int reuse, struct bpf_object **out)
{
	const void *elf;
	size_t size;

	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0) {
		elf = ipvlan_btf_bpf__elf_bytes(&size);
		if (load_object(elf, size, reuse, out) == 0)
			return 0;
	}
	elf = ipvlan_bpf__elf_bytes(&size);
	return load_object(elf, size, reuse, out);
}

int ipv_object_load(int reuse, struct bpf_object **out)
{
	_cleanup_(ipv_object_close) struct bpf_object *obj = NULL;
	struct cv_build build;
	int err = load_either(reuse, &obj);

	if (err)
		return err;
	ipv_build(&build);
	err = build_store(obj, &build);
	if (!err)
		*out = take_ptr(obj);
	return err;
}

static int load_below(int dir)
{
	_cleanup_(ipv_object_close) struct bpf_object *obj = NULL;
	int err = ipv_object_load(-1, &obj);

	return err ? err : pins_make(dir, obj);
}

/* Beside, and then by one rename: there is all of it or none. */
static int load(int instance)
{
	_cleanup_fd_ int dir = -1;
	int err;

	err = bpffs_remove(instance, NEW_NAME);
	if (err)
		return cv_fail(err, "cannot remove what a killed command left: %s", strerror(-err));
	err = bpffs_subdir(instance, NEW_NAME, true, &dir);
	if (!err)
		err = load_below(dir);
	if (!err && renameat(instance, NEW_NAME, instance, DIR_NAME) < 0)
		err = cv_fail(-errno, "cannot put the data path in place: %s", strerror(errno));
	if (err)
		bpffs_remove(instance, NEW_NAME);
	return err;
}

int ipv_discard(int instance)
{
	int err = bpffs_discard(instance, DIR_NAME, NEW_NAME);

	return err ? cv_fail(err, "cannot remove the data path of ipvlan: %s", strerror(-err)) : 0;
}

/* ---- opening ------------------------------------------------------------------- */

static int open_maps(struct cv_ipv *v)
{
	_cleanup_fd_ int maps = -1;
	struct bpf_map_info info;
	uint32_t len;
	int err = bpffs_subdir(v->dir, "maps", false, &maps);

	for (int i = 0; i < IPV_MAPS && !err; i++) {
		v->maps[i] = bpffs_get(maps, map_table[i].name);
		if (v->maps[i] < 0)
			return v->maps[i];
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(v->maps[i], &info, &len) < 0)
			return cv_plain(-errno);
		if (info.value_size != map_table[i].value_size)
			err = cv_fail(
				-EPROTO,
				"the table %s of ipvlan is laid out otherwise than in this culvert",
				map_table[i].name);
	}
	return err;
}

static void *map_shared(int fd, size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int map_tables(struct cv_ipv *v)
{
	v->masters = map_shared(v->maps[IPV_MASTERS], sizeof(*v->masters) * CV_IPV_MASTERS);
	if (v->masters)
		v->slaves = map_shared(v->maps[IPV_SLAVES], sizeof(*v->slaves) * CV_IPV_SLAVES);
	return v->slaves ? 0 :
			   cv_fail(-errno, "cannot map the tables of ipvlan: %s", strerror(errno));
}

static int open_instance(struct cv_ipv *v, enum cv_ipv_open how)
{
	int err = how == CV_IPV_CREATE ? instance_dir_locked(0, &v->instance) :
					 instance_dir(false, &v->instance);

	return !err && how == CV_IPV_EDIT ? instance_lock(v->instance, 0) : err;
}

/* In the instance's directory, which is locked unless we only look. */
static int open_dir(struct cv_ipv *v, enum cv_ipv_open how)
{
	int err;

	v->locked = how != CV_IPV_READ;
	err = bpffs_subdir(v->instance, DIR_NAME, false, &v->dir);
	if (err != -ENOENT || how != CV_IPV_CREATE)
		return err;
	err = load(v->instance);
	if (err)
		return err;
	v->fresh = true;
	return bpffs_subdir(v->instance, DIR_NAME, false, &v->dir);
}

/* Whoever has the lock first cleans up after those who were killed with it. */
static void settle(struct cv_ipv *v)
{
	ipv_reap(v);
	ipv_upgrade_finish(v);
}

bool cv_ipv_unused(const struct cv_ipv *v)
{
	for (uint32_t i = 0; i < CV_IPV_MASTERS; i++) {
		if (v->masters[i].state != CV_IPV_FREE)
			return false;
	}
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		if (v->slaves[i].state != CV_IPV_FREE)
			return false;
	}
	return true;
}

/* Tables that could not be opened or read may have slaves in them, unless they have only just been made. */
static bool is_empty(const struct cv_ipv *v)
{
	if (v->known)
		return cv_ipv_unused(v);
	return v->fresh || (v->dir < 0 && bpffs_absent(v->instance, DIR_NAME));
}

/*
 * Under a lock of our own: without slaves the data path is nobody's, be it that the last one has gone, that the first
 * one was refused or that a killed command left it.
 */
static void leave(struct cv_ipv *v)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();

	if (is_empty(v) && ipv_discard(v->instance) == 0)
		instance_remove_unused(v->instance);
}

static int check_layout(const struct cv_ipv *v)
{
	struct cv_build own;

	ipv_build(&own);
	return build_check(v->dir, &own);
}

static struct cv_ipv *new_handle(void)
{
	struct cv_ipv *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->instance = v->dir = -1;
	for (int i = 0; i < IPV_MAPS; i++)
		v->maps[i] = -1;
	return v;
}

static int open_rest(struct cv_ipv *v, enum cv_ipv_open how, bool check)
{
	int err = open_dir(v, how);

	if (!err && check)
		err = check_layout(v);
	if (!err)
		err = open_maps(v);
	if (!err)
		err = map_tables(v);
	v->known = !err && check;
	v->fresh = v->fresh && err;
	if (!err)
		err = rtnl_open(&v->rtnl, RTNL_HERE);
	if (err)
		return err;
	if (v->locked)
		settle(v);
	return 0;
}

int ipv_open(struct cv_ipv **out, enum cv_ipv_open how, bool check)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = new_handle();
	int err;

	why_listen();
	err = v ? open_instance(v, how) : cv_plain(-ENOMEM);
	if (!err)
		err = open_rest(v, how, check);
	if (!err)
		*out = take_ptr(v);
	return err;
}

int ipv_open_in(int instance, enum cv_ipv_open how, struct cv_ipv **out)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = new_handle();
	int err;

	if (!v) {
		close(instance);
		return cv_plain(-ENOMEM);
	}
	v->instance = instance;
	v->lent = true;
	err = open_rest(v, how, true);
	if (!err)
		*out = take_ptr(v);
	return err;
}

int cv_ipv_open(struct cv_ipv **out, enum cv_ipv_open how)
{
	return ipv_open(out, how, true);
}

void cv_ipv_close(struct cv_ipv **pv)
{
	struct cv_ipv *v = *pv;

	if (!v)
		return;
	*pv = NULL;
	if (v->locked && !v->lent)
		leave(v);
	ipv_netns_close(v);
	rtnl_close(&v->rtnl);
	if (v->masters)
		munmap(v->masters, sizeof(*v->masters) * CV_IPV_MASTERS);
	if (v->slaves)
		munmap(v->slaves, sizeof(*v->slaves) * CV_IPV_SLAVES);
	for (int i = 0; i < IPV_MAPS; i++)
		cleanup_fd(&v->maps[i]);
	cleanup_fd(&v->dir);
	cleanup_fd(&v->instance);
	free(v);
}

/* Does the handle have the tables that are there now? */
static bool is_current(const struct cv_ipv *v)
{
	struct stat ours, there;

	return fstat(v->dir, &ours) == 0 && fstatat(v->instance, DIR_NAME, &there, 0) == 0 &&
	       ours.st_ino == there.st_ino;
}

int cv_ipv_lock(struct cv_ipv *v)
{
	int err = instance_lock(v->instance, 0);

	if (!err && !is_current(v)) {
		lock_drop(v->instance);
		err = -ENOENT;
	}
	if (err)
		return err;
	v->locked = true;
	settle(v);
	return 0;
}

void cv_ipv_unlock(struct cv_ipv **pv)
{
	struct cv_ipv *v = *pv;

	if (cv_ipv_unused(v)) {
		cv_ipv_close(pv);
		return;
	}
	v->locked = false;
	lock_drop(v->instance);
}
