/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_LIST_H
#define CULVERT_LIST_H

#include "instance.h"

/* The slots of a service's destinations in their order, of one instant; the caller frees them. */
int list_dests(struct cv *cv, uint32_t service, uint32_t **out, uint32_t *n);

#endif
