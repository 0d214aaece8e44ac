// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Choice by choice: which server each of a list of clients gets, against what
 * the kernel's IPVS chose for the same list (ipvs_sched). Servers are r1 to r4,
 * added in that order; each list is played through both doors.
 */
#include <stdio.h>
#include <string.h>

#include "case.h"
#include "facts.h"

static const struct {
	const char *name;
	enum cv_sched sched;
} scheds[] = {
	{ "rr", CV_SCHED_RR },	 { "wrr", CV_SCHED_WRR },   { "lc", CV_SCHED_LC },
	{ "wlc", CV_SCHED_WLC }, { "lblc", CV_SCHED_LBLC }, { "lblcr", CV_SCHED_LBLCR },
	{ "dh", CV_SCHED_DH },	 { "sh", CV_SCHED_SH },	    { "mh", CV_SCHED_MH },
	{ "sed", CV_SCHED_SED }, { "nq", CV_SCHED_NQ },	    { "fo", CV_SCHED_FO },
	{ "ovf", CV_SCHED_OVF },
};

static enum cv_sched sched_of(const json_t *fact)
{
	for (unsigned int i = 0; i < sizeof(scheds) / sizeof(scheds[0]); i++) {
		if (strcmp(scheds[i].name, fact_text(fact, "sched")) == 0)
			return scheds[i].sched;
	}
	fail_msg("scheduler %s", fact_text(fact, "sched"));
	return CV_SCHED_COUNT;
}

/* "sh-port,sh-fallback" and the like; facts without flags have none, or null. */
static uint32_t flags_of(const json_t *fact)
{
	const char *flags = json_string_value(json_object_get(fact, "flags"));

	return flags ? (strstr(flags, "fallback") ? CV_SVC_SCHED1 : 0) |
			       (strstr(flags, "port") ? CV_SVC_SCHED2 : 0) :
		       0;
}

static struct service_spec service_of(const json_t *fact)
{
	return (struct service_spec){ .sched = sched_of(fact), .flags = flags_of(fact) };
}

/* ---- the lists of clients ---------------------------------------------------------- */

static json_t *facts, *clients[2]; /* [v6] */

static int load_facts(void **state)
{
	json_t *fact;
	size_t i;

	facts = facts_load("ipvs_sched");
	json_array_foreach(facts, i, fact) {
		if (fact_is(fact, "clients"))
			clients[fact_number(fact, "ip") == 6] = fact_get(fact, "clients");
	}
	return !clients[0] || !clients[1];
}

static struct packet from_client(const json_t *client, bool v6)
{
	return (struct packet){ .v6 = v6,
				.src = json_string_value(json_array_get(client, 0)),
				.sport = (uint16_t)json_integer_value(json_array_get(client, 1)) };
}

/* ---- playing ------------------------------------------------------------------------ */

struct game {
	const json_t *fact;
	enum door door;
	bool v6;
	uint8_t proto;
	uint16_t port;
	uint32_t service;
	uint32_t first; /* r1's slot; r2 to r4 follow */
};

static void add_server(struct game *g, unsigned int number, int weight, const char *option)
{
	struct dest_spec spec = { .number = number, .weight = weight ? weight : WEIGHT_ZERO };

	if (option)
		sscanf(option, "-x %u -y %u", &spec.u_threshold, &spec.l_threshold);
	dest_add(path, g->service, &spec);
}

static void game_begin(struct game *g, struct service_spec spec, const char *option)
{
	const json_t *weights = json_object_get(g->fact, "weights");
	size_t n = weights ? json_array_size(weights) : 3;

	path_reset(path);
	spec.v6 = g->v6;
	spec.proto = g->proto;
	/* As recorded: mh hashes the servers' port. */
	g->port = spec.sched == CV_SCHED_MH || spec.fwmark ? 80 : 1000;
	if (!spec.fwmark)
		spec.port = g->port;
	g->service = service_add(path, &spec);
	g->first = path->num_dests;
	for (unsigned int i = 0; i < n; i++)
		add_server(g, i + 1,
			   weights ? (int)json_integer_value(json_array_get(weights, i)) : 1,
			   option);
}

/* Sends the client's packet; the server that it must get is the i-th of `servers`. */
static void choose(struct game *g, const json_t *client, const json_t *servers, size_t i,
		   uint8_t flags)
{
	struct packet in = from_client(client, g->v6);
	const char *want = json_string_value(json_array_get(servers, i));

	in.proto = g->proto;
	in.dport = g->port;
	in.flags = flags;
	now_playing("%s %s, %s, choice %zu", fact_text(g->fact, "fact"),
		    fact_text(g->fact, "sched"), door_names[g->door], i + 1);
	expect_equal("server", server_of(path, g->door, &in), want ? want[1] - '0' : 0);
}

/* [[server, weight, active, inactive]...] */
static void check_listing(struct game *g, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *server = json_string_value(json_array_get(row, 0));

		expect_counts(path, g->first + (uint32_t)(server[1] - '1'),
			      (uint32_t)json_integer_value(json_array_get(row, 2)),
			      (uint32_t)json_integer_value(json_array_get(row, 3)));
	}
	expect_audit(path);
}

/* Plays every fact of a kind, as many as were recorded, through both doors. */
static void play_all(const char *kind, void (*play)(struct game *g), unsigned int expected)
{
	unsigned int played = 0;
	json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact) {
		if (!fact_is(fact, kind))
			continue;
		for (int door = 0; door < DOORS; door++) {
			struct game g = { .fact = fact, .door = (enum door)door };

			play(&g);
			played++;
		}
	}
	now_playing("%s", kind);
	expect_equal("facts played", played, expected * DOORS);
}

/* ---- SYNs alone --------------------------------------------------------------------- */

static void play_schedule(struct game *g)
{
	const json_t *servers = fact_get(g->fact, "servers");

	g->v6 = fact_number(g->fact, "ip") == 6;
	game_begin(g, service_of(g->fact), NULL);
	for (size_t i = 0; i < json_array_size(servers); i++)
		choose(g, json_array_get(clients[g->v6], i), servers, i, SYN);
	check_listing(g, fact_get(g->fact, "connections"));
}

static void plain(void **state)
{
	play_all("schedule", play_schedule, 114);
}

/* ---- connections that are established, then half of them finished ---------------------- */

static const json_t *after_fin(const json_t *fact)
{
	json_t *other;
	size_t i;

	json_array_foreach(facts, i, other) {
		if (fact_is(other, "schedule_after_fin") &&
		    strcmp(fact_text(other, "sched"), fact_text(fact, "sched")) == 0 &&
		    json_equal(fact_get(other, "weights"), fact_get(fact, "weights")))
			return other;
	}
	fail_msg("no fact about what came after the FINs");
	return NULL;
}

static void play_established(struct game *g)
{
	const json_t *servers = fact_get(g->fact, "servers"), *then;

	game_begin(g, service_of(g->fact), NULL);
	for (size_t i = 0; i < 12; i++) {
		choose(g, json_array_get(clients[0], i), servers, i, SYN);
		choose(g, json_array_get(clients[0], i), servers, i, ACK);
	}
	check_listing(g, fact_get(g->fact, "connections"));
	for (size_t i = 0; i < 12; i += 2)
		choose(g, json_array_get(clients[0], i), servers, i, FIN | ACK);
	then = after_fin(g->fact);
	for (size_t i = 0; i < 12; i++)
		choose(g, json_array_get(clients[0], 12 + i), fact_get(then, "servers"), i, SYN);
	check_listing(g, fact_get(then, "connections"));
}

static void established(void **state)
{
	play_all("schedule_established", play_established, 24);
}

/* ---- the order of the list, and its changes ---------------------------------------------- */

static void order_begin(struct game *g, const char *what)
{
	static const unsigned int up[] = { 1, 2, 3, 4 }, down[] = { 4, 3, 2, 1 };
	const unsigned int *numbers = strcmp(what, "added 4 3 2 1") == 0 ? down : up;

	path_reset(path);
	g->port = 1000;
	g->service = service_add(path, &(struct service_spec){ .port = g->port,
							       .sched = sched_of(g->fact) });
	g->first = path->num_dests;
	for (unsigned int i = 0; i < 4; i++)
		add_server(g, numbers[i], (int)numbers[i], NULL);
	if (strcmp(what, "re-added r1") == 0) {
		dest_remove(path, g->first);
		dest_readd(path, g->service, g->first);
	}
	if (strcmp(what, "weight of r1 changed") == 0)
		dest_weight(path, g->first, 2);
}

static void play_order(struct game *g)
{
	const json_t *servers = fact_get(g->fact, "servers");
	const char *what = fact_text(g->fact, "case");

	order_begin(g, what);
	for (size_t i = 0; i < json_array_size(servers); i++) {
		if (i == 7 && strcmp(what, "weight of r1 changed midway") == 0)
			dest_weight(path, g->first, 2);
		choose(g, json_array_get(clients[0], i), servers, i, SYN);
	}
}

static void order(void **state)
{
	play_all("order", play_order, 20);
}

/* ---- changes of the list before the first packet ------------------------------------------ */

static void change(struct game *g, const char *step)
{
	uint32_t r2 = g->first + 1;
	int32_t weight = path->dests[r2].weight;

	if (strcmp(step, "quiesced r2") == 0)
		dest_weight(path, r2, 0);
	if (strcmp(step, "r2 weight 3") == 0)
		dest_weight(path, r2, 3);
	if (strcmp(step, "removed r2") == 0 || strcmp(step, "added r2 last") == 0)
		dest_remove(path, r2);
	if (strcmp(step, "added r2 last") == 0) {
		dest_weight(path, g->first, path->dests[g->first].weight);
		path->dests[r2].weight = weight;
		dest_readd(path, g->service, r2);
	}
}

static void play_disruption(struct game *g)
{
	json_t *steps = fact_get(g->fact, "servers"), *servers;
	const char *step;

	g->v6 = fact_number(g->fact, "ip") == 6;
	json_object_foreach(steps, step, servers) {
		game_begin(g, service_of(g->fact), NULL);
		change(g, step);
		for (size_t i = 0; i < json_array_size(servers); i++)
			choose(g, json_array_get(clients[g->v6], i), servers, i, SYN);
	}
}

static void disruption(void **state)
{
	play_all("disruption", play_disruption, 32);
}

/* ---- thresholds ----------------------------------------------------------------------------- */

static void play_thresholds(struct game *g)
{
	const json_t *servers = fact_get(g->fact, "servers");

	game_begin(g, service_of(g->fact), fact_text(g->fact, "option"));
	for (size_t i = 0; i < json_array_size(servers); i++)
		choose(g, json_array_get(clients[0], i), servers, i, SYN);
	check_listing(g, fact_get(g->fact, "connections"));
}

static void thresholds(void **state)
{
	play_all("thresholds", play_thresholds, 22);
}

/* ---- many addresses behind one mark ---------------------------------------------------------- */

static const json_t *targets(void)
{
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact) {
		if (fact_is(fact, "targets"))
			return fact_get(fact, "targets");
	}
	fail_msg("no list of targets");
	return NULL;
}

static void play_round(struct game *g, size_t round, const json_t *servers)
{
	for (size_t i = 0; i < json_array_size(servers); i++) {
		const char *want = json_string_value(json_array_get(servers, i));
		struct packet in = { .dst = json_string_value(json_array_get(targets(), i)),
				     .sport = (uint16_t)(30001 + round),
				     .mark = 1 };

		now_playing("%s to many, round %zu, %s", fact_text(g->fact, "sched"), round,
			    in.dst);
		expect_equal("server", server_of(path, g->door, &in), want ? want[1] - '0' : 0);
	}
}

/*
 * One service after another for the same mark: the servers come back from the
 * trash with the connections that they have.
 */
static void succeed(struct game *g)
{
	const json_t *weights = fact_get(g->fact, "weights");

	if (path->num_services)
		service_remove(path, g->service);
	g->service = service_add(path,
				 &(struct service_spec){ .fwmark = 1, .sched = sched_of(g->fact) });
	for (uint32_t i = 0; i < json_array_size(weights); i++) {
		int weight = (int)json_integer_value(json_array_get(weights, i));

		if (i >= path->num_dests) {
			add_server(g, i + 1, weight, NULL);
			continue;
		}
		path->dests[i].weight = weight;
		dest_readd(path, g->service, i);
	}
}

/* XDP knows no marks. */
static void by_destination(void **state)
{
	struct game g = { .door = TC_DOOR };
	unsigned int played = 0;
	json_t *fact, *servers;
	size_t i, round;

	path_reset(path);
	json_array_foreach(facts, i, fact) {
		if (!fact_is(fact, "schedule_by_destination"))
			continue;
		g.fact = fact;
		succeed(&g);
		json_array_foreach(fact_get(fact, "rounds"), round, servers)
			play_round(&g, played * 3 + round, servers);
		played++;
	}
	expect_equal("facts played", played, 12);
}

/* ---- UDP and one-packet scheduling ------------------------------------------------------------ */

static void play_udp(struct game *g)
{
	const json_t *servers = fact_get(g->fact, "servers");
	bool once = json_is_string(fact_get(g->fact, "option"));
	json_t *client;

	g->proto = IPPROTO_UDP;
	game_begin(g,
		   (struct service_spec){ .sched = sched_of(g->fact),
					  .flags = once ? CV_SVC_ONEPACKET : 0 },
		   NULL);
	for (size_t i = 0; i < json_array_size(servers); i++) {
		client = json_pack("[s, i]", "10.0.0.2", 40000 + (int)i);
		choose(g, client, servers, i, 0);
		json_decref(client);
	}
	check_listing(g, fact_get(g->fact, "connections"));
}

static void udp_and_one_packet(void **state)
{
	play_all("schedule_udp", play_udp, 12);
}

/*
 * wrr's rounds go down by the gcd of the weights: of 4, 2 and 2 (r1 to r3), one round
 * is for those of 1 and more (where the first added left the mark), the next of 3.
 */
static void rounds_by_gcd(void **state)
{
	static const unsigned int expected[] = { 3, 2, 1, 1, 3, 2, 1, 1, 3, 2, 1, 1 };

	for (int door = 0; door < DOORS; door++) {
		uint32_t service;

		path_reset(path);
		now_playing("%s", door_names[door]);
		service = service_add(path, &(struct service_spec){ .sched = CV_SCHED_WRR });
		for (unsigned int n = 1; n <= 3; n++)
			dest_add(path, service,
				 &(struct dest_spec){ .number = n, .weight = n == 1 ? 4 : 2 });
		for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
			struct packet in = { .sport = (uint16_t)(2000 + i) };

			expect_equal("server", server_of(path, door, &in), expected[i]);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plain),
	cmocka_unit_test(established),
	cmocka_unit_test(order),
	cmocka_unit_test(disruption),
	cmocka_unit_test(thresholds),
	cmocka_unit_test(by_destination),
	cmocka_unit_test(udp_and_one_packet),
	cmocka_unit_test(rounds_by_gcd),
};

int main(int argc, char **argv)
{
	/* Room enough that no connection gives way to another: they count. */
	const struct sizes sizes = { .max_conns = 32768 };

	load_facts(NULL);
	return packet_main(argc, argv, &sizes, "sched", tests, sizeof(tests) / sizeof(tests[0]));
}
