// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <culvert/sched.h>

#include <culvert/lb.h> /* before the skeleton, which has its types */

#include "build.h"
#include "cleanup.h"
#include "culvert.shape.h"
#include "culvert.skel.h"
#include "object.h"
#include "pins.h"
#include "probe.h"
#include "why.h"

/* How many elements a map gets; 0: as many as the object says. */
static uint32_t entries(const struct cv_geometry *geo, const char *map)
{
	const struct {
		const char *map;
		uint32_t n;
	} sizes[] = {
		{ "conn4_tags", geo->sets4 },
		{ "conn4_keys", geo->sets4 },
		{ "conn4", geo->sets4 * CV_WAYS },
		{ "conn6_tags", geo->sets6 },
		{ "conn6_keys", geo->sets6 },
		{ "conn6", geo->sets6 * CV_WAYS },
		{ "svcs", geo->max_services },
		{ "svc_est", geo->max_services },
		{ "services", geo->max_services },
		{ "tables", geo->max_services * CV_TABLE_PIECES },
		{ "dests", geo->max_dests },
		{ "dest_est", geo->max_dests },
		{ "dest_slots", geo->max_dests },
		{ "reals", 2 * geo->max_dests },
		{ "counters", geo->max_dests * geo->ncpus },
		{ "causes", geo->ncpus },
		{ "calls", geo->sets4 * CV_WAYS / 4 },
		{ "wholes", geo->ncpus },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(sizes[i].map, map) == 0)
			return sizes[i].n;
	}
	return 0;
}

void object_close(struct culvert_bpf **skel)
{
	culvert_bpf__destroy(*skel);
}

int object_open(const struct cv_geometry *geo, struct culvert_bpf **out)
{
	_cleanup_(object_close) struct culvert_bpf *skel = culvert_bpf__open();
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

int object_load(struct culvert_bpf *skel)
{
	int err = culvert_bpf__load(skel);

	if (!err && pins_mappable(skel->obj) < 0)
		return cv_fail(-ENOMEM,
			       "cannot load the data path: no variables that can be mapped");
	if (err) {
		cv_fail(err, "cannot load the data path: %s%s%s", strerror(-err),
			*why_libbpf() ? ": " : "", why_libbpf());
		return probe_explain(err);
	}
	return 0;
}

struct bpf_object *object_bpf(const struct culvert_bpf *skel)
{
	return skel->obj;
}

void object_build(struct cv_build *out)
{
	build_fill(out, CV_LAYOUT_VERSION, SHAPE_OF_culvert);
}

int object_start_sweeper(int prog)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		return cv_fail(-errno, "cannot run the data path: %s", strerror(errno));
	if (opts.retval)
		return cv_fail(-EIO, "the sweeper does not start (%d)", (int)opts.retval);
	return 0;
}
