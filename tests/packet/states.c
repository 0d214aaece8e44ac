// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole conversations, packet by packet: state, timer and counts as the kernel's
 * IPVS had them (ipvs_states), through both doors.
 */
#include <stdio.h>
#include <string.h>

#include "case.h"
#include "facts.h"
#include "talk.h"

/* "r2", "client", or NULL for nobody. */
static const char *arrival(const json_t *step)
{
	return json_string_value(json_array_get(fact_get(step, "arrives_at"), 0));
}

static void check_connection(const struct talk *t, const json_t *step)
{
	const json_t *conn = fact_get(step, "connection");
	uint32_t active = 0, inactive = 0;
	const json_t *counts = fact_get(step, "active_inactive");

	if (json_is_object(conn))
		expect_conn(path, &t->client, fact_text(conn, "state"),
			    (uint32_t)fact_number(conn, "expire"));
	else
		expect_equal("is there a connection", !!table_find(path, &t->client), 0);
	for (unsigned int i = 0; i < t->servers; i++) {
		active += path->dests[t->first_dest + i].activeconns;
		inactive += path->dests[t->first_dest + i].inactconns;
	}
	expect_equal("active", active, json_integer_value(json_array_get(counts, 0)));
	expect_equal("inactive", inactive, json_integer_value(json_array_get(counts, 1)));
}

static void talk_step(struct talk *t, const json_t *step)
{
	const char *to = arrival(step);

	path_advance(path, 5);
	expect_equal("sent on", talk_say(t, fact_text(step, "step")) == SENT, to != NULL);
	if (to && *to == 'r')
		expect_equal("server", t->server, to[1] - '0');
	check_connection(t, step);
}

/* ---- what differs from fact to fact ---------------------------------------------- */

/* ipvsadm --set 240 10 30 */
static void set_timeouts(const char *text)
{
	unsigned int tcp, fin, udp;

	assert_int_equal(sscanf(text, "%u %u %u", &tcp, &fin, &udp), 3);
	path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED] = tcp * CV_HZ;
	path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT] = fin * CV_HZ;
	path->settings->timeout[CV_TIMEOUT_UDP] = udp * CV_HZ;
}

static void apply_settings(const json_t *fact)
{
	const json_t *set = json_object_get(fact, "set");

	if (set)
		set_timeouts(json_string_value(set));
	path->settings->secure_tcp =
		(uint32_t)json_integer_value(json_object_get(fact, "secure_tcp"));
	path->settings->sloppy_tcp = fact_is(fact, "tcp_sloppy");
	if (fact_is(fact, "tcp_reuse"))
		path->settings->conn_reuse_mode = (uint32_t)fact_number(fact, "conn_reuse_mode");
}

static const char *title_of(const json_t *fact)
{
	const json_t *title = json_object_get(fact, "title");

	return title ? json_string_value(title) : fact_text(fact, "fact");
}

static void play(const json_t *fact, enum door door)
{
	const json_t *steps = fact_get(fact, "steps"), *ip = json_object_get(fact, "ip");
	struct talk t = { .door = door,
			  .v6 = ip && json_integer_value(ip) == 6,
			  .proto = fact_text(fact, "fact")[0] == 'u' ? IPPROTO_UDP : IPPROTO_TCP,
			  .method = *fact_text(fact, "method"),
			  .servers = fact_is(fact, "tcp_reuse") ? 2 : 1 };

	path_reset(path);
	apply_settings(fact);
	talk_begin(&t);
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i);

		now_playing("%s, %c, IPv%d, %s: step %zu, %s", title_of(fact), t.method,
			    t.v6 ? 6 : 4, door_names[door], i + 1, fact_text(step, "step"));
		talk_step(&t, step);
	}
	expect_audit(path);
}

/* Every fact of these kinds, through both doors. */
static void play_all(const char *const *kinds, unsigned int expected)
{
	json_t *facts = facts_load("ipvs_states"), *fact;
	unsigned int played = 0;
	size_t i;

	json_array_foreach(facts, i, fact) {
		for (const char *const *kind = kinds; *kind; kind++) {
			if (!fact_is(fact, *kind))
				continue;
			played++;
			for (int door = 0; door < DOORS; door++)
				play(fact, (enum door)door);
		}
	}
	assert_int_equal(played, expected);
	json_decref(facts);
}

static void conversations(void **state)
{
	play_all((const char *const[]){ "tcp", "udp", NULL }, 37);
}

static void settings(void **state)
{
	play_all((const char *const[]){ "tcp_after_set", "udp_after_set", "tcp_secure_tcp",
					"tcp_sloppy", NULL },
		 11);
}

static void reuse(void **state)
{
	play_all((const char *const[]){ "tcp_reuse", NULL }, 12);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(conversations),
	cmocka_unit_test(settings),
	cmocka_unit_test(reuse),
};

PACKET_MAIN("states", NULL, tests)
