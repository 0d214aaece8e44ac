/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_LOAD_H
#define CULVERT_LOAD_H

#include "culvert.h"

/*
 * Loads the load balancer's data path into an instance that has none: the
 * caller has its lock. What it makes is there whole or not at all (I2).
 */
int load_data_path(int dir, const struct cv_sizes *sizes);

/* Turns loopback's forwarding on again, if the administrator turned it off with all others'. */
void load_settle(int dir, uint32_t *lo_forwarding);

/* Takes it away again, with all that is attached by links. `lo_forwarding` is the journal's. */
int unload_data_path(int dir, uint32_t lo_forwarding);

/* Did a command that loads or unloads die half way? Under the lock: what it left goes. */
bool load_left(int dir);
int load_forget(int dir);
/* Takes back what load_data_path() has just put in place, under the same lock; cv_why() stays. */
void load_undo(int dir);

#endif
