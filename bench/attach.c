/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pump attach, pump count: programs on devices of this network namespace. They
 * are attached without a link, so they stay when the command leaves and go with
 * their device; their counters are found through the program's maps.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "bare.skel.h"
#include "pump.h"
#include "sink.skel.h"

static void attach_xdp(unsigned int ifindex, struct bpf_program *prog)
{
	int err = bpf_xdp_attach(ifindex, bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL);

	if (err)
		die("%s does not attach: %s", bpf_program__name(prog), strerror(-err));
}

/* At clsact, as all kernels have it, and without a link that would end with this process. */
static void attach_tc(unsigned int ifindex, struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog));
	int err = bpf_tc_hook_create(&hook);

	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &opts);
	if (err)
		die("%s does not attach: %s", bpf_program__name(prog), strerror(-err));
}

static bool attach_sink(unsigned int ifindex, const char *name)
{
	struct sink_bpf *skel = sink_bpf__open_and_load();
	struct bpf_program *prog;

	if (!skel)
		die("the sink does not load");
	prog = bpf_object__find_program_by_name(skel->obj, name);
	if (prog)
		attach_xdp(ifindex, prog);
	sink_bpf__destroy(skel);
	return prog;
}

static bool attach_bare(unsigned int ifindex, const char *name, uint32_t to)
{
	struct bare_bpf *skel = bare_bpf__open();
	struct bpf_program *prog;
	uint32_t zero = 0;

	if (!skel)
		die("the bare programs do not open");
	skel->rodata->to_ifindex = to;
	if (bare_bpf__load(skel))
		die("the bare programs do not load");
	if (to && bpf_map_update_elem(bpf_map__fd(skel->maps.to_device), &zero, &to, BPF_ANY))
		die("no such device to send to");
	prog = bpf_object__find_program_by_name(skel->obj, name);
	if (prog && bpf_program__type(prog) == BPF_PROG_TYPE_SCHED_CLS)
		attach_tc(ifindex, prog);
	else if (prog)
		attach_xdp(ifindex, prog);
	bare_bpf__destroy(skel);
	return prog;
}

int pump_attach(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	static const char help[] =
		"usage: pump attach DEV sink|sink_by_class|bounce|none\n"
		"       pump attach DEV redirect|redirect_map|tc_redirect --to DEV\n";
	unsigned int ifindex, to = 0;
	const char *name;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 't')
			return fputs(help, option == 'h' ? stdout : stderr), option != 'h';
		to = device(optarg);
	}
	if (optind != argc - 2)
		die("attach wants a device and a program");
	ifindex = device(argv[optind]);
	name = argv[optind + 1];

	bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	if (!strcmp(name, "none") || attach_sink(ifindex, name) || attach_bare(ifindex, name, to))
		return 0;
	die("no such program: %s", name);
}

/* The first map of the program, as a descriptor. */
static int first_map(int prog)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), id = 0;

	info.nr_map_ids = 1;
	info.map_ids = (uintptr_t)&id;
	if (bpf_obj_get_info_by_fd(prog, &info, &len) || !id)
		return -1;
	return bpf_map_get_fd_by_id(id);
}

int pump_count(int argc, char **argv)
{
	static const char *const names[CLASSES] = { "live", "flood", "other" };
	int ncpus = libbpf_num_possible_cpus(), prog, map;
	uint32_t id = 0;

	if (argc != 2 || ncpus < 1)
		die("count wants a device");
	if (bpf_xdp_query_id(device(argv[1]), XDP_FLAGS_DRV_MODE, &id) || !id)
		die("%s has no sink", argv[1]);
	prog = bpf_prog_get_fd_by_id(id);
	map = prog < 0 ? -1 : first_map(prog);
	if (map < 0)
		die("%s has no sink", argv[1]);

	uint64_t *per_cpu = calloc(ncpus, sizeof(*per_cpu));

	for (uint32_t class = 0; class < CLASSES; class ++) {
		uint64_t sum = 0;

		if (!per_cpu || bpf_map_lookup_elem(map, &class, per_cpu))
			die("%s has no sink", argv[1]);
		for (int cpu = 0; cpu < ncpus; cpu++)
			sum += per_cpu[cpu];
		printf("%s\"%s\": %llu", class ? ", " : "{", names[class], (unsigned long long)sum);
	}
	puts("}");
	free(per_cpu);
	close(map);
	close(prog);
	return 0;
}
