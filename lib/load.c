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

#include <culvert/sched.h>

#include <culvert/lb.h> /* before the skeleton, which has its types */

#include "bpffs.h"
#include "cleanup.h"
#include "culvert.skel.h"
#include "probe.h"
#include "instance.h"
#include "journal.h"
#include "load.h"
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

static int random_key(uint64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (getrandom(&out[i], sizeof(out[i]), 0) != sizeof(out[i]))
			return cv_fail(-errno, "getrandom: %s", strerror(errno));
	}
	return 0;
}

static int make_geometry(const struct cv_sizes *sizes, struct cv_geometry *geo, uint32_t *conns)
{
	uint64_t key[4], cookie;
	int err = choose(sizes->max_conns, DEFAULT_CONNS, MOST_CONNS, "connections", conns);

	*geo = (struct cv_geometry){ .version = CV_LAYOUT_VERSION };
	if (!err)
		err = choose(sizes->max_services, DEFAULT_SERVICES, MOST_SERVICES, "services",
			     &geo->max_services);
	if (!err)
		err = choose(sizes->max_dests, DEFAULT_DESTS, MOST_DESTS, "destinations",
			     &geo->max_dests);
	if (!err)
		err = random_key(key, 4);
	if (!err)
		err = instance_cookie(&cookie);
	if (err)
		return err;
	geo->ncpus = (uint32_t)libbpf_num_possible_cpus();
	geo->sets4 = geo->sets6 = cv_sets_for(*conns);
	geo->fib_src = probe_fib_src();
	for (int i = 0; i < 4; i++)
		geo->hash_key[i] = i < 2 ? key[i] | 1 : key[i];
	geo->netns_cookie = cookie;
	return 0;
}

/* How many elements a map gets; 0: as many as the object says. */
static uint32_t entries(const struct cv_geometry *geo, const char *map)
{
	const struct {
		const char *map;
		uint32_t n;
	} sizes[] = {
		{ "conn4_tags", geo->sets4 },
		{ "conn4", geo->sets4 * CV_WAYS },
		{ "conn6_tags", geo->sets6 },
		{ "conn6", geo->sets6 * CV_WAYS },
		{ "svcs", geo->max_services },
		{ "svc_est", geo->max_services },
		{ "services", geo->max_services },
		{ "tables", geo->max_services * CV_TABLE_PIECES },
		{ "dests", geo->max_dests },
		{ "dest_est", geo->max_dests },
		{ "dest_slots", geo->max_dests },
		{ "counters", geo->max_dests * geo->ncpus },
		{ "causes", geo->ncpus },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(sizes[i].map, map) == 0)
			return sizes[i].n;
	}
	return 0;
}

/* ---- loading -------------------------------------------------------------- */

static void cleanup_skel(struct culvert_bpf **skel)
{
	culvert_bpf__destroy(*skel);
}

static int open_sized(const struct cv_geometry *geo, struct culvert_bpf **out)
{
	_cleanup_(cleanup_skel) struct culvert_bpf *skel = culvert_bpf__open();
	struct bpf_map *map;

	if (!skel)
		return cv_fail(-errno, "cannot open the data path: %s", why_libbpf());
	memcpy((void *)&skel->rodata->geo, geo, sizeof(*geo));
	bpf_object__for_each_map(map, skel->obj) {
		uint32_t n = entries(geo, bpf_map__name(map));

		if (n && bpf_map__set_max_entries(map, n) < 0)
			return cv_fail(-EINVAL, "cannot size the map %s", bpf_map__name(map));
	}
	*out = take_ptr(skel);
	return 0;
}

static int load_object(struct culvert_bpf *skel)
{
	int err = culvert_bpf__load(skel);

	if (err) {
		cv_fail(err, "cannot load the data path: %s%s%s", strerror(-err),
			*why_libbpf() ? ": " : "", why_libbpf());
		return probe_explain(err);
	}
	return 0;
}

/* What an instance begins with: settings, the journal's head. */
static int fill(struct culvert_bpf *skel, const struct cv_geometry *geo, uint32_t max_conns,
		uint32_t lo_forwarding)
{
	struct journal j = { .magic = JOURNAL_MAGIC,
			     .layout = CV_LAYOUT_VERSION,
			     .version = CULVERT_VERSION,
			     .made = (uint64_t)time(NULL),
			     .geo = *geo,
			     .max_conns = max_conns,
			     .lo_forwarding = lo_forwarding };
	struct cv_settings s;
	uint32_t zero = 0;

	settings_init(&s);
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.data_settings), &zero, &s, BPF_ANY) < 0 ||
	    bpf_map_update_elem(bpf_map__fd(skel->maps.journal), &zero, &j, BPF_ANY) < 0)
		return cv_fail(-errno, "cannot fill the maps: %s", strerror(errno));
	return 0;
}

/* The sweeper's timer lives as long as its map; this only winds it up. */
static int start_sweeper(struct culvert_bpf *skel)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ctl_start), &opts) < 0)
		return cv_fail(-errno, "cannot run the data path: %s", strerror(errno));
	if (opts.retval)
		return cv_fail(-EIO, "the sweeper does not start (%d)", (int)opts.retval);
	return 0;
}

/* ---- pinning -------------------------------------------------------------- */

/* ".data.settings" is pinned as data_settings: a bpffs has no names with dots. */
static void pin_name(const char *map, char *out, size_t size)
{
	snprintf(out, size, "%s", map[0] == '.' ? map + 1 : map);
	for (char *c = out; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
}

static int pin_maps(int dir, struct culvert_bpf *skel)
{
	struct bpf_map *map;
	char name[64];
	int err;

	bpf_object__for_each_map(map, skel->obj) {
		pin_name(bpf_map__name(map), name, sizeof(name));
		err = bpffs_pin(dir, name, bpf_map__fd(map));
		if (err)
			return err;
	}
	return 0;
}

static int pin_progs(int dir, struct culvert_bpf *skel)
{
	struct bpf_program *prog;
	int err;

	bpf_object__for_each_program(prog, skel->obj) {
		err = bpffs_pin(dir, bpf_program__name(prog), bpf_program__fd(prog));
		if (err)
			return err;
	}
	return 0;
}

static int pin_below(int dir, struct culvert_bpf *skel)
{
	_cleanup_fd_ int new = -1, maps = -1, progs = -1;
	int err = bpffs_subdir(dir, "new", true, &new);

	if (!err)
		err = bpffs_subdir(new, "progs", true, &progs);
	if (!err)
		err = bpffs_subdir(new, "maps", true, &maps);
	if (!err)
		err = pin_progs(progs, skel);
	if (!err)
		err = pin_maps(maps, skel);
	return err;
}

static int move(int dir, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to) < 0)
		return cv_fail(-errno, "cannot put %s in place: %s", to, strerror(errno));
	return 0;
}

/* What killed commands left (I2): new/ never came to be, old/ was to go. */
static int sweep_up(int dir)
{
	int err = bpffs_remove(dir, "new");

	if (!err)
		err = bpffs_remove(dir, "old");
	return err ? cv_fail(err, "cannot remove what a killed command left: %s", strerror(-err)) :
		     0;
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

static int let_forward(int family, uint32_t bit, uint32_t *changed)
{
	int was, err = sysctl_dev_get(family, "lo", "forwarding", &was);

	/* A kernel without IPv6 has no such setting. */
	if (err == -ENOENT && family == AF_INET6)
		return 0;
	if (err || was)
		return err;
	*changed |= bit;
	return sysctl_dev_set(family, "lo", "forwarding", 1);
}

/*
 * bpf_fib_lookup() refuses devices that do not forward, and the data path looks
 * routes up as coming from the loopback device (bpf/lb/nexthop.h).
 */
static int let_loopback_forward(uint32_t *changed)
{
	int err = let_forward(AF_INET, JOURNAL_LO4, changed);

	return err ? err : let_forward(AF_INET6, JOURNAL_LO6, changed);
}

static void stop_loopback_forwarding(uint32_t changed)
{
	if (changed & JOURNAL_LO4)
		sysctl_dev_set(AF_INET, "lo", "forwarding", 0);
	if (changed & JOURNAL_LO6)
		sysctl_dev_set(AF_INET6, "lo", "forwarding", 0);
}

int load_data_path(int dir, const struct cv_sizes *sizes)
{
	_cleanup_(cleanup_skel) struct culvert_bpf *skel = NULL;
	uint32_t lo_forwarding = 0, max_conns = 0;
	struct cv_geometry geo;
	int err = sweep_up(dir);

	why_listen();
	if (!err)
		err = make_geometry(sizes, &geo, &max_conns);
	if (!err)
		err = open_sized(&geo, &skel);
	if (!err)
		err = load_object(skel);
	if (!err)
		err = let_loopback_forward(&lo_forwarding);
	if (!err)
		err = fill(skel, &geo, max_conns, lo_forwarding);
	if (!err)
		err = start_sweeper(skel);
	if (!err)
		err = pin_below(dir, skel);
	if (!err)
		err = put_in_place(dir);
	/* Whatever stopped it, what was pinned is of no use. */
	bpffs_remove(dir, "new");
	if (err)
		stop_loopback_forwarding(lo_forwarding);
	return err;
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
		err = bpffs_remove(dir, "old");
	if (!err)
		stop_loopback_forwarding(lo_forwarding);
	return err;
}
