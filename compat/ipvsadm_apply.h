/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carrying requests out. A session has the instance open, and locked from the
 * first request that changes something, for as long as it lasts: one command,
 * or all lines of a restore.
 */
#ifndef CULVERT_IPVSADM_APPLY_H
#define CULVERT_IPVSADM_APPLY_H

#include <stdbool.h>

#include "culvert.h"
#include "ipvsadm_parse.h"

struct session {
	struct cv *cv; /* NULL: not opened, or there is no instance */
	bool locked;
};

void session_end(struct session *s);
/* Lets others edit; the next change takes the lock again. */
void session_yield(struct session *s);

/*
 * Opens the instance if there is one: s->cv stays NULL in a namespace without,
 * which behaves as one without services. Anything but 0 is a reason to end the
 * program: -EPERM, -EPROTO and so on.
 */
int session_open(struct session *s);

/*
 * Adds, edits, deletes, zeroes, sets. Makes the instance where the request is
 * the first that needs one. Returns 0 or a negative errno; apply_error() has
 * its words.
 */
int apply(struct session *s, const struct ipvsadm_request *r);

/* What ipvsadm says of this errno from this command; where it has no words, the library's. */
const char *apply_error(enum ipvsadm_command command, int err);

#endif
