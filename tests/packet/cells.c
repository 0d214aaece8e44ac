// SPDX-License-Identifier: GPL-2.0-or-later
#include "cells.h"

static void play(const json_t *fact, cell_settings set, enum door door, bool v6, const char *step,
		 const json_t *then)
{
	const char *state = json_string_value(json_array_get(then, 0)),
		   *path_text = fact_text(fact, "path");
	struct talk t = { .door = door, .v6 = v6, .method = *fact_text(fact, "method") };
	const char *settings;

	path_reset(path);
	path->settings->conn_reuse_mode = 0;
	settings = set(fact, &t);
	talk_begin(&t);
	talk_say_all(&t, path_text);
	path_advance(path, 3);
	now_playing("-%c, IPv%d, %s, %s, \"%s\" then %s", t.method, v6 ? 6 : 4, door_names[door],
		    settings, path_text, step);
	talk_say(&t, step);
	if (state)
		expect_conn(path, &t.client, state,
			    (uint32_t)json_integer_value(json_array_get(then, 1)));
	else
		expect_equal("is there a connection", !!table_find(path, &t.client), 0);
	expect_audit(path);
}

void cells_play(const char *recording, const char *kind, unsigned int cells, cell_settings set,
		bool v6)
{
	json_t *facts = facts_load(recording), *fact, *then;
	unsigned int played = 0;
	const char *step;
	size_t i;

	json_array_foreach(facts, i, fact) {
		if (!fact_is(fact, kind))
			continue;
		json_object_foreach(fact_get(fact, "then"), step, then) {
			played++;
			for (int door = 0; door < DOORS; door++)
				play(fact, set, (enum door)door, v6, step, then);
		}
	}
	assert_int_equal(played, cells);
	json_decref(facts);
}
