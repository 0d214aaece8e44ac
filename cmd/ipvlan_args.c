// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "culvert.h"
#include "ipvlan_args.h"

static const struct {
	const char *shorter, *longer;
	size_t flag;
} switches[] = {
	{ "-d", "-details", offsetof(struct ipvlan_args, details) },
	{ "-s", "-statistics", offsetof(struct ipvlan_args, stats) },
	{ "-s", "-stats", offsetof(struct ipvlan_args, stats) },
	{ "-j", "-json", offsetof(struct ipvlan_args, json) },
	{ "-h", "-help", offsetof(struct ipvlan_args, help) },
};

static int one_option(struct ipvlan_args *a, const char *word)
{
	/* ip(8) takes one dash, everybody else two. */
	const char *longer = word[1] == '-' ? word + 1 : word;

	for (unsigned int i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (strcmp(word, switches[i].shorter) && strcmp(longer, switches[i].longer))
			continue;
		*(bool *)((char *)a + switches[i].flag) = true;
		return 0;
	}
	cmd_error(a->command, "unknown option \"%s\"", word);
	return -EINVAL;
}

int ipvlan_args_parse(struct ipvlan_args *a, int argc, char **argv)
{
	int kept = 0;

	memset(a, 0, sizeof(*a));
	a->command = argv[0];
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[kept++] = argv[i];
		} else if (!strcmp(argv[i], "-n") || !strcmp(argv[i], "-netns") ||
			   !strcmp(argv[i], "--netns")) {
			if (++i == argc) {
				cmd_error(a->command, "-n wants a network namespace");
				return -EINVAL;
			}
			a->netns = argv[i];
		} else if (one_option(a, argv[i])) {
			return -EINVAL;
		}
	}
	argv[kept] = NULL;
	a->words = argv;
	return 0;
}

const char *ipvlan_word(struct ipvlan_args *a)
{
	return *a->words ? *a->words++ : NULL;
}

const char *ipvlan_value(struct ipvlan_args *a, const char *keyword)
{
	const char *word = ipvlan_word(a);

	if (!word)
		cmd_error(a->command, "\"%s\" wants an argument", keyword);
	return word ? word : "";
}

const char *ipvlan_verb(struct ipvlan_args *a)
{
	const char *verb = ipvlan_word(a);

	if (a->help || (verb && !strcmp(verb, "help")))
		return NULL;
	return verb ? verb : "show";
}

bool ipvlan_is(const char *word, const char *full)
{
	return *word && !strncmp(word, full, strlen(word));
}

int ipvlan_failed(const struct ipvlan_args *a, int err)
{
	const char *why = cv_why();

	return cmd_error(a->command, "%s", *why ? why : strerror(-err));
}

int ipvlan_prefix(const struct ipvlan_args *a, struct ipvlan_prefixes *to, const char *text)
{
	struct cv_ipv_prefix *more, p;
	int err = cv_ipv_parse_prefix(text, &p);

	if (err) {
		ipvlan_failed(a, err);
		return err;
	}
	more = reallocarray(to->list, to->n + 1, sizeof(*more));
	if (!more) {
		cmd_error(a->command, "out of memory");
		return -ENOMEM;
	}
	to->list = more;
	to->list[to->n++] = p;
	return 0;
}
