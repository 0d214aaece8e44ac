/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pump profile: nanoseconds that the XDP program on a device takes for a packet
 * of the wanted traffic, without the driver: see stopwatch.bpf.c.
 */
#include <bpf/bpf.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "pump.h"
#include "stopwatch.skel.h" /* after traffic.h, whose struct it holds */

#define ROUNDS 9

static const char help[] = "usage: pump profile DEV --vip ADDRESS [OPTION]...\n" TRAFFIC_HELP
			   "  --packets N       a round (500000)\n"
			   "  --prog ID         the program, instead of the device's own\n";

static void watch_program(struct stopwatch_bpf *skel, int prog)
{
	uint32_t zero = 0;
	int err = bpf_map_update_elem(bpf_map__fd(skel->maps.under_watch), &zero, &prog, BPF_ANY);

	if (err)
		die("the program cannot be watched: %s", strerror(-err));
}

double stopwatch_ns(struct stopwatch_bpf *skel, const struct traffic *t, unsigned int ifindex,
		    int prog, uint32_t packets)
{
	struct xdp_md ctx = { .data_end = t->frame, .ingress_ifindex = ifindex };
	uint8_t frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = t->frame,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = packets);
	int err, watch = bpf_program__fd(skel->progs.watch);

	watch_program(skel, prog < 0 ? bpf_program__fd(skel->progs.nothing) : prog);
	memcpy(frame, t->packet, sizeof(frame));
	err = bpf_prog_test_run_opts(watch, &opts);
	if (err)
		die("test run: %s", strerror(-err));
	if (opts.retval == XDP_ABORTED)
		die("the program under the watch aborted");
	return opts.duration; /* whole nanoseconds, the mean */
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

struct stopwatch_bpf *stopwatch_load(const struct traffic *t)
{
	struct stopwatch_bpf *skel = stopwatch_bpf__open();
	int err;

	if (!skel)
		die("the stopwatch does not open");
	memcpy((void *)&skel->rodata->traffic, t, sizeof(*t));
	skel->bss->rng = now_ns() | 1;
	err = stopwatch_bpf__load(skel);
	if (err)
		die("the stopwatch does not load: %s", strerror(-err));
	return skel;
}

int xdp_program_on(unsigned int ifindex, uint32_t id)
{
	int fd;

	if (!id && (bpf_xdp_query_id(ifindex, XDP_FLAGS_DRV_MODE, &id) || !id))
		die("no XDP program on the device");
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		die("program %u: %s", id, strerror(-fd));
	return fd;
}

int pump_profile(int argc, char **argv)
{
	static const struct option options[] = {
		TRAFFIC_OPTIONS,
		{ "packets", required_argument, NULL, 'n' },
		{ "prog", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct traffic_options o = TRAFFIC_DEFAULTS;
	double with[ROUNDS], without[ROUNDS], all, base;
	uint32_t packets = 500000, id = 0;
	struct stopwatch_bpf *skel;
	unsigned int ifindex;
	int option, prog;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (traffic_option(&o, option, optarg))
			continue;
		if (option == 'n')
			packets = number(optarg, INT32_MAX);
		else if (option == 'p')
			id = number(optarg, UINT32_MAX);
		else
			return fputs(help, option == 'h' ? stdout : stderr), option != 'h';
	}
	if (optind != argc - 1 || !o.to.family)
		die("profile wants a device and --vip");

	ifindex = device(argv[optind]);
	prog = xdp_program_on(ifindex, id);
	traffic_template(&o.traffic, &o.to);
	skel = stopwatch_load(&o.traffic);
	pin_to_cpu(o.cpu);
	for (int i = 0; i < ROUNDS; i++) {
		without[i] = stopwatch_ns(skel, &o.traffic, ifindex, -1, packets);
		with[i] = stopwatch_ns(skel, &o.traffic, ifindex, prog, packets);
	}
	all = median(with, ROUNDS);
	base = median(without, ROUNDS);
	printf("{\"ns\": %.0f, \"stopwatch_ns\": %.0f}\n", all - base, base);
	stopwatch_bpf__destroy(skel);
	close(prog);
	return 0;
}
