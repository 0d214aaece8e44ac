/* SPDX-License-Identifier: GPL-2.0-only */
/* Destination hashing (ip_vs_dh.c): by the address that the client called. */
#ifndef CULVERT_BPF_LB_SCHED_DH_H
#define CULVERT_BPF_LB_SCHED_DH_H

#include "sched_table.h"

static __noinline __u32 sched_dh(__u32 service, const struct flow *f)
{
	__u32 dest;

	if (!f)
		return CV_NONE;
	dest = table_at(service, cv_sh_hash(cv_fold(&f->daddr, f->v6)));
	return table_usable(service, dest) ? dest : CV_NONE;
}

#endif
