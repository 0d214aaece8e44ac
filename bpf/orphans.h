/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * expire_nodest_conn: when a real server leaves, its connections end there and
 * then, and not only with their next packets (ip_vs_expire_nodest_conn_flush()).
 */
#ifndef CULVERT_BPF_ORPHANS_H
#define CULVERT_BPF_ORPHANS_H

#include "lb/conn.h"
#include "lb/dest.h"

/* A template ends when it has no connections any more. */
GLOBAL int orphan_slot(bool v6, __u32 slot)
{
	struct cv_conn_common *c = conn_at(v6, slot);
	struct cv_dest *dest;
	__u32 ctl;

	if (!c)
		return 0;
	ctl = READ_ONCE(c->ctl);
	dest = dest_at(c->dest);
	if (!(ctl & CV_CTL_LIVE) || !dest || dest->flags & CV_DEST_AVAILABLE ||
	    READ_ONCE(c->n_control))
		return 0;
	if (conn_end_slot(v6, slot, ctl))
		count_cause(CV_C_CONN_EXPIRED);
	return 0;
}

struct orphans {
	bool v6;
};

static long orphan_set(__u32 set, void *arg)
{
	struct orphans *o = arg;
	struct cv_tags *t = tags_at(o->v6, set);

	if (!t)
		return 1;
	for (int way = 0; way < CV_WAYS; way++)
		if (READ_ONCE(t->tag[way]) & CV_TAG_CLIENT)
			orphan_slot(o->v6, set * CV_WAYS + way);
	return 0;
}

/* Twice: the first time templates may still have connections. */
static __always_inline void orphans_end(bool v6)
{
	struct orphans o = { .v6 = v6 };

	bpf_loop(v6 ? geo.sets6 : geo.sets4, orphan_set, &o, 0);
	bpf_loop(v6 ? geo.sets6 : geo.sets4, orphan_set, &o, 0);
}

#endif
