// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert sysctl: net.ipv4.vs.* by the names and meanings that the kernel gives them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "options.h"

#define MOST 64

static int print_text(const struct cv_setting *s, void *arg)
{
	(void)arg;
	printf("net.ipv4.vs.%s = %u", s->name, s->value[0]);
	for (unsigned int i = 1; i < s->values; i++)
		printf("\t%u", s->value[i]);
	putchar('\n');
	return 0;
}

static int add_json(const struct cv_setting *s, void *arg)
{
	json_t *value = s->values == 1 ? json_integer(s->value[0]) : json_array();

	for (unsigned int i = 0; s->values > 1 && i < s->values; i++)
		json_array_append_new(value, json_integer(s->value[i]));
	return json_object_set_new(arg, s->name, value);
}

/* NAME or NAME=VALUE, of which the value is where the name ends; NULL: there is none. */
static char *part(char *text)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	return value;
}

static int show_one(struct cv *cv, const char *text,
		    int (*show)(const struct cv_setting *s, void *arg), void *arg)
{
	_cleanup_free_ char *name = strdup(text);
	struct cv_setting s;
	int err;

	if (!name)
		return -ENOMEM;
	part(name);
	err = cv_setting_get(cv, name, &s);
	return err ? err : show(&s, arg);
}

/* NAME=VALUE: `before` is what it was. */
static int set_one(struct cv *cv, const char *text, struct cv_setting *before)
{
	_cleanup_free_ char *name = strdup(text);
	const char *value;
	int err;

	if (!name)
		return -ENOMEM;
	value = part(name);
	err = cv_setting_get(cv, name, before);
	return err || !value ? err : cv_setting_set(cv, name, value);
}

static void put_back(struct cv *cv, const struct cv_setting *before)
{
	char text[2 * sizeof("4294967295")];

	snprintf(text, sizeof(text), before->values == 1 ? "%u" : "%u %u", before->value[0],
		 before->value[1]);
	cv_setting_set(cv, before->name, text);
}

/* All or none: one can be refused for what the host is like. */
static int set_all(struct cv *cv, const char **args)
{
	struct cv_setting before[MOST];
	int err = 0, n = 0;

	while (!err && args[n]) {
		err = set_one(cv, args[n], &before[n]);
		n += !err;
	}
	if (!err)
		return CMD_OK;
	err = cmd_lib_error("sysctl", NULL, err); /* says why before that is forgotten */
	while (n-- > 0) {
		if (strchr(args[n], '='))
			put_back(cv, &before[n]);
	}
	return err;
}

/* Would every NAME=VALUE be taken? Asked before the first is, so that a wrong one changes nothing. */
static int check(const char **args)
{
	int err = 0;

	for (int i = 0; !err && args[i]; i++) {
		_cleanup_free_ char *name = strdup(args[i]);
		char *value = name ? strchr(name, '=') : NULL;

		if (!name)
			return -ENOMEM;
		if (!value)
			continue;
		*value++ = '\0';
		err = cv_setting_check(name, value);
	}
	return err;
}

static int show_all(struct cv *cv, const char **args, bool json)
{
	json_auto_t *all = json ? json_object() : NULL;
	int (*show)(const struct cv_setting *, void *) = json ? add_json : print_text;
	int err = 0;

	if (!args[0])
		err = cv_each_setting(cv, show, all);
	for (int i = 0; !err && args[i]; i++)
		err = show_one(cv, args[i], show, all);
	if (!err && json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return err ? cmd_lib_error("sysctl", NULL, err) : CMD_OK;
}

static int run(struct cv *cv, const char **args, bool writes, bool json)
{
	int status, err = writes ? cv_lock(cv, 0) : 0;

	if (err)
		return cmd_lib_error("sysctl", NULL, err);
	status = writes ? set_all(cv, args) : CMD_OK;
	if (status == CMD_OK)
		status = show_all(cv, args, json);
	if (writes)
		cv_unlock(cv);
	return status;
}

int cmd_sysctl(int argc, char **argv)
{
	bool json = false;
	const struct option_spec options[] = {
		{ 'j', "json", NULL, "print JSON", option_flag, &json, NULL },
		{},
	};
	const struct command_line line = {
		.name = "sysctl",
		.usage = "[NAME | NAME=VALUE] ...",
		.about =
			"Reads and writes the load balancer's settings: the kernel's net.ipv4.vs.NAME, by\n"
			"the same names and meanings. Without arguments, all of them.",
		.options = options,
		.most = MOST,
	};
	_cleanup_(cv_close) struct cv *cv = NULL;
	const char *args[MOST + 1] = {};
	bool writes = false, fresh = false;
	int status, err;

	if (options_parse(&line, argc, argv, args, &status))
		return status;
	for (int i = 0; args[i]; i++)
		writes |= strchr(args[i], '=') != NULL;
	err = check(args);
	if (!err)
		err = writes ? cmd_open(&cv, NULL, &fresh) : cv_open(&cv);
	if (err)
		return cmd_lib_error("sysctl", NULL, err);
	status = run(cv, args, writes, json);
	if (fresh && status != CMD_OK)
		cmd_take_away(&cv);
	return status;
}
