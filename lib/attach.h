/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_ATTACH_H
#define CULVERT_ATTACH_H

#include "instance.h"

/* Takes away what a device carries of ours: also what an attach that was cut short left. */
int attach_remove(struct cv *cv, uint32_t ifindex);
int attach_remove_all(struct cv *cv);

/* Gives every hook the program that pins_prog() has for it, each in one step. */
int attach_swap(struct cv *cv, unsigned int *hooks);

#endif
