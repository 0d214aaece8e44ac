// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the library makes for the schedulers to look up in: the tables against
 * the kernel's recorded choices, the pointers against a walk from one to the
 * next. No instance is needed: a handle with destinations in plain memory does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <culvert/sched.h>

#include "instance.h"
#include "journal.h"
#include "scheduler.h"

#define MOST 5000

static struct cv_dest dests[MOST];
static struct cv_service service;
static struct journal journal;
static struct cv cv = {
	.journal = &journal,
	.tables = {
		[MAP_SVCS] = TABLE_IN_MEMORY(&service, sizeof(service)),
		[MAP_DESTS] = TABLE_IN_MEMORY(dests, sizeof(dests)),
	},
};
static uint32_t list[MOST];
static uint32_t table[CV_TABLE_PIECES * CV_TABLE_PIECE];

/* n destinations, the last one added first. */
static void serve(uint32_t n, uint8_t family)
{
	memset(dests, 0, n * sizeof(dests[0]));
	for (uint32_t i = 0; i < n; i++) {
		list[i] = n - 1 - i;
		dests[i].owner.family = family;
	}
}

static void weigh(uint32_t dest, int32_t weight)
{
	dests[dest].weight = weight;
	if (weight)
		dests[dest].last_weight = weight;
}

/* ---- tables, as recorded -------------------------------------------------------- */

static json_t *facts, *clients[2]; /* [v6] */

static int load_facts(void **state)
{
	json_t *one;
	json_error_t e;
	FILE *f = fopen(FACTS "/ipvs_sched.jsonl", "r");

	if (!f)
		return -1;
	facts = json_array();
	while ((one = json_loadf(f, JSON_DISABLE_EOF_CHECK, &e))) {
		json_array_append_new(facts, one);
		if (strcmp(json_string_value(json_object_get(one, "fact")), "clients") == 0)
			clients[json_integer_value(json_object_get(one, "ip")) == 6] =
				json_object_get(one, "clients");
	}
	fclose(f);
	return clients[0] && clients[1] ? 0 : -1;
}

static int free_facts(void **state)
{
	json_decref(facts);
	return 0;
}

static const char *text(const json_t *fact, const char *member)
{
	const char *s = json_string_value(json_object_get(fact, member));

	return s ? s : "";
}

static uint32_t folded(const char *addr)
{
	bool v6 = strchr(addr, ':');
	union cv_addr a = {};

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, addr, &a), 1);
	return cv_fold(&a, v6);
}

/* r1 to r4, in that order, at the service's port: 80 with mh. */
static uint32_t serve_as_recorded(const json_t *weights, bool v6)
{
	uint32_t n = (uint32_t)json_array_size(weights);
	char addr[32];

	serve(n, v6 ? AF_INET6 : AF_INET);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(addr, sizeof(addr), "%s1%u", v6 ? "fd07::" : "192.168.7.", i + 1);
		assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, addr, &dests[i].addr), 1);
		dests[i].port = htons(80);
		weigh(i, (int32_t)json_integer_value(json_array_get(weights, i)));
	}
	return n;
}

static uint32_t slot_of(enum cv_sched sched, const char *addr, uint32_t port)
{
	switch (sched) {
	case CV_SCHED_DH:
		/* All of them called this one. */
		return cv_sh_hash(folded(strchr(addr, ':') ? "fd00::100" : "10.0.0.100"));
	case CV_SCHED_SH:
		return cv_sh_hash(folded(addr) + port);
	default:
		return cv_mh_hash(folded(addr) + port, CV_MH_KEY) % CV_MH_SLOTS;
	}
}

/* With a fallback, what the data path makes of the table is not the table's doing alone. */
static bool check_fact(const json_t *fact)
{
	int sched = cv_sched_by_name(text(fact, "sched"));
	bool v6 = json_integer_value(json_object_get(fact, "ip")) == 6;
	const json_t *servers = json_object_get(fact, "servers"), *client;
	uint32_t n;
	size_t i;

	if (strcmp(text(fact, "fact"), "schedule") != 0 || !sched_ops((uint32_t)sched)->fill ||
	    strstr(text(fact, "flags"), "fallback"))
		return false;
	n = serve_as_recorded(json_object_get(fact, "weights"), v6);
	assert_int_equal(sched_ops((uint32_t)sched)->fill(&cv, list, n, table), 0);
	json_array_foreach(clients[v6], i, client) {
		uint32_t port = strstr(text(fact, "flags"), "port") ?
					(uint32_t)json_integer_value(json_array_get(client, 1)) :
					0;
		uint32_t slot = slot_of((enum cv_sched)sched,
					json_string_value(json_array_get(client, 0)), port);
		const char *want = json_string_value(json_array_get(servers, i));
		uint32_t got = table[slot];

		if (got != CV_NONE && !dests[got].weight)
			got = CV_NONE;
		if (got != (want ? (uint32_t)(want[1] - '1') : CV_NONE))
			fail_msg("%s %s, client %zu gets %d, the kernel's %s", text(fact, "sched"),
				 text(fact, "flags"), i, (int)got + 1, want ? want : "nobody");
	}
	return true;
}

static void tables_are_the_kernels(void **state)
{
	unsigned int checked = 0;
	json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
		checked += check_fact(fact);
	assert_int_equal(checked, 30);
}

/* ---- tables, as designed ---------------------------------------------------------- */

static uint32_t slots_with(uint32_t dest)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < CV_MH_SLOTS; slot++)
		n += table[slot] == dest;
	return n;
}

static void serve_unlike(uint32_t n)
{
	serve(n, AF_INET);
	for (uint32_t i = 0; i < n; i++) {
		dests[i].addr.v4 = htonl(0x0a010000 + i);
		dests[i].port = htons((uint16_t)(80 + i % 5));
	}
}

/* 4093 slots are 511 turns of 1, 2 and 5, and five for whose turn is next. */
static void mh_shares_by_weight(void **state)
{
	serve_unlike(3);
	weigh(0, 100);
	weigh(1, 200);
	weigh(2, 500);
	assert_int_equal(sched_mh.fill(&cv, list, 3, table), 0);
	assert_int_equal(slots_with(0), 511);
	assert_int_equal(slots_with(1), 511 * 2);
	assert_int_equal(slots_with(2), 512 * 5);
}

/* Weights far apart are halved until the largest has six bits; nobody is left with nothing. */
static void mh_bounds_weights(void **state)
{
	serve_unlike(2);
	weigh(0, 1);
	weigh(1, 65535);
	assert_int_equal(sched_mh.fill(&cv, list, 2, table), 0);
	assert_in_range(slots_with(0), CV_MH_SLOTS / 64, CV_MH_SLOTS / 64 + 1);
}

static void mh_keeps_a_quiesced_servers_slots(void **state)
{
	uint32_t before;

	serve_unlike(4);
	for (uint32_t i = 0; i < 4; i++)
		weigh(i, 3);
	assert_int_equal(sched_mh.fill(&cv, list, 4, table), 0);
	before = slots_with(2);
	weigh(2, 0);
	assert_int_equal(sched_mh.fill(&cv, list, 4, table), 0);
	assert_int_equal(slots_with(2), before);
	/* One that never had a weight gets none; nor is there a table of such alone. */
	dests[2].last_weight = 0;
	assert_int_equal(sched_mh.fill(&cv, list, 4, table), 0);
	assert_int_equal(slots_with(2), 0);
	for (uint32_t i = 0; i < 4; i++)
		dests[i].last_weight = 0;
	assert_int_equal(sched_mh.fill(&cv, list, 4, table), 0);
	assert_int_equal(slots_with(CV_NONE), CV_MH_SLOTS);
}

/* What Maglev is for: who loses a server goes elsewhere, most others stay. */
static void mh_moves_few(void **state)
{
	static uint32_t before[CV_MH_SLOTS];
	uint32_t moved = 0;

	serve_unlike(50);
	for (uint32_t i = 0; i < 50; i++)
		weigh(i, 1);
	assert_int_equal(sched_mh.fill(&cv, list, 50, table), 0);
	memcpy(before, table, sizeof(before));
	assert_int_equal(sched_mh.fill(&cv, list + 1, 49, table), 0); /* without 49 */
	for (uint32_t slot = 0; slot < CV_MH_SLOTS; slot++)
		moved += before[slot] != 49 && before[slot] != table[slot];
	assert_in_range(moved, 1, CV_MH_SLOTS / 20);
}

static void mh_holds_as_many_as_it_has_slots(void **state)
{
	const struct sched_change c = { .dest = CV_NONE };
	struct txn t = { .cv = &cv };

	serve_unlike(CV_MH_SLOTS);
	for (uint32_t i = 0; i < CV_MH_SLOTS; i++)
		weigh(i, 7);
	assert_int_equal(sched_mh.fill(&cv, list, CV_MH_SLOTS, table), 0);
	for (uint32_t i = 0; i < CV_MH_SLOTS; i += 100)
		assert_int_equal(slots_with(i), 1);
	service.num_dests = CV_MH_SLOTS + 1;
	sched_init(&t, CV_SCHED_MH, &c);
	assert_int_equal(t.err, -EINVAL);
}

static void sh_begins_again_at_the_end(void **state)
{
	serve(3, AF_INET);
	weigh(2, 100);
	weigh(1, 0); /* gets a slot all the same */
	weigh(0, 50);
	assert_int_equal(sched_sh.fill(&cv, list, 3, table), 0);
	assert_int_equal(table[0], 2);
	assert_int_equal(table[99], 2);
	assert_int_equal(table[100], 1);
	assert_int_equal(table[101], 0);
	assert_int_equal(table[150], 0);
	assert_int_equal(table[151], 2);
	assert_int_equal(table[255], 0);
}

/* ---- pointers ----------------------------------------------------------------------- */

/* As dest_skip() in bpf/lb/sched.h goes, from a destination that has less than `mark`. */
static uint32_t step_on(uint32_t at, int32_t mark)
{
	uint32_t jump = dests[at].jump - 1;

	if (dests[at].jump && dests[at].jump != CV_NONE && dests[jump].weight < mark)
		return jump;
	return dests[at].up == CV_NONE ? CV_NONE : dests[at].up - 1;
}

/* From every place, to every weight: to the first that has it, in few steps. */
static void check_skips(uint32_t n, int32_t most, uint32_t few)
{
	assert_int_equal(sched_skip(&cv, list, n), 0);
	for (uint32_t i = 0; i < n; i++) {
		for (int32_t mark = 1; mark <= most + 1; mark += 1 + most / 50) {
			uint32_t want = i, got = list[i], steps = 0;

			while (want < n && dests[list[want]].weight < mark)
				want++;
			while (got != CV_NONE && dests[got].weight < mark) {
				got = step_on(got, mark);
				steps++;
			}
			assert_int_equal(got, want == n ? CV_NONE : list[want]);
			if (steps > few)
				fail_msg("%u steps from %u to weight %d", steps, i, mark);
		}
	}
}

static void skips_find_every_weight(void **state)
{
	unsigned int seed = 7;

	for (int round = 0; round < 20; round++) {
		uint32_t n = 1 + (uint32_t)rand_r(&seed) % 300;
		int32_t most = 1 + rand_r(&seed) % 40;

		serve(n, AF_INET);
		for (uint32_t i = 0; i < n; i++)
			dests[i].weight = rand_r(&seed) % (most + 1);
		check_skips(n, most, 24);
	}
}

/* Where every next one is heavier, the ups alone would take as long as the list. */
static void skips_are_short_in_long_chains(void **state)
{
	serve(4096, AF_INET);
	for (uint32_t i = 0; i < 4096; i++)
		dests[list[i]].weight = (int32_t)i;
	check_skips(4096, 4095, 3 * 12);
}

static void no_list_no_pointers(void **state)
{
	assert_int_equal(sched_skip(&cv, list, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_the_kernels),
		cmocka_unit_test(mh_shares_by_weight),
		cmocka_unit_test(mh_bounds_weights),
		cmocka_unit_test(mh_keeps_a_quiesced_servers_slots),
		cmocka_unit_test(mh_moves_few),
		cmocka_unit_test(mh_holds_as_many_as_it_has_slots),
		cmocka_unit_test(sh_begins_again_at_the_end),
		cmocka_unit_test(skips_find_every_weight),
		cmocka_unit_test(skips_are_short_in_long_chains),
		cmocka_unit_test(no_list_no_pointers),
	};

	return cmocka_run_group_tests(tests, load_facts, free_facts);
}
