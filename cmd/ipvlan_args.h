/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `culvert link` and `culvert addr` share: their options, words and ways to fail. */
#ifndef CULVERT_IPVLAN_ARGS_H
#define CULVERT_IPVLAN_ARGS_H

#include <stdbool.h>

#include "ipvlan.h"

struct ipvlan_args {
	const char *command; /* "link" or "addr" */
	char **words;	     /* what is left when the options are out, NULL at the end */
	const char *netns;   /* -n */
	bool details, stats, json, help;
};

/* Takes the options out of argv, wherever they stand. -EINVAL: an unknown one, which it has said. */
int ipvlan_args_parse(struct ipvlan_args *a, int argc, char **argv);

/* The next word, NULL at the end; or the one behind the keyword just read, "" with a message if there is none. */
const char *ipvlan_word(struct ipvlan_args *a);
const char *ipvlan_value(struct ipvlan_args *a, const char *keyword);

/* What is to be done: the first word, "show" if there is none; NULL: help is asked for. */
const char *ipvlan_verb(struct ipvlan_args *a);

/* As ip(8): a word may be shortened as long as it is the beginning of this one. */
bool ipvlan_is(const char *word, const char *full);

/* Says why a call of the library failed, and returns the exit status. */
int ipvlan_failed(const struct ipvlan_args *a, int err);

/* Growing arrays of prefixes from the command line. */
struct ipvlan_prefixes {
	struct cv_ipv_prefix *list;
	unsigned int n;
};
int ipvlan_prefix(const struct ipvlan_args *a, struct ipvlan_prefixes *to, const char *text);

#endif
