/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the files of rtnl ask. */
#ifndef CULVERT_RTNL_INTERNAL_H
#define CULVERT_RTNL_INTERNAL_H

#include <libmnl/libmnl.h>

#include "rtnl.h"

struct rtnl_request {
	struct nlmsghdr *nlh;
	char room[1024] __attribute__((aligned(8)));
};

/* Called for each message of an answer; non-zero ends the walk. */
typedef int (*rtnl_each_fn)(const struct nlmsghdr *nlh, void *arg);

struct nlmsghdr *rtnl_start(struct rtnl_request *q, uint16_t type, uint16_t flags);

/* The messages of an answer, one after the other. */
struct rtnl_answer {
	char *messages;
	size_t used;
	bool broken; /* what was listed changed meanwhile: some of it may be missing */
};
void rtnl_answer_free(struct rtnl_answer *a);

/* Sends it and reads one answer to its end. A list that is broken is to be asked for again, so often at most: */
#define RTNL_LIST_TRIES 100
int rtnl_ask(struct rtnl *r, struct rtnl_request *q, struct rtnl_answer *a);
int rtnl_changed(void); /* -EAGAIN: it was broken each time */
int rtnl_answer_each(const struct rtnl_answer *a, rtnl_each_fn each, void *arg);

/*
 * Sends it and reads the whole answer, before `each` is called for the first time: what it sees is all
 * that there was. What `each` returned, 0, or a negative errno.
 */
int rtnl_talk(struct rtnl *r, struct rtnl_request *q, rtnl_each_fn each, void *arg);

#endif
