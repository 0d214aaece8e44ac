/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of `culvert link` others use: `culvert addr`, `culvert restore`. */
#ifndef CULVERT_CMD_LINK_H
#define CULVERT_CMD_LINK_H

#include <jansson.h>

#include "ipvlan_args.h"

int link_show(struct ipvlan_args *a);

/*
 * `link add ...` as a request that is checked, with the master and the namespace that it
 * names, before it is carried out. The words of argv stay in use; errors are said. -EINVAL
 */
struct link_request;
int link_request_new(struct link_request **out, int argc, char **argv);
void link_request_free(struct link_request **r);
int link_request_run(struct cv_ipv *v, const struct link_request *r);

/* Says, once it is done, what this kernel does not do for such a slave. Was there anything? */
bool link_request_warn(const struct link_request *r);

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
