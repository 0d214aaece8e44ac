/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How slaves are shown: shared by `culvert link` and `culvert addr`. */
#ifndef CULVERT_CMD_LINK_H
#define CULVERT_CMD_LINK_H

#include <jansson.h>

#include "ipvlan_args.h"

int link_show(struct ipvlan_args *a);

/* The first lines of an entry, as ip(8) has them, and the members of its JSON object. */
void link_print_head(const struct cv_ipv_link *link);
json_t *link_json(const struct cv_ipv_link *link);

/*
 * Calls `each` for the slaves that the rest of the command line asks for: [dev]
 * NAME, link DEV, netns NETNS; and prints the JSON array at the end, if there is one.
 */
int link_walk(struct ipvlan_args *a,
	      int (*each)(struct cv_ipv *v, const struct cv_ipv_link *link, void *arg), void *arg);

#endif
