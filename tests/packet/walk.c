// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A walk through a service's servers, when a slot on its way has left for
 * another service: its `next` now leads into that one's list, and whatever is
 * found there is not for this service's clients.
 *
 * Service A has r3, r2, r1 (in the list's order), B has r6, r5, r4. A walk of A
 * that stood at r2 when that became B's sees r3's `next` still lead there.
 */
#include "case.h"

static const enum cv_sched walkers[] = { CV_SCHED_RR,	CV_SCHED_WRR,  CV_SCHED_LC, CV_SCHED_WLC,
					 CV_SCHED_SED,	CV_SCHED_NQ,   CV_SCHED_FO, CV_SCHED_OVF,
					 CV_SCHED_LBLC, CV_SCHED_LBLCR };
#define WALKERS (sizeof(walkers) / sizeof(walkers[0]))

#define B_PORT 443
#define WEIGHT 20 /* ovf gives a server no more than a connection more than that */

static uint32_t a, b, r[7]; /* slots; r[N] is rN's */

static void begin(enum cv_sched sched)
{
	path_reset(path);
	a = service_add(path, &(struct service_spec){ .sched = sched });
	b = service_add(path, &(struct service_spec){ .sched = CV_SCHED_RR, .port = B_PORT });
	for (unsigned int n = 1; n <= 6; n++)
		r[n] = dest_add(path, n <= 3 ? a : b,
				&(struct dest_spec){ .number = n, .weight = WEIGHT });
	now_playing("scheduler %u", sched);
}

/* As the slot of r2 stands in B's list, first; A's list is what a walk may still see of it. */
static void lead_astray(void)
{
	struct cv_dest *d = &path->dests[r[2]];

	d->service = b;
	d->next = path->svcs[b].head;
	path->svcs[b].head = r[2];
}

/* Sends new connections to A; which servers they went to, a bit each (bit 0: none). */
static unsigned int servers_of_a(enum door door, uint16_t port, unsigned int n)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct packet in = { .sport = (uint16_t)(port + i) };

		seen |= 1U << server_of(path, door, &in);
	}
	return seen;
}

/* What is A's still gets connections; what is B's does not. */
static void stays_at_home(void **state)
{
	for (size_t i = 0; i < WALKERS * DOORS; i++) {
		begin(walkers[i / DOORS]);
		lead_astray();
		expect_equal("servers", servers_of_a(i % DOORS, 1000, 12), 1 << 3);
		expect_audit(path);
	}
}

/* Not even when A has no server to give: then it gives none. */
static void gives_none(void **state)
{
	for (size_t i = 0; i < WALKERS * DOORS; i++) {
		begin(walkers[i / DOORS]);
		dest_weight(path, r[3], 0);
		lead_astray();
		expect_equal("servers", servers_of_a(i % DOORS, 1000, 6), 1 << 0);
	}
}

/* The cursor stands where A's walk ended last, and that slot is B's by now. */
static void cursor_led_astray(void **state)
{
	static const enum cv_sched with_cursor[] = { CV_SCHED_RR, CV_SCHED_WRR };

	for (size_t i = 0; i < 2 * DOORS; i++) {
		begin(with_cursor[i / DOORS]);
		path->svcs[a].cursor = r[2];
		lead_astray();
		expect_equal("servers", servers_of_a(i % DOORS, 1000, 6), 1 << 3);
	}
}

/* What lblc and lblcr remember of an address may be a slot that is another's. */
static void memory_led_astray(void **state)
{
	static const enum cv_sched with_memory[] = { CV_SCHED_LBLC, CV_SCHED_LBLCR };

	for (size_t i = 0; i < 2 * DOORS; i++) {
		begin(with_memory[i / DOORS]);
		dest_weight(path, r[3], 0); /* so that r2 is the choice */
		expect_equal("before", servers_of_a(i % DOORS, 1000, 2), 1 << 2);
		dest_weight(path, r[3], WEIGHT);
		lead_astray();
		expect_equal("after", servers_of_a(i % DOORS, 1100, 4), 1 << 3);
	}
}

/*
 * "Is another idle?", which lblc and lblcr ask when the address's server has
 * more than its share, is asked of A's alone: one that is B's by now is no reason.
 */
static void idle_elsewhere(void **state)
{
	for (size_t i = 0; i < DOORS; i++) {
		begin(CV_SCHED_LBLC);
		expect_equal("before", servers_of_a(i, 1000, 1), 1 << 3);
		path->dests[r[3]].activeconns += WEIGHT + 5;
		path->dests[r[2]].activeconns += WEIGHT; /* less loaded, but not idle */
		path->dests[r[1]].service = b;
		path->dests[r[1]].next = path->svcs[b].head;
		expect_equal("after", servers_of_a(i, 1100, 1), 1 << 3);
	}
}

/* One that left its service and is in none still leads on through the list that it was in. */
static void trash_leads_on(void **state)
{
	for (size_t i = 0; i < WALKERS * DOORS; i++) {
		begin(walkers[i / DOORS]);
		dest_weight(path, r[3], 0);
		path->dests[r[2]].flags &= ~CV_DEST_AVAILABLE;
		path->dests[r[2]].service = CV_NONE;
		expect_equal("servers", servers_of_a(i % DOORS, 1000, 6), 1 << 1);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(stays_at_home),     cmocka_unit_test(gives_none),
	cmocka_unit_test(cursor_led_astray), cmocka_unit_test(memory_led_astray),
	cmocka_unit_test(idle_elsewhere),    cmocka_unit_test(trash_leads_on),
};

PACKET_MAIN("walk", NULL, tests)
