/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of ipvsadm's listings: services by firewall mark, family, protocol,
 * address and port, destinations by address and port. ipvsadm compares numbers
 * by the sign of their 32-bit difference, which is no order once they lie more
 * than 2^31 apart: 10.0.0.0 < 100.0.0.0 < 200.0.0.0 < 10.0.0.0. What it prints
 * then depends on the order in which the kernel had them. For destinations that
 * is the order that they have here, and it is kept. For services it is that of a
 * randomly seeded hash; here they are put in plain order first, so that the same
 * services are always listed the same way.
 */
#ifndef CULVERT_IPVSADM_SORT_H
#define CULVERT_IPVSADM_SORT_H

#include "culvert.h"

/* Both sort pointers to the infos. 0 or -ENOMEM. */
int sort_services(const struct cv_service_info **v, size_t n);
int sort_dests(const struct cv_dest_info **v, size_t n);

#endif
