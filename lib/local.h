/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_LOCAL_H
#define CULVERT_LOCAL_H

#include "instance.h"

enum local_type { ADDR_UNICAST, ADDR_LOCAL, ADDR_UNFIT };

/*
 * What a real server's address is to this network namespace, as ip_vs_new_dest()
 * asks: its own, somebody else's, or none that a packet can be sent to (multicast,
 * broadcast, unspecified, link-local). Or a negative errno.
 */
int local_type(struct cv *cv, uint8_t family, const union cv_addr *addr);

/* The source address that the kernel would take on the way there; zero if there is no route. */
int local_source(uint8_t family, const union cv_addr *addr, union cv_addr *out);

void local_forget(struct cv *cv);

#endif
