/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump yardstick: loads the yardstick, fills its maps and attaches it. */
#include <bpf/bpf.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "pump.h"
#include "yardstick.h"
#include "yardstick.skel.h"

static const char help[] = "usage: pump yardstick DEV --to DEV --vip ADDRESS [OPTION]...\n"
			   "  --port N          of the virtual service (80)\n"
			   "  --servers N       real servers (1)\n"
			   "  --dmac, --smac    MAC addresses towards them\n"
			   "  --max-flows N     each CPU remembers (1000000)\n"
			   "  --tunnel SADDR    IP in IP from this address, else direct\n";

struct setup {
	struct yard_vip vip;
	struct yard_server server;
	uint32_t servers, max_flows;
	unsigned int from, to;
	struct in6_addr tunnel;
};

static void put(struct bpf_map *map, const void *key, const void *value)
{
	int err = bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY);

	if (err)
		die("map %s: %s", bpf_map__name(map), strerror(-err));
}

/* One LRU for each possible CPU, as large as the first. */
static void make_lrus(struct yardstick_bpf *skel, const struct setup *s)
{
	int ncpus = libbpf_num_possible_cpus();

	for (uint32_t cpu = 0; cpu < (uint32_t)ncpus && cpu < YARD_CPUS; cpu++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "lru", sizeof(struct yard_flow),
					sizeof(uint32_t), s->max_flows, NULL);

		if (fd < 0)
			die("an LRU of %u flows: %s", s->max_flows, strerror(-fd));
		put(skel->maps.flows_of_cpu, &cpu, &fd);
		close(fd);
	}
}

static void fill(struct yardstick_bpf *skel, const struct setup *s)
{
	uint32_t service = 0;

	make_lrus(skel, s);
	put(skel->maps.vips, &s->vip, &service);
	for (uint32_t i = 0; i < s->servers; i++) {
		struct yard_server server = s->server;

		server.addr = htonl(ntohl(server.addr) + i);
		put(skel->maps.servers, &i, &server);
	}
	for (uint32_t place = 0; place < YARD_RING; place++) {
		uint32_t server = mix32(place, 0x2545f491) % s->servers;

		put(skel->maps.ring, &place, &server);
	}
}

static void attach(const struct setup *s)
{
	struct yardstick_bpf *skel = yardstick_bpf__open();
	int err;

	if (!skel)
		die("the yardstick does not open");
	skel->rodata->to_ifindex = s->to;
	skel->rodata->tunnel = s->tunnel.s6_addr32[0] != 0;
	skel->rodata->tunnel_saddr = s->tunnel.s6_addr32[0];
	bpf_map__set_max_entries(skel->maps.lru0, s->max_flows);
	err = yardstick_bpf__load(skel);
	if (err)
		die("the yardstick does not load: %s", strerror(-err));
	fill(skel, s);
	bpf_xdp_detach(s->from, XDP_FLAGS_DRV_MODE, NULL);
	err = bpf_xdp_attach(s->from, bpf_program__fd(skel->progs.yardstick), XDP_FLAGS_DRV_MODE,
			     NULL);
	if (err)
		die("the yardstick does not attach: %s", strerror(-err));
	yardstick_bpf__destroy(skel);
}

int pump_yardstick(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "vip", required_argument, NULL, 'v' },
		{ "port", required_argument, NULL, 'P' },
		{ "servers", required_argument, NULL, 'r' },
		{ "dmac", required_argument, NULL, 'd' },
		{ "smac", required_argument, NULL, 'm' },
		{ "max-flows", required_argument, NULL, 'x' },
		{ "tunnel", required_argument, NULL, 'T' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct setup s = { .vip = { .port = htons(80), .proto = IPPROTO_TCP },
			   .servers = 1,
			   .max_flows = 1000000,
			   .server.addr = htonl(0x0afa0001) };
	struct in6_addr vip = {};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 't')
			s.to = device(optarg);
		else if (option == 'v')
			address(optarg, &vip);
		else if (option == 'P')
			s.vip.port = htons(number(optarg, UINT16_MAX));
		else if (option == 'r')
			s.servers = number(optarg, YARD_SERVERS);
		else if (option == 'd')
			mac(optarg, s.server.dmac);
		else if (option == 'm')
			mac(optarg, s.server.smac);
		else if (option == 'x')
			s.max_flows = number(optarg, 1 << 24);
		else if (option == 'T')
			address(optarg, &s.tunnel);
		else
			return fputs(help, option == 'h' ? stdout : stderr), option != 'h';
	}
	if (optind != argc - 1 || !s.to || !s.servers)
		die("yardstick wants a device, --to and --vip");
	memcpy(s.vip.addr, &vip, sizeof(vip));
	s.from = device(argv[optind]);
	attach(&s);
	return 0;
}
