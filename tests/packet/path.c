// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "path.h"
#include "culvert.skel.h"
#include "world.h"

const char *const door_names[DOORS] = { "XDP", "tc" };
const char *const fate_names[] = { "passed", "sent", "dropped" };

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "packet tests: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- loading ---------------------------------------------------------------- */

static struct bpf_object *open_object(void)
{
	const char *file = getenv("CULVERT_BPF"); /* another build of the same source */
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "culvert");
	struct bpf_object *obj;
	size_t size;

	if (file) {
		obj = bpf_object__open_file(file, &opts);
	} else {
		const void *bytes = culvert_bpf__elf_bytes(&size);

		obj = bpf_object__open_mem(bytes, size, &opts);
	}
	if (!obj)
		give_up("cannot open the BPF object");
	return obj;
}

/* Where a global variable stands in its section. */
static uint32_t offset_of(const struct path *p, const char *section, const char *name)
{
	struct btf *btf = bpf_object__btf(p->obj);
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	const struct btf_var_secinfo *v = t ? btf_var_secinfos(t) : NULL;

	for (uint32_t i = 0; t && i < btf_vlen(t); i++) {
		const struct btf_type *var = btf__type_by_id(btf, v[i].type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name) == 0)
			return v[i].offset;
	}
	give_up(name);
}

static struct bpf_map *map_named(const struct path *p, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(p->obj, name);

	if (!map)
		give_up(name);
	return map;
}

static void size_map(struct path *p, const char *name, uint32_t entries)
{
	if (bpf_map__set_max_entries(map_named(p, name), entries) < 0)
		give_up(name);
}

static void set_sizes(struct path *p, const struct sizes *s)
{
	struct cv_geometry *g = &p->geo;

	*g = (struct cv_geometry){ .version = CV_LAYOUT_VERSION,
				   .max_services = s->max_services ? s->max_services : 32,
				   .max_dests = s->max_dests ? s->max_dests : 128,
				   .ncpus = (uint32_t)libbpf_num_possible_cpus(),
				   .hash_key = { 0x9d39247e33776d41ULL, 0x2af7398005aaa5c7ULL,
						 0x44db015024623547ULL, 0x9c15f73e62a76ae3ULL } };
	if (s->key[0])
		memcpy(g->hash_key, s->key, sizeof(s->key));
	g->sets4 = g->sets6 = s->sets ? s->sets : cv_sets_for(s->max_conns ? s->max_conns : 1024);
	size_map(p, "conn4_tags", g->sets4);
	size_map(p, "conn4_keys", g->sets4);
	size_map(p, "conn4", g->sets4 * CV_WAYS);
	size_map(p, "conn6_tags", g->sets6);
	size_map(p, "conn6_keys", g->sets6);
	size_map(p, "conn6", g->sets6 * CV_WAYS);
	size_map(p, "svcs", g->max_services);
	size_map(p, "svc_est", g->max_services);
	size_map(p, "services", 2 * g->max_services);
	size_map(p, "tables", g->max_services);
	size_map(p, "dests", g->max_dests);
	size_map(p, "dest_est", g->max_dests);
	size_map(p, "dest_slots", g->max_dests);
	size_map(p, "reals", g->max_dests);
	size_map(p, "counters", g->max_dests * g->ncpus);
	size_map(p, "causes", g->ncpus);
	size_map(p, "calls", g->sets4 * CV_WAYS);
	size_map(p, "wholes", g->ncpus);
}

static void set_geometry(struct path *p)
{
	size_t size;
	char *rodata = (char *)bpf_map__initial_value(map_named(p, "culvert.rodata"), &size);

	if (!rodata)
		give_up("no .rodata");
	memcpy(rodata + offset_of(p, ".rodata", "geo"), &p->geo, sizeof(p->geo));
}

static void *map_memory(const struct path *p, const char *name)
{
	struct bpf_map *map = map_named(p, name);
	size_t size = bpf_map__value_size(map) * (size_t)bpf_map__max_entries(map);
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (mem == MAP_FAILED)
		give_up(name);
	return mem;
}

static void *variable(const struct path *p, const char *section, const char *name)
{
	return (char *)map_memory(p, section) + offset_of(p, section, name);
}

static int program(const struct path *p, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(p->obj, name);

	if (!prog)
		give_up(name);
	return bpf_program__fd(prog);
}

static void map_all(struct path *p)
{
	p->settings = variable(p, ".data.settings", "settings");
	p->clock = variable(p, ".data.clock", "clock");
	p->uplinks = variable(p, ".data.uplinks", "uplinks");
	p->locks = variable(p, ".data.locks", "set_locks");
	p->tags[0] = map_memory(p, "conn4_tags");
	p->tags[1] = map_memory(p, "conn6_tags");
	p->keys[0] = map_memory(p, "conn4_keys");
	p->keys[1] = map_memory(p, "conn6_keys");
	p->conns[0] = map_memory(p, "conn4");
	p->conns[1] = map_memory(p, "conn6");
	p->svcs = map_memory(p, "svcs");
	p->dests = map_memory(p, "dests");
	p->counters = map_memory(p, "counters");
	p->dest_est = map_memory(p, "dest_est");
	p->svc_est = map_memory(p, "svc_est");
	p->causes = map_memory(p, "causes");
	p->services = bpf_map__fd(map_named(p, "services"));
	p->devices = bpf_map__fd(map_named(p, "devices"));
}

/* The verifier's log runs into megabytes; the reason is at its end. */
#define LOG_TAIL 1500

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	char *text;
	int n;

	if (level != LIBBPF_WARN)
		return 0;
	n = vasprintf(&text, format, ap);
	if (n < 0)
		return n;
	fputs(n > LOG_TAIL ? text + n - LOG_TAIL : text, stderr);
	free(text);
	return n;
}

struct path *path_load(const struct sizes *sizes)
{
	struct path *p = calloc(1, sizeof(*p));

	if (!p)
		give_up("calloc");
	world_make();
	libbpf_set_print(listen_to_libbpf);
	p->obj = open_object();
	set_sizes(p, sizes ? sizes : &(struct sizes){});
	set_geometry(p);
	if (bpf_object__load(p->obj))
		give_up("the kernel refuses the data path");
	map_all(p);
	p->xdp = program(p, "xdp_uplink");
	p->tc = program(p, "tc_uplink");
	p->culvert0 = program(p, "tc_culvert0");
	p->answers = program(p, "tc_answers");
	p->start = program(p, "ctl_start");
	p->sweep = program(p, "ctl_sweep");
	/* So that the device has a receive queue set up for XDP, which xdp_md names. */
	if (bpf_xdp_attach(world.up, p->xdp, 0, NULL) < 0)
		give_up("cannot attach XDP to up0");
	path_reset(p);
	return p;
}

/* Maps stay mapped until the process ends: they are few. */
void path_free(struct path *p)
{
	bpf_object__close(p->obj);
	free(p);
}

void path_stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		give_up("sched_setaffinity");
}

/* ---- as new ------------------------------------------------------------------ */

#define SECONDS(n) ((n)*CV_HZ)

/* As the kernel begins: ip_vs_ctl.c, ip_vs_proto_*.c. */
static void default_settings(struct cv_settings *s)
{
	uint32_t *tcp = &s->timeout[CV_TIMEOUT_TCP];

	memset(s, 0, sizeof(*s));
	s->conn_reuse_mode = 1;
	s->run_estimation = 1;
	s->pmtu_disc = 1;
	s->snat_reroute = 1;
	tcp[CV_TCP_NONE] = SECONDS(2);
	tcp[CV_TCP_ESTABLISHED] = SECONDS(900);
	tcp[CV_TCP_SYN_SENT] = SECONDS(120);
	tcp[CV_TCP_SYN_RECV] = SECONDS(60);
	tcp[CV_TCP_FIN_WAIT] = SECONDS(120);
	tcp[CV_TCP_TIME_WAIT] = SECONDS(120);
	tcp[CV_TCP_CLOSE] = SECONDS(10);
	tcp[CV_TCP_CLOSE_WAIT] = SECONDS(60);
	tcp[CV_TCP_LAST_ACK] = SECONDS(30);
	tcp[CV_TCP_LISTEN] = SECONDS(120);
	tcp[CV_TCP_SYNACK] = SECONDS(120);
	s->timeout[CV_TIMEOUT_UDP] = SECONDS(300);
	for (int state = 0; state < CV_SCTP_LAST; state++)
		s->timeout[CV_TIMEOUT_SCTP + state] = SECONDS(61);
	s->timeout[CV_TIMEOUT_SCTP + CV_SCTP_NONE] = SECONDS(2);
	s->timeout[CV_TIMEOUT_SCTP + CV_SCTP_INIT1] = SECONDS(4);
	s->timeout[CV_TIMEOUT_SCTP + CV_SCTP_ESTABLISHED] = SECONDS(900);
	s->timeout[CV_TIMEOUT_SCTP + CV_SCTP_REJECTED] = SECONDS(4);
}

static void clear_hash(int map)
{
	uint8_t key[64], next[64];
	void *from = NULL;

	while (bpf_map_get_next_key(map, from, next) == 0) {
		if (bpf_map_delete_elem(map, next) < 0)
			give_up("cannot empty a map");
		memcpy(key, next, sizeof(key));
		from = NULL;
	}
}

/* Small maps per CPU: credits of ICMP errors and the like. Caches go out of date by the clock. */
static void clear_percpu(const struct path *p)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, p->obj) {
		size_t size = ((size_t)bpf_map__value_size(map) + 7) / 8 * 8 * p->geo.ncpus;
		void *zero;

		if (bpf_map__type(map) != BPF_MAP_TYPE_PERCPU_ARRAY ||
		    bpf_map__max_entries(map) > 8)
			continue;
		zero = calloc(1, size);
		for (uint32_t i = 0; i < bpf_map__max_entries(map); i++)
			bpf_map_update_elem(bpf_map__fd(map), &i, zero, 0);
		free(zero);
	}
}

static void know_devices(struct path *p)
{
	struct cv_device dev = { .flags = CV_DEV_XDP_XMIT | CV_DEV_ATTACHED | CV_DEV_XDP };
	int ports[] = { world.up, world.real };

	for (int i = 0; i < 2; i++) {
		if (bpf_map_update_elem(p->devices, &ports[i], &dev, 0) < 0)
			give_up("devices");
	}
	p->uplinks[world.up % CV_UPLINKS].ifindex = (uint32_t)world.up;
	memcpy(p->uplinks[world.up % CV_UPLINKS].mac, UP_MAC, 6);
}

void path_reset(struct path *p)
{
	const struct cv_geometry *g = &p->geo;

	memset(p->tags[0], 0, g->sets4 * sizeof(struct cv_tags));
	memset(p->tags[1], 0, g->sets6 * sizeof(struct cv_tags));
	memset(p->conns[0], 0, (size_t)g->sets4 * CV_WAYS * sizeof(struct cv_conn4));
	memset(p->conns[1], 0, (size_t)g->sets6 * CV_WAYS * sizeof(struct cv_conn6));
	memset(p->svcs, 0, g->max_services * sizeof(*p->svcs));
	memset(p->svc_est, 0, g->max_services * sizeof(*p->svc_est));
	memset(p->dests, 0, g->max_dests * sizeof(*p->dests));
	memset(p->dest_est, 0, g->max_dests * sizeof(*p->dest_est));
	memset(p->counters, 0, (size_t)g->max_dests * g->ncpus * sizeof(*p->counters));
	memset(p->causes, 0, g->ncpus * sizeof(*p->causes));
	memset(p->locks, 0, CV_LOCKS * sizeof(*p->locks));
	memset(p->uplinks, 0, CV_UPLINKS * sizeof(*p->uplinks));
	clear_hash(p->services);
	clear_hash(p->devices);
	clear_hash(bpf_map__fd(map_named(p, "calls")));
	clear_percpu(p);
	default_settings(p->settings);
	p->clock->now += 1000000;
	p->num_services = p->num_dests = 0;
	know_devices(p);
}

/* ---- packets ------------------------------------------------------------------ */

static int run(int prog, struct bpf_test_run_opts *opts, struct frame *out)
{
	if (bpf_prog_test_run_opts(prog, opts) < 0)
		give_up("BPF_PROG_TEST_RUN");
	if (out)
		out->len = opts->data_size_out;
	return (int)opts->retval;
}

int path_run_xdp(struct path *p, const struct frame *in, struct frame *out, int repeat,
		 uint32_t *ns)
{
	struct xdp_md ctx = { .data_end = in->len, .ingress_ifindex = (uint32_t)world.up };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out ? out->data : NULL, .data_size_out = out ? FRAME_MAX : 0,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = repeat);
	int verdict = run(p->xdp, &opts, out);

	if (ns)
		*ns = opts.duration;
	return verdict;
}

static int run_tc(int prog, const struct frame *in, struct frame *out, struct __sk_buff *ctx,
		  int repeat, uint32_t *ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out ? out->data : NULL, .data_size_out = out ? FRAME_MAX : 0,
		    .ctx_in = ctx, .ctx_size_in = sizeof(*ctx), .repeat = repeat);
	int verdict;

	ctx->ifindex = (uint32_t)world.up;
	verdict = run(prog, &opts, out);
	if (ns)
		*ns = opts.duration;
	return verdict;
}

int path_run_tc(struct path *p, const struct frame *in, struct frame *out, uint32_t mark,
		int repeat, uint32_t *ns)
{
	return run_tc(p->tc, in, out, &(struct __sk_buff){ .mark = mark }, repeat, ns);
}

int path_run_skb(struct path *p, int prog, const struct frame *in, struct frame *out, uint32_t mark)
{
	return run_tc(prog, in, out, &(struct __sk_buff){ .mark = mark }, 1, NULL);
}

int path_run_tc_gso(struct path *p, const struct frame *in, struct frame *out, uint32_t segs,
		    uint32_t size)
{
	return run_tc(p->tc, in, out, &(struct __sk_buff){ .gso_segs = segs, .gso_size = size }, 1,
		      NULL);
}

static enum fate tc_fate(int verdict)
{
	switch (verdict) {
	case TC_ACT_UNSPEC:
	case TC_ACT_OK:
		return PASSED;
	case TC_ACT_REDIRECT:
		return SENT;
	case TC_ACT_SHOT:
		return DROPPED;
	}
	fprintf(stderr, "tc_uplink returned %d\n", verdict);
	abort();
}

void path_send(struct path *p, enum door door, const struct frame *in, uint32_t mark,
	       struct outcome *out)
{
	struct frame between;
	int verdict;

	out->handed_on = false;
	if (door == TC_DOOR) {
		out->fate = tc_fate(path_run_tc(p, in, &out->out, mark, 1, NULL));
		return;
	}
	verdict = path_run_xdp(p, in, &out->out, 1, NULL);
	if (verdict == XDP_PASS) {
		out->handed_on = true;
		between = out->out;
		out->fate = tc_fate(path_run_tc(p, &between, &out->out, mark, 1, NULL));
	} else if (verdict == XDP_REDIRECT) {
		out->fate = SENT;
	} else if (verdict == XDP_DROP) {
		out->fate = DROPPED;
	} else {
		fprintf(stderr, "xdp_uplink returned %d\n", verdict);
		abort();
	}
}

/* ---- time and figures ----------------------------------------------------------- */

void path_advance(struct path *p, uint32_t ticks)
{
	p->clock->now += ticks;
}

static void run_ctl(int prog, const char *name)
{
	uint8_t frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (run(prog, &opts, NULL))
		give_up(name);
}

void path_sweep(struct path *p)
{
	run_ctl(p->sweep, "ctl_sweep");
}

void path_pass_time(struct path *p, uint32_t ticks)
{
	uint32_t first = ticks < 4 * CV_HZ ? ticks : 4 * CV_HZ;

	path_advance(p, first);
	path_sweep(p);
	path_advance(p, ticks - first);
	path_sweep(p);
}

void path_start(struct path *p)
{
	run_ctl(p->start, "ctl_start");
}

uint64_t path_cause(const struct path *p, enum cv_cause cause)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < p->geo.ncpus; cpu++)
		sum += p->causes[cpu].n[cause];
	if (cause == CV_C_SENT) {
		for (uint32_t i = 0; i < p->geo.max_dests * p->geo.ncpus; i++)
			sum += p->counters[i].sent;
	}
	return sum;
}

struct cv_counters path_counters(const struct path *p, uint32_t dest)
{
	struct cv_counters sum = {};

	for (uint32_t cpu = 0; cpu < p->geo.ncpus; cpu++) {
		const struct cv_counters *n = &p->counters[cv_counters_at(&p->geo, dest, cpu)];

		sum.conns += n->conns;
		sum.inpkts += n->inpkts;
		sum.outpkts += n->outpkts;
		sum.inbytes += n->inbytes;
		sum.outbytes += n->outbytes;
	}
	return sum;
}

const char *const cause_names[CV_C_COUNT] = {
	[CV_C_PASS_OTHER] = "PASS_OTHER",
	[CV_C_PASS_NOSERVICE] = "PASS_NOSERVICE",
	[CV_C_PASS_MALFORMED] = "PASS_MALFORMED",
	[CV_C_PASS_LOCAL] = "PASS_LOCAL",
	[CV_C_PASS_NOTSYN] = "PASS_NOTSYN",
	[CV_C_PASS_TO_TC] = "PASS_TO_TC",
	[CV_C_SENT] = "SENT",
	[CV_C_RESOLVING] = "RESOLVING",
	[CV_C_ANSWERED] = "ANSWERED",
	[CV_C_DROP_NODEST] = "DROP_NODEST",
	[CV_C_DROP_NOROUTE] = "DROP_NOROUTE",
	[CV_C_DROP_LOCKED] = "DROP_LOCKED",
	[CV_C_DROP_FULL] = "DROP_FULL",
	[CV_C_DROP_OVERLOAD] = "DROP_OVERLOAD",
	[CV_C_DROP_TTL] = "DROP_TTL",
	[CV_C_DROP_TOOBIG] = "DROP_TOOBIG",
	[CV_C_DROP_ERROR] = "DROP_ERROR",
	[CV_C_FRAGMENT] = "FRAGMENT",
	[CV_C_CONN_NEW] = "CONN_NEW",
	[CV_C_CONN_EXPIRED] = "CONN_EXPIRED",
	[CV_C_CONN_EVICTED] = "CONN_EVICTED",
	[CV_C_DROP_NOCALL] = "DROP_NOCALL",
	[CV_C_PASS_NETFILTER] = "PASS_NETFILTER",
};
