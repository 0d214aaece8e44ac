/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_FIGURES_H
#define CULVERT_FIGURES_H

#include "instance.h"

/* What a destination has counted since its slot was new, summed over the CPUs. */
void figures_dest_total(const struct cv *cv, uint32_t dest, uint64_t out[CV_RATES]);

/* What -L --stats and --rate show. */
void figures_dest(const struct cv *cv, uint32_t dest, struct cv_figures *out);

/* `dests`: the slots of the service's destinations. */
void figures_service(const struct cv *cv, uint32_t service, const uint32_t *dests, uint32_t n,
		     struct cv_figures *out);

/* -Z. */
void figures_zero_dest(struct cv *cv, uint32_t dest);
void figures_zero_service(struct cv *cv, uint32_t service, const uint32_t *dests, uint32_t n);

/* Packets that left by the straight way, whoever had the slots: a part of CV_C_SENT. Tables: dests, counters. */
uint64_t figures_sent(struct cv *cv);

/* As new: for a slot that nobody has. */
void figures_clear_dest(struct cv *cv, uint32_t dest);
void figures_clear_service(struct cv *cv, uint32_t service);

#endif
