// SPDX-License-Identifier: GPL-2.0-or-later
/* What is counted, and the moving averages over it (ip_vs_est.c): one round of 2 s each time ctl_sweep runs. */
#include "case.h"

static uint32_t service, r1;

static void begin(void)
{
	path_reset(path);
	service = service_add(path, &(struct service_spec){ .sched = CV_SCHED_RR });
	r1 = dests_add(path, service, 2);
}

/* `conns` connections of three packets each, 40 bytes a packet, to r2 and r1 in turn. */
static void traffic(enum door door, unsigned int conns)
{
	static uint16_t port;

	for (unsigned int i = 0; i < conns; i++) {
		struct packet p = { .sport = (uint16_t)(1000 + port++ % 60000) };

		expect_fate(path, door, &p, SENT);
		p.flags = ACK;
		expect_fate(path, door, &p, SENT);
		p.flags = FIN | ACK;
		expect_fate(path, door, &p, SENT);
	}
}

static void counted(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		begin();
		traffic((enum door)door, 5);
		for (uint32_t i = 0; i < 2; i++) {
			struct cv_counters n = path_counters(path, r1 + i);
			long conns = i ? 3 : 2; /* r2, added last, is first */

			expect_equal("conns", (long)n.conns, conns);
			expect_equal("packets", (long)n.inpkts, 3 * conns);
			expect_equal("bytes", (long)n.inbytes, 120 * conns);
			expect_equal("packets out", (long)n.outpkts, 0);
		}
	}
}

/* A packet that is dropped on the way is counted at its destination; one that is refused is not. */
static void not_counted(void **state)
{
	begin();
	expect_fate(path, TC_DOOR, &(struct packet){ .flags = ACK }, PASSED);
	dest_weight(path, r1, 0);
	dest_weight(path, r1 + 1, 0);
	expect_fate(path, TC_DOOR, &(struct packet){}, SENT); /* port unreachable */
	expect_equal("r1", (long)path_counters(path, r1).inpkts, 0);
	expect_equal("r2", (long)path_counters(path, r1 + 1).inpkts, 0);
}

/* rate += (gained in 2 s, per second and scaled, - rate) / 4: by 2^10, bytes by 2^5. */
static uint64_t averaged(uint64_t rate, uint64_t gained, enum cv_rate what)
{
	int64_t now = (int64_t)(gained << (what < CV_INBYTES ? 9 : 4));

	return rate + (uint64_t)((now - (int64_t)rate) >> 2);
}

static void averages(void **state)
{
	static const unsigned int rounds[] = { 8, 20, 0, 0, 2, 0, 0, 0, 0, 0 };
	uint64_t one[CV_RATES] = {}, all[CV_RATES] = {};

	begin();
	for (unsigned int i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		const uint64_t gained[CV_RATES] = { rounds[i], 3 * rounds[i], 0, 120 * rounds[i],
						    0 };

		traffic(i % 2 ? TC_DOOR : XDP_DOOR, rounds[i]);
		path_sweep(path);
		for (enum cv_rate k = 0; k < CV_RATES; k++) {
			now_playing("round %u, rate %d", i, k);
			all[k] = averaged(all[k], gained[k], k);
			one[k] = averaged(one[k], gained[k] / 2, k);
			expect_equal("service", (long)path->svc_est[service].rate[k], (long)all[k]);
			expect_equal("r1", (long)path->dest_est[r1].rate[k], (long)one[k]);
			expect_equal("r2", (long)path->dest_est[r1 + 1].rate[k], (long)one[k]);
		}
	}
}

/* run_estimation = 0: they stand still. */
static void switched_off(void **state)
{
	begin();
	path->settings->run_estimation = 0;
	traffic(XDP_DOOR, 4);
	path_sweep(path);
	expect_equal("rate", (long)path->svc_est[service].rate[CV_INPKTS], 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(counted),
	cmocka_unit_test(not_counted),
	cmocka_unit_test(averages),
	cmocka_unit_test(switched_off),
};

PACKET_MAIN("rates", NULL, tests)
