/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump send: runs the generator on a device of this network namespace, and times it. */
#include <bpf/bpf.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/resource.h>

#include "pump.h"
#include "gen.skel.h" /* after traffic.h, whose struct it holds */

#define WARM_PACKETS (1 << 16)
#define BATCH 64 /* a veth's ring holds 256 frames: none is ever lost */

static const char help[] = "usage: pump send DEV --vip ADDRESS [OPTION]...\n" TRAFFIC_HELP
			   "  --packets N       how many, or\n"
			   "  --seconds S       about how long, after a warm-up (0.2)\n"
			   "Prints the timed packets and their nanoseconds; all packets with the\n"
			   "warm-up's, and how many of these were the flood's.\n";

/*
 * Nanoseconds from the first packet to the last, by the generator's own stamps:
 * the system call around them waits for RCU, which takes ticks.
 */
static uint64_t run(struct gen_bpf *skel, const struct traffic *t, unsigned int ifindex,
		    uint32_t packets)
{
	struct xdp_md ctx = { .data_end = t->frame, .ingress_ifindex = ifindex };
	uint8_t frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = t->frame,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = packets,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	int err;

	memcpy(frame, t->packet, sizeof(frame));
	skel->bss->sent = 0;
	skel->bss->until = packets;
	err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.generate), &opts);
	if (err)
		die("live frames: %s", strerror(-err));
	return skel->bss->last_ns - skel->bss->first_ns;
}

static uint64_t preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw;
}

static struct gen_bpf *load(const struct traffic *t)
{
	struct gen_bpf *skel = gen_bpf__open();
	int err;

	if (!skel)
		die("the generator does not open");
	memcpy((void *)&skel->rodata->traffic, t, sizeof(*t));
	skel->bss->rng = now_ns() | 1;
	err = gen_bpf__load(skel);
	if (err)
		die("the generator does not load: %s", strerror(-err));
	return skel;
}

int pump_send(int argc, char **argv)
{
	static const struct option options[] = {
		TRAFFIC_OPTIONS,
		{ "packets", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct traffic_options o = TRAFFIC_DEFAULTS;
	uint64_t ns, before, packets = 0, all = 0;
	double seconds = 0.2;
	struct gen_bpf *skel;
	unsigned int ifindex;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (traffic_option(&o, option, optarg))
			continue;
		if (option == 'n')
			packets = number(optarg, INT32_MAX);
		else if (option == 't')
			seconds = strtod(optarg, NULL);
		else
			return fputs(help, option == 'h' ? stdout : stderr), option != 'h';
	}
	if (optind != argc - 1 || !o.to.family)
		die("send wants a device and --vip");

	ifindex = device(argv[optind]);
	traffic_template(&o.traffic, &o.to);
	skel = load(&o.traffic);
	pin_to_cpu(o.cpu);

	if (!packets) {
		ns = run(skel, &o.traffic, ifindex, WARM_PACKETS);
		packets = WARM_PACKETS * (seconds * 1e9 / ns);
		all = WARM_PACKETS;
	}
	before = preemptions();
	ns = run(skel, &o.traffic, ifindex, packets);
	all += packets;
	printf("{\"packets\": %llu, \"ns\": %llu, \"preemptions\": %llu, "
	       "\"all\": %llu, \"flood\": %llu}\n",
	       (unsigned long long)packets, (unsigned long long)ns,
	       (unsigned long long)(preemptions() - before), (unsigned long long)all,
	       (unsigned long long)skel->bss->flooded);
	gen_bpf__destroy(skel);
	return 0;
}
