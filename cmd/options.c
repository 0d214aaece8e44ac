// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "options.h"

bool option_flag(const char *text, void *into)
{
	*(bool *)into = true;
	return true;
}

bool option_number(const char *text, void *into)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !n || n > UINT32_MAX)
		return false;
	*(uint32_t *)into = (uint32_t)n;
	return true;
}

bool option_text(const char *text, void *into)
{
	*(const char **)into = text;
	return *text;
}

static void print_help(const struct command_line *line)
{
	printf("usage: culvert %s %s\n\n%s\n\n", line->name, line->usage, line->about);
	for (const struct option_spec *o = line->options; o->name; o++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		if (o->letter)
			printf("  -%c, %-22s %s\n", o->letter, left, o->help);
		else
			printf("      %-22s %s\n", left, o->help);
	}
	printf("  -h, %-22s %s\n", "--help", "show this");
}

static int usage_error(const struct command_line *line, const char *what, const char *about)
{
	if (*line->about)
		cmd_error(line->name, "%s%s; `culvert %s --help` shows the usage", what, about,
			  line->name);
	else
		cmd_error(line->name, "%s%s", what, about);
	return CMD_USAGE;
}

/* `word` without its dashes; *value is what follows a "=", or NULL. */
static const struct option_spec *find(const struct command_line *line, const char *word,
				      const char **value)
{
	bool is_long = word[1] == '-';
	size_t n = is_long ? strcspn(word + 2, "=") : 1;

	*value = is_long && word[2 + n] ? word + 2 + n + 1 : NULL;
	for (const struct option_spec *o = line->options; o->name; o++) {
		if (is_long ? strlen(o->name) == n && strncmp(o->name, word + 2, n) == 0 :
			      o->letter && o->letter == word[1] && !word[2])
			return o;
	}
	return NULL;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Reads the option at argv[*i], and its argument, which may be the word after it. */
static int take_option(const struct command_line *line, char **argv, int *i)
{
	const char *word = argv[*i], *value;
	const struct option_spec *o = find(line, word, &value);
	char what[80];

	if (!o || (value && !o->arg))
		return usage_error(line, "unknown option ", word);
	if (o->arg && !value) {
		value = argv[*i + 1];
		if (!value)
			return usage_error(line, word, " needs an argument");
		(*i)++;
	}
	if (o->read(value, o->into))
		return CMD_OK;
	snprintf(what, sizeof(what), "--%s takes %s, not ", o->name, o->want);
	return usage_error(line, what, value);
}

int options_parse(const struct command_line *line, int argc, char **argv, const char **args,
		  int *status)
{
	unsigned int n = 0;
	bool only_args = false;

	*status = CMD_OK;
	for (int i = 1; i < argc && *status == CMD_OK; i++) {
		if (!only_args && strcmp(argv[i], "--") == 0) {
			only_args = true;
		} else if (!only_args && *line->about && is_help(argv[i])) {
			print_help(line);
			return -1;
		} else if (!only_args && argv[i][0] == '-' && argv[i][1]) {
			*status = take_option(line, argv, &i);
		} else if (n == line->most) {
			*status = usage_error(line, "one argument too many: ", argv[i]);
		} else {
			args[n++] = argv[i];
		}
	}
	if (*status == CMD_OK && n < line->least)
		*status = usage_error(line, "an argument is missing: ", line->usage);
	return *status == CMD_OK ? 0 : -1;
}
