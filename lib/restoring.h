/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restore under way.
 *
 * W1  The directory restoring/ in an instance's says that a restore has begun and
 *     is not whole. It is made before anything else and removed after everything
 *     else, by a command that holds the lock all the while. So whoever has the
 *     lock and finds it takes away what is there: it has not happened.
 */
#ifndef CULVERT_RESTORING_H
#define CULVERT_RESTORING_H

#include <stdbool.h>

/* Was a restore begun here? */
bool restoring_left(int dir);

/* Under the lock: takes all of it away, the directory too. */
int restoring_wipe(int dir);

#endif
