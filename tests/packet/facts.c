// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"

json_t *facts_load(const char *name)
{
	json_t *all = json_array(), *one;
	char path[512];
	json_error_t e;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.jsonl", FACTS, name);
	f = fopen(path, "r");
	if (!f) {
		perror(path);
		exit(2);
	}
	while ((one = json_loadf(f, JSON_DISABLE_EOF_CHECK, &e)))
		json_array_append_new(all, one);
	fclose(f);
	return all;
}

json_t *fact_get(const json_t *fact, const char *member)
{
	json_t *value = json_object_get(fact, member);

	if (!value) {
		fprintf(stderr, "a fact without \"%s\"\n", member);
		exit(2);
	}
	return value;
}

const char *fact_text(const json_t *fact, const char *member)
{
	return json_string_value(fact_get(fact, member));
}

int fact_number(const json_t *fact, const char *member)
{
	return (int)json_integer_value(fact_get(fact, member));
}

bool fact_is(const json_t *fact, const char *kind)
{
	return strcmp(fact_text(fact, "fact"), kind) == 0;
}
