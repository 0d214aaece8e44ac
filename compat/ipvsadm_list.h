/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listings of ipvsadm. Each takes an instance, or NULL where there is none,
 * which lists as the kernel's IPVS does before its first service. They return 0
 * or a negative errno; what is printed goes through *out and is flushed by the
 * caller.
 */
#ifndef CULVERT_IPVSADM_LIST_H
#define CULVERT_IPVSADM_LIST_H

#include "culvert.h"
#include "ipvsadm_parse.h"
#include "out.h"

/* -L, -S (whose lines -R reads), -L --json. A service that is asked for and missing: -ESRCH. */
int list_services(struct cv *cv, const struct ipvsadm_request *r, struct out *out);
int list_connections(struct cv *cv, const struct ipvsadm_request *r, struct out *out);
int list_timeouts(struct cv *cv, const struct ipvsadm_request *r, struct out *out);
int list_daemons(struct cv *cv, const struct ipvsadm_request *r, struct out *out);

#endif
