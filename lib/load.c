// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "build.h"
#include "cleanup.h"
#include "probe.h"
#include "instance.h"
#include "ipvlan_host.h"
#include "journal.h"
#include "load.h"
#include "object.h"
#include "pins.h"
#include "settings.h"
#include "sysctl.h"
#include "why.h"

#define DEFAULT_CONNS 262144
#define DEFAULT_SERVICES 8192
#define DEFAULT_DESTS 16384

/*
 * The slots of a table are numbered by 32 bits, and its bytes must fit the
 * kernel's 32-bit sizes.
 */
#define MOST_CONNS (1U << 25)
#define MOST_SERVICES (1U << 20)
#define MOST_DESTS (1U << 22)

/* ---- sizes ---------------------------------------------------------------- */

static int choose(uint32_t wanted, uint32_t usual, uint32_t most, const char *what, uint32_t *out)
{
	if (wanted > most)
		return cv_fail(-E2BIG, "at most %u %s", most, what);
	*out = wanted ? wanted : usual;
	return 0;
}

/* With the defaults in the place of what is not said. */
static int choose_all(const struct cv_sizes *wanted, struct cv_sizes *out)
{
	int err = choose(wanted->max_conns, DEFAULT_CONNS, MOST_CONNS, "connections",
			 &out->max_conns);

	if (!err)
		err = choose(wanted->max_conns6, out->max_conns, MOST_CONNS, "connections",
			     &out->max_conns6);
	if (!err)
		err = choose(wanted->max_services, DEFAULT_SERVICES, MOST_SERVICES, "services",
			     &out->max_services);
	if (!err)
		err = choose(wanted->max_dests, DEFAULT_DESTS, MOST_DESTS, "destinations",
			     &out->max_dests);
	return err;
}

int cv_check_sizes(const struct cv_sizes *sizes)
{
	struct cv_sizes chosen;

	return choose_all(sizes, &chosen);
}

static int random_key(uint64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (getrandom(&out[i], sizeof(out[i]), 0) != sizeof(out[i]))
			return cv_fail(-errno, "getrandom: %s", strerror(errno));
	}
	return 0;
}

static int make_geometry(const struct cv_sizes *sizes, struct cv_geometry *geo)
{
	uint64_t key[4], cookie;
	int cpus, err;

	*geo = (struct cv_geometry){ .version = CV_LAYOUT_VERSION,
				     .max_services = sizes->max_services,
				     .max_dests = sizes->max_dests };
	err = random_key(key, 4);
	if (!err)
		err = instance_cookie(&cookie);
	if (err)
		return err;
	cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cv_fail(cpus, "cannot count the CPUs: %s", strerror(-cpus));
	geo->ncpus = (uint32_t)cpus;
	geo->sets4 = cv_sets_for(sizes->max_conns);
	geo->sets6 = cv_sets_for(sizes->max_conns6);
	geo->fib_src = probe_fib_src();
	for (int i = 0; i < 4; i++)
		geo->hash_key[i] = key[i] | 1;
	geo->netns_cookie = cookie;
	return 0;
}

/* What an instance begins with: settings, the journal's head, who made it. */
static int fill(const struct bpf_object *obj, const struct cv_geometry *geo,
		const struct cv_sizes *sizes, uint32_t lo_forwarding)
{
	struct journal j = { .geo = *geo,
			     .max_conns = sizes->max_conns,
			     .max_conns6 = sizes->max_conns6,
			     .lo_forwarding = lo_forwarding };
	struct cv_settings s;
	struct cv_build build;
	uint32_t zero = 0;

	settings_init(&s);
	object_build(&build);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, ".data.settings"), &zero, &s,
				BPF_ANY) < 0 ||
	    bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "journal"), &zero, &j,
				BPF_ANY) < 0)
		return cv_fail(-errno, "cannot fill the maps: %s", strerror(errno));
	return build_store(obj, &build);
}

static int start_sweeper(const struct bpf_object *obj)
{
	return object_start_sweeper(
		bpf_program__fd(bpf_object__find_program_by_name(obj, "ctl_start")));
}

static int pin_below(int dir, const struct bpf_object *obj)
{
	_cleanup_fd_ int new = -1;
	int err = bpffs_subdir(dir, "new", true, &new);

	return err ? err : pins_make(new, obj);
}

static int move(int dir, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to) < 0)
		return cv_fail(-errno, "cannot put %s in place: %s", to, strerror(errno));
	return 0;
}

static int put_in_place(int dir)
{
	_cleanup_fd_ int links = -1;
	int err = bpffs_remove(dir, "progs");

	if (!err)
		err = move(dir, "new/progs", "progs");
	if (!err)
		err = bpffs_subdir(dir, "links", true, &links);
	if (!err)
		err = move(dir, "new/maps", "maps");
	return err;
}

/* Of the loopback device's `forwarding`, IPv4's and IPv6's: what is off. */
static int plan_loopback(uint32_t *out)
{
	const int families[] = { AF_INET, AF_INET6 };
	const uint32_t bits[] = { JOURNAL_LO4, JOURNAL_LO6 };

	*out = 0;
	for (int i = 0; i < 2; i++) {
		int was, err = sysctl_dev_get(families[i], "lo", "forwarding", &was);

		/* A kernel without IPv6 has no such setting. */
		if (err == -ENOENT && families[i] == AF_INET6)
			continue;
		if (err)
			return err;
		if (!was)
			*out |= bits[i];
	}
	return 0;
}

/*
 * bpf_fib_lookup() refuses devices that do not forward, and the data path looks
 * routes up as coming from the loopback device (bpf/lb/nexthop.h). What is turned
 * on is noted in the journal before, so that whoever comes after a kill knows it.
 */
static int let_loopback_forward(int dir, uint32_t which)
{
	int err, router;

	/* The police of l3s, which asks loopback whether the host is a router, is told first. */
	if (sysctl_dev_get(AF_INET, "all", "forwarding", &router) == 0 && !router)
		ipvlan_loopback_taken(dir, true);
	err = which & JOURNAL_LO4 ? sysctl_dev_set(AF_INET, "lo", "forwarding", 1) : 0;

	return !err && which & JOURNAL_LO6 ? sysctl_dev_set(AF_INET6, "lo", "forwarding", 1) : err;
}

void load_settle(int dir, uint32_t *lo_forwarding)
{
	uint32_t off;

	if (plan_loopback(&off))
		return;
	if (off & ~*lo_forwarding)
		*lo_forwarding |= off;
	let_loopback_forward(dir, off);
}

static int stop_loopback_forwarding(int dir, uint32_t changed)
{
	int err = changed & JOURNAL_LO4 ? sysctl_dev_set(AF_INET, "lo", "forwarding", 0) : 0;

	if (!err && changed & JOURNAL_LO4)
		ipvlan_loopback_taken(dir, false);
	if (!err && changed & JOURNAL_LO6)
		err = sysctl_dev_set(AF_INET6, "lo", "forwarding", 0);
	return err ? cv_fail(err, "cannot make the loopback device forward no longer: %s",
			     strerror(-err)) :
		     0;
}

/* What the journal in this directory has noted. */
static int stop_noted(int dir, const char *maps)
{
	_cleanup_fd_ int sub = -1, fd = -1;
	struct journal j;
	uint32_t zero = 0;

	if (bpffs_subdir(dir, maps, false, &sub))
		return 0;
	fd = bpffs_get(sub, "journal");
	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &j) != 0)
		return 0;
	return stop_loopback_forwarding(dir, j.lo_forwarding);
}

/* What killed commands left (I2): new/ never came to be, old/ was to go; no upgrade is finished any more. */
static int sweep_up(int dir)
{
	int err = 0;

	if (!instance_loaded(dir)) {
		err = stop_noted(dir, "new/maps");
		if (!err)
			err = stop_noted(dir, "old");
		if (err)
			return err;
	}
	err = bpffs_remove(dir, "new");
	if (!err)
		err = bpffs_remove(dir, "old");
	if (!err)
		err = bpffs_remove(dir, PINS_NEXT);
	return err ? cv_fail(err, "cannot remove what a killed command left: %s", strerror(-err)) :
		     0;
}

bool load_left(int dir)
{
	return !instance_loaded(dir) &&
	       (faccessat(dir, "new", F_OK, 0) == 0 || faccessat(dir, "old", F_OK, 0) == 0);
}

int load_forget(int dir)
{
	return load_left(dir) ? sweep_up(dir) : 0;
}

int load_data_path(int dir, const struct cv_sizes *sizes)
{
	_cleanup_(object_close) struct culvert_bpf *skel = NULL;
	uint32_t lo_forwarding = 0;
	struct cv_sizes chosen = {};
	struct cv_geometry geo;
	int err = sweep_up(dir);

	why_listen();
	if (!err)
		err = choose_all(sizes, &chosen);
	if (!err)
		err = make_geometry(&chosen, &geo);
	if (!err)
		err = object_open(&geo, &skel);
	if (!err)
		err = object_load(skel);
	if (!err)
		err = plan_loopback(&lo_forwarding);
	if (!err)
		err = fill(object_bpf(skel), &geo, &chosen, lo_forwarding);
	if (!err)
		err = start_sweeper(object_bpf(skel));
	if (!err)
		err = pin_below(dir, object_bpf(skel));
	if (!err)
		err = let_loopback_forward(dir, lo_forwarding);
	if (!err)
		err = put_in_place(dir);
	/* Whatever stopped it, what was pinned is of no use. */
	if (faccessat(dir, "new", F_OK, 0) == 0) {
		_cleanup_(why_put_back) struct why_kept why = why_keep();

		if (err)
			stop_noted(dir, "new/maps");
		bpffs_remove(dir, "new");
	}
	return err;
}

void load_undo(int dir)
{
	_cleanup_(why_put_back) struct why_kept why = why_keep();

	if (move(dir, "maps", "old") == 0) {
		bpffs_remove(dir, "progs");
		sweep_up(dir);
	}
}

int unload_data_path(int dir, uint32_t lo_forwarding)
{
	int err = sweep_up(dir);

	if (!err)
		err = move(dir, "maps", "old");
	if (!err)
		err = bpffs_remove(dir, "links");
	if (!err)
		err = bpffs_remove(dir, "progs");
	if (!err)
		err = stop_loopback_forwarding(dir, lo_forwarding);
	/* Failed here, old/ says to the next command what is left to do. */
	return err ? err : bpffs_remove(dir, "old");
}
