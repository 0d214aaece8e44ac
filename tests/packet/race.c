// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets of the same connections on all CPUs at once, in a table of a few sets,
 * while the sweeper sweeps and the clock runs: afterwards every invariant of the
 * table holds, and it empties without a remainder.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"

#define CLIENTS 40
#define WORKERS 4
#define ROUNDS 6000
#define LONG 25 /* times as many with CULVERT_LONG */

/* One kind of service in the storm: how its packets are built. */
struct storm {
	const char *what;
	struct service_spec service;
	bool masq;
	bool answers; /* masq: the real servers talk too */
	bool dests_come_and_go;
};

static struct {
	const struct storm *storm;
	uint32_t service, first_dest;
	struct frame frames[CLIENTS][4]; /* per client: SYN, ACK, FIN, RST */
	struct frame replies[CLIENTS];
	unsigned int rounds; /* of each worker */
	atomic_bool over;
} shared;

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void build_frames(const struct storm *s)
{
	static const uint8_t flags[] = { SYN, ACK, FIN | ACK, RST };
	char src[32];

	for (unsigned int i = 0; i < CLIENTS; i++) {
		snprintf(src, sizeof(src), s->service.v6 ? "fd00::2:%x" : "10.0.1.%u", 1 + i / 4);
		for (unsigned int k = 0; k < 4; k++)
			frame_build(&shared.frames[i][k],
				    &(struct packet){ .v6 = s->service.v6,
						      .proto = s->service.proto,
						      .src = src,
						      .sport = (uint16_t)(40000 + i % 4),
						      .flags = flags[k],
						      .ttl = 255 });
		frame_build(&shared.replies[i],
			    &(struct packet){ .v6 = s->service.v6,
					      .proto = s->service.proto,
					      .src = server_addr(1 + i % 3, s->service.v6),
					      .dst = src,
					      .sport = 80,
					      .dport = (uint16_t)(40000 + i % 4),
					      .flags = ACK,
					      .ttl = 255 });
	}
}

static void pin(unsigned int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* The program runs a packet several times in a row, so that the CPUs meet more often. */
static void *worker(void *arg)
{
	unsigned int number = (unsigned int)(uintptr_t)arg;
	uint32_t seed = 0x9e3779b9U * (number + 1);

	pin(number);
	for (unsigned int i = 0; i < shared.rounds; i++) {
		uint32_t r = next_random(&seed), client = r % CLIENTS;
		int repeat = 1 + (int)(r >> 8) % 6;
		const struct frame *f = &shared.frames[client][(r >> 16) % 5 % 4];

		if (shared.storm->answers && r >> 30 == 3)
			f = &shared.replies[client];
		if (r >> 29 & 1)
			path_run_xdp(path, f, NULL, repeat, NULL);
		else
			path_run_tc(path, f, NULL, 0, repeat, NULL);
	}
	return NULL;
}

static void disturb(uint32_t r)
{
	struct cv_dest *d = &path->dests[shared.first_dest + r % 3];

	if (!shared.storm->dests_come_and_go)
		return;
	if (r & 0x100)
		__atomic_fetch_xor(&d->flags, CV_DEST_AVAILABLE, __ATOMIC_SEQ_CST);
	if (r & 0x200)
		__atomic_store_n(&d->weight, (int32_t)(r >> 12) % 3, __ATOMIC_SEQ_CST);
}

static void *sweeper(void *arg)
{
	uint32_t seed = 12345;

	pin(1);
	while (!shared.over) {
		uint32_t r = next_random(&seed);

		__atomic_fetch_add(&path->clock->now, r % (20 * CV_HZ), __ATOMIC_SEQ_CST);
		path_sweep(path);
		disturb(r >> 8);
		usleep(50);
	}
	return NULL;
}

static void storm_begin(const struct storm *s)
{
	path_reset(path);
	shared.storm = s;
	shared.over = false;
	shared.rounds = getenv("CULVERT_LONG") ? LONG * ROUNDS : ROUNDS;
	shared.service = service_add(path, &s->service);
	shared.first_dest = path->num_dests;
	for (unsigned int n = 1; n <= 3; n++)
		dest_add(path, shared.service,
			 &(struct dest_spec){ .number = n, .masq = s->masq, .weight = (int32_t)n });
	build_frames(s);
}

static void play(const struct storm *s)
{
	pthread_t threads[WORKERS + 1];

	now_playing("%s", s->what);
	storm_begin(s);
	for (uintptr_t i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	pthread_create(&threads[WORKERS], NULL, sweeper, NULL);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	shared.over = true;
	pthread_join(threads[WORKERS], NULL);
	expect_audit(path);
	/* And all of it ends, to the last count. */
	/* A sweep may wind a timer up first, and a template outlives its connections. */
	for (int i = 0; i < 4; i++) {
		path_advance(path, 3600 * CV_HZ);
		path_sweep(path);
	}
	expect_equal("connections left", table_count(path, s->service.v6), 0);
	expect_audit(path);
}

static void direct(void **state)
{
	play(&(struct storm){ .what = "rr, direct" });
}

static void direct6(void **state)
{
	play(&(struct storm){ .what = "lc, direct, IPv6",
			      .service = { .v6 = true, .sched = CV_SCHED_LC } });
}

static void weighted(void **state)
{
	play(&(struct storm){ .what = "wrr, servers come and go",
			      .service = { .sched = CV_SCHED_WRR },
			      .dests_come_and_go = true });
}

static void masq(void **state)
{
	play(&(struct storm){ .what = "wlc, masq",
			      .service = { .sched = CV_SCHED_WLC },
			      .masq = true,
			      .answers = true });
}

static void persistent(void **state)
{
	play(&(struct storm){ .what = "persistent",
			      .service = { .flags = CV_SVC_PERSISTENT, .timeout = 1 },
			      .dests_come_and_go = true });
}

static void persistent6(void **state)
{
	play(&(struct storm){
		.what = "persistent, IPv6",
		.service = { .v6 = true, .flags = CV_SVC_PERSISTENT, .timeout = 5 } });
}

static void one_packet(void **state)
{
	play(&(struct storm){ .what = "UDP, one packet",
			      .service = { .proto = IPPROTO_UDP, .flags = CV_SVC_ONEPACKET } });
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(direct),     cmocka_unit_test(direct6),    cmocka_unit_test(weighted),
	cmocka_unit_test(masq),	      cmocka_unit_test(persistent), cmocka_unit_test(persistent6),
	cmocka_unit_test(one_packet),
};

PACKET_MAIN("race", (&(struct sizes){ .sets = 2 }), tests)
