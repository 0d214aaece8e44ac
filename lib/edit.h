/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What service.c, dest.c and the recovery of half-done edits share. */
#ifndef CULVERT_EDIT_H
#define CULVERT_EDIT_H

#include "instance.h"
#include "journal.h"

/* The slot of the service with this key. -ESRCH; -EINVAL, -EAFNOSUPPORT: no such key can be. */
int service_find(struct cv *cv, const struct cv_service_key *key, uint32_t *out);

/* Moves all destinations of a service that is no more into the trash. */
int dest_drain(struct cv *cv, uint32_t service);

/* After real servers have left: with expire_nodest_conn their connections end. */
int orphans_end(struct cv *cv);

/* Goes on towards a goal that a killed command left (J4). */
int edit_resume(struct cv *cv);

#endif
