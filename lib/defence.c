// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <culvert/lb.h> /* before the skeleton, which has its types */

#include "bpffs.h"
#include "cleanup.h"
#include "defence.h"
#include "instance.h"
#include "memory.skel.h"
#include "why.h"

#define WATCH "memory_watch"
#define PROGRAM "memory_start"
#define CANNOT "culvert cannot see the free memory of this kernel: "

static void cleanup_skel(struct memory_bpf **skel)
{
	memory_bpf__destroy(*skel);
}

static int load(struct cv *cv, struct memory_bpf **out)
{
	_cleanup_(cleanup_skel) struct memory_bpf *skel = NULL;
	int clock = map_fd(cv, MAP_CLOCK), err;

	if (clock < 0)
		return clock;
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return cv_fail(-EOPNOTSUPP,
			       CANNOT "it has no type information (CONFIG_DEBUG_INFO_BTF)");
	why_listen();
	skel = memory_bpf__open();
	if (!skel)
		return cv_fail(-errno, "cannot open the watch over memory: %s", why_libbpf());
	err = bpf_map__reuse_fd(skel->maps.data_clock, clock);
	if (err)
		return cv_fail(err, "cannot use the map of the clock: %s", strerror(-err));
	err = memory_bpf__load(skel);
	if (err)
		return cv_fail(-EOPNOTSUPP,
			       CANNOT
			       "no memory cgroups (CONFIG_MEMCG), or BPF may not read it%s%s",
			       *why_libbpf() ? ": " : "", why_libbpf());
	*out = take_ptr(skel);
	return 0;
}

/* Looks once, and has the timer go on with that unless it does. */
static int start(int prog)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		return cv_fail(-errno, "cannot run the watch over memory: %s", strerror(errno));
	if (opts.retval == 1)
		return cv_fail(-EOPNOTSUPP,
			       CANNOT "memory cgroups are turned off (cgroup_disable=memory)");
	if (opts.retval)
		return cv_fail(-EIO, "the watch over memory does not start (%d)", (int)opts.retval);
	return 0;
}

/* The program first: with the map there, there is a watch. */
static int pin(int progs, int maps, const struct memory_bpf *skel)
{
	int err = bpffs_remove(progs, PROGRAM);

	if (!err)
		err = bpffs_pin(progs, PROGRAM, bpf_program__fd(skel->progs.memory_start));
	return err ? err : bpffs_pin(maps, WATCH, bpf_map__fd(skel->maps.memory_watch));
}

static int begin(struct cv *cv, int progs, int maps)
{
	_cleanup_(cleanup_skel) struct memory_bpf *skel = NULL;
	int err = load(cv, &skel);

	if (!err)
		err = start(bpf_program__fd(skel->progs.memory_start));
	return err ? err : pin(progs, maps, skel);
}

static int open_dirs(struct cv *cv, int *progs, int *maps)
{
	int err = bpffs_subdir(cv->dir, "progs", false, progs);

	return err ? err : bpffs_subdir(cv->dir, "maps", false, maps);
}

int defence_watch(struct cv *cv)
{
	_cleanup_fd_ int progs = -1, maps = -1, map = -1, prog = -1;
	int err = open_dirs(cv, &progs, &maps);

	if (err)
		return err;
	map = bpffs_get(maps, WATCH);
	if (map < 0)
		return begin(cv, progs, maps);
	prog = bpffs_get(progs, PROGRAM);
	return prog < 0 ? prog : start(prog);
}

int defence_rest(struct cv *cv)
{
	_cleanup_fd_ int progs = -1, maps = -1;
	int err = open_dirs(cv, &progs, &maps);

	if (!err)
		err = bpffs_remove(maps, WATCH);
	if (!err)
		err = bpffs_remove(progs, PROGRAM);
	if (!err)
		__atomic_store_n(&cv->clock->free_pages, 0, __ATOMIC_RELAXED);
	return err;
}

bool defence_needed(const struct cv *cv)
{
	uint32_t pages = __atomic_load_n(&cv->clock->free_pages, __ATOMIC_RELAXED);

	return pages && pages < cv->settings->amemthresh;
}
