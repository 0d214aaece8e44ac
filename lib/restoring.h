/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restore, or a removal, under way.
 *
 * W1  The directory restoring/ in an instance's says that a restore has begun and
 *     is not whole. It is made before anything else and removed after everything
 *     else, by a command that holds the lock all the while. So whoever has the
 *     lock and finds it takes away what is there: it has not happened.
 * W2  The directory removing/ says the same of a removal of the load balancer: it has
 *     happened, and whoever has the lock goes on with it. Slaves stay.
 */
#ifndef CULVERT_RESTORING_H
#define CULVERT_RESTORING_H

#include <stdbool.h>

/* Was one begun here? */
bool restoring_left(int dir);

/* Under the lock: takes away what the mark says, and the directory if nothing else is in it. */
int restoring_wipe(int dir);

/* Under the lock: begins to take the load balancer away, and does. */
int restoring_remove_lb(int dir);

#endif
