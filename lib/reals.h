/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_LIB_REALS_H
#define CULVERT_LIB_REALS_H

#include "journal.h"

/* The map `reals` follows a destination whose flags become `flags`. */
void reals_follow(struct txn *t, uint32_t slot, uint32_t flags);

#endif
