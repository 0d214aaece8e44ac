/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_SETTINGS_H
#define CULVERT_SETTINGS_H

#include <culvert/lb.h>

/* What the kernel begins with. */
void settings_init(struct cv_settings *s);

struct txn;

/* Fragments to or from this address are the load balancer's from now on (cv_settings.hosts). */
void settings_add_host(struct txn *t, const union cv_addr *addr);

#endif
