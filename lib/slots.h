/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of services and destinations: who gets which, and when again (C6, L4).
 *
 * S1  A slot whose USED flag is not set belongs to nobody: its taker may write
 *     all of it before the record that makes it used.
 * S2  A destination that left its service keeps its slot and its entry in
 *     `dest_slots`: that is the trash. As in the kernel it is kept there for
 *     SLOTS_TRASH after it left, or for as long as it has connections; less if
 *     room is needed, but never less than it takes for every packet that saw it
 *     in its service to be gone: CV_GRACE, or an RCU grace period.
 * S3  A service's slot is free when the service is deleted, and rests as long.
 */
#ifndef CULVERT_SLOTS_H
#define CULVERT_SLOTS_H

#include "instance.h"

/* IP_VS_DEST_TRASH_PERIOD, ticks. */
#define SLOTS_TRASH (120 * CV_HZ)

/* A slot that belongs to nobody, its counters zero. -ENOSPC */
int slots_take_dest(struct cv *cv, uint32_t *out);
int slots_take_service(struct cv *cv, uint32_t *out);

/* Which slot a destination has, in its service or in the trash. -ENOENT */
int slots_find_dest(struct cv *cv, const struct cv_dest_key *key, uint32_t *out);
/* -ESRCH */
int slots_find_service(struct cv *cv, const struct cv_service_key *key, uint32_t *out);

void slots_dest_key(const struct cv_dest *d, struct cv_dest_key *out);

#endif
