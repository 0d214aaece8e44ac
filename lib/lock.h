/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command at a time changes an instance: flock() on its directory. The
 * kernel gives the lock back when its holder dies, however it dies.
 */
#ifndef CULVERT_LOCK_H
#define CULVERT_LOCK_H

#define LOCK_SECONDS 30
#define LOCK_SECONDS_MOST 86400

/*
 * Waits up to `seconds` (0: CULVERT_LOCK_SECONDS in the environment, else
 * LOCK_SECONDS), telling cv_on_wait()'s function when that takes long; then -EBUSY with the holder's pid in
 * cv_why(). -ENOENT: the directory was removed meanwhile: open it anew.
 */
int lock_take(int dir, unsigned int seconds);

/* -EBUSY at once if somebody has it. */
int lock_try(int dir);

void lock_drop(int dir);

#endif
