/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hash schedulers share: the look-up in a table that the library made. */
#ifndef CULVERT_BPF_LB_SCHED_TABLE_H
#define CULVERT_BPF_LB_SCHED_TABLE_H

#include "sched.h"

/* The destination in a slot of the service's table, or CV_NONE. */
static __always_inline __u32 table_at(__u32 service, __u32 slot)
{
	struct cv_table_key key = { .service = service, .piece = slot / CV_TABLE_PIECE };
	const struct cv_table *t = bpf_map_lookup_elem(&tables, &key);

	return t ? READ_ONCE(t->dest[slot % CV_TABLE_PIECE]) : CV_NONE;
}

/*
 * May it be chosen? A table can be a moment older than the list; and the memory
 * of a replaced piece may serve another service's at once, so the destination is
 * asked whose it is.
 */
static __always_inline bool table_usable(__u32 service, __u32 dest)
{
	struct cv_dest *d = dest_at(dest);

	return d && dest_usable_by(d, service);
}

/* A walk's next server: 1, if that is the one (`chosen`) or there is none. */
static __always_inline long table_take(__u32 service, __u32 dest, __u32 *chosen)
{
	if (dest == CV_NONE)
		return 1;
	if (!table_usable(service, dest))
		return 0;
	*chosen = dest;
	return 1;
}

/* The source port, where the protocol has ports and the service's flag asks for it. */
static __always_inline __u32 table_port(const struct cv_service *svc, const struct flow *f)
{
	if (!(svc->flags & CV_SVC_SCHED2))
		return 0;
	if (f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP && f->proto != IPPROTO_SCTP)
		return 0;
	return bpf_ntohs(f->sport);
}

#endif
