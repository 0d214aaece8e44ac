/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pump stages: how many nanoseconds each step of culvert's data path takes for
 * the wanted traffic, with the tables of the instance in this network namespace:
 * see stages.bpf.c. Packets of live flows want those to be open.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <culvert/lb.h>

#include "pump.h"
#include "stages.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define ROUNDS 7

static const char help[] = "usage: pump stages DEV --vip ADDRESS [OPTION]...\n" TRAFFIC_HELP
			   "  --packets N       a round (300000)\n"
			   "Prints, for each step, the nanoseconds up to its end.\n";

static uint64_t netns_cookie(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t size = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		die("no network namespace cookie: %s", strerror(errno));
	close(fd);
	return cookie;
}

/* As the library pins them: a name without dots, and constants by the object's own name. */
static void pinned_name(const char *map, char *out, size_t size)
{
	const char *constants = strstr(map, ".rodata");

	if (constants)
		map = "culvert_.rodata";
	snprintf(out, size, "%s", *map == '.' ? map + 1 : map);
	for (char *c = out; *c; c++)
		if (*c == '.')
			*c = '_';
}

static struct stages_bpf *load_on_instance(void)
{
	struct stages_bpf *skel = stages_bpf__open();
	unsigned long long cookie = netns_cookie();
	struct bpf_map *map;

	if (!skel)
		die("the steps do not open");
	bpf_object__for_each_map(map, skel->obj) {
		char name[64], path[128];
		int fd;

		pinned_name(bpf_map__name(map), name, sizeof(name));
		snprintf(path, sizeof(path), "/run/culvert/%llu/maps/%s", cookie, name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			die("no culvert in this network namespace: %s: %s", path, strerror(-fd));
		if (bpf_map__reuse_fd(map, fd))
			die("map %s is another", name);
		close(fd);
	}
	if (stages_bpf__load(skel))
		die("the steps do not load");
	return skel;
}

struct step {
	const char *name;
	int prog;
	double ns[ROUNDS];
};

static void measure(struct step *steps, size_t n, const struct traffic *t, unsigned int ifindex,
		    uint32_t packets)
{
	struct stopwatch_bpf *watch = stopwatch_load(t);

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < n; i++)
			steps[i].ns[round] =
				stopwatch_ns(watch, t, ifindex, steps[i].prog, packets);
}

int pump_stages(int argc, char **argv)
{
	static const struct option options[] = {
		TRAFFIC_OPTIONS,
		{ "packets", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct traffic_options o = TRAFFIC_DEFAULTS;
	uint32_t packets = 300000;
	struct stages_bpf *skel;
	unsigned int ifindex;
	double base;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (traffic_option(&o, option, optarg))
			continue;
		if (option != 'n')
			return fputs(help, option == 'h' ? stdout : stderr), option != 'h';
		packets = number(optarg, INT32_MAX);
	}
	if (optind != argc - 1 || !o.to.family)
		die("stages wants a device and --vip");

	ifindex = device(argv[optind]);
	traffic_template(&o.traffic, &o.to);
	skel = load_on_instance();
	pin_to_cpu(o.cpu);

	struct step steps[] = {
		{ "nothing", -1, {} },
		{ "parse", bpf_program__fd(skel->progs.parse), {} },
		{ "tag", bpf_program__fd(skel->progs.parse_tag), {} },
		{ "lookup", bpf_program__fd(skel->progs.parse_lookup), {} },
		{ "rewrite", bpf_program__fd(skel->progs.parse_lookup_rewrite), {} },
		{ "service", bpf_program__fd(skel->progs.parse_service), {} },
		{ "schedule", bpf_program__fd(skel->progs.parse_service_schedule), {} },
		{ "whole", xdp_program_on(ifindex, 0), {} },
	};
	const size_t n = sizeof(steps) / sizeof(steps[0]);

	measure(steps, n, &o.traffic, ifindex, packets);
	base = median(steps[0].ns, ROUNDS);
	for (size_t i = 1; i < n; i++)
		printf("%s\"%s\": %.0f", i == 1 ? "{" : ", ", steps[i].name,
		       median(steps[i].ns, ROUNDS) - base);
	printf(", \"stopwatch\": %.0f}\n", base);
	return 0;
}
