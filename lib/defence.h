/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watch over the free memory, which the automatic modes of secure_tcp,
 * drop_entry and drop_packet go by: a timer in the kernel, pinned as
 * maps/memory_watch while one of them is set.
 *
 * D1  It is there before a mode that needs it is noted, and goes after the last.
 *     One too many, left by a killed command, only looks for nothing.
 */
#ifndef CULVERT_DEFENCE_H
#define CULVERT_DEFENCE_H

#include "culvert.h"

/* Starts it, or makes the one there is look anew. -EOPNOTSUPP: cv_why() says what this kernel lacks. */
int defence_watch(struct cv *cv);
int defence_rest(struct cv *cv);

/* Is less memory free than amemthresh asks for? */
bool defence_needed(const struct cv *cv);

#endif
