/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the load balancer does to the host that ipvlan in the same instance must know of. */
#ifndef CULVERT_IPVLAN_HOST_H
#define CULVERT_IPVLAN_HOST_H

#include <stdbool.h>

/* Before net.ipv4.conf.lo.forwarding is turned on, and after it was turned off. */
void ipvlan_loopback_taken(int instance, bool taken);

#endif
