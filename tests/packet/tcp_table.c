// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every cell of IPVS's TCP tables that packets can reach: the state and timer
 * after one more packet, as the kernel had them (ipvs_tcp_table), for both
 * directions, masq and direct routing, with and without secure_tcp and
 * sloppy_tcp, through both doors. A null state: no connection.
 */
#include "case.h"
#include "facts.h"
#include "talk.h"

static void play(const json_t *fact, enum door door, bool v6, const char *step, const json_t *then)
{
	const char *state = json_string_value(json_array_get(then, 0));
	struct talk t = { .door = door, .v6 = v6, .method = *fact_text(fact, "method") };

	path_reset(path);
	path->settings->conn_reuse_mode = 0;
	path->settings->secure_tcp = (uint32_t)fact_number(fact, "secure_tcp");
	path->settings->sloppy_tcp = (uint32_t)fact_number(fact, "sloppy_tcp");
	talk_begin(&t);
	talk_say_all(&t, fact_text(fact, "path"));
	path_advance(path, 3);
	now_playing("-%c, IPv%d, %s, secure_tcp %d, sloppy_tcp %d, \"%s\" then %s", t.method, v6 ? 6 : 4,
		    door_names[door], fact_number(fact, "secure_tcp"),
		    fact_number(fact, "sloppy_tcp"), fact_text(fact, "path"), step);
	talk_say(&t, step);
	if (state)
		expect_conn(path, &t.client, state, (uint32_t)json_integer_value(json_array_get(then, 1)));
	else
		expect_equal("is there a connection", !!table_find(path, &t.client), 0);
	expect_audit(path);
}

static void play_all(bool v6)
{
	json_t *facts = facts_load("ipvs_tcp_table"), *fact, *then;
	unsigned int played = 0;
	const char *step;
	size_t i;

	json_array_foreach(facts, i, fact) {
		if (!fact_is(fact, "tcp_table"))
			continue;
		json_object_foreach(fact_get(fact, "then"), step, then) {
			played++;
			for (int door = 0; door < DOORS; door++)
				play(fact, (enum door)door, v6, step, then);
		}
	}
	assert_int_equal(played, 598);
	json_decref(facts);
}

static void ipv4(void **state)
{
	play_all(false);
}

static void ipv6(void **state)
{
	play_all(true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ipv4),
	cmocka_unit_test(ipv6),
};

PACKET_MAIN("tcp_table", NULL, tests)
