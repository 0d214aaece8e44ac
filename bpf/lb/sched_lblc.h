/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locality-based least connection (ip_vs_lblc.c): connections to the same
 * address go to the same server, chosen as wlc does, until it is quiesced,
 * removed, or has more than its share while others idle.
 */
#ifndef CULVERT_BPF_LB_SCHED_LBLC_H
#define CULVERT_BPF_LB_SCHED_LBLC_H

#include "sched_cache.h"

/* A server that is full (-x) keeps its addresses, as in the kernel. */
static __always_inline bool lblc_usable(struct cv_service *svc, __u32 service, __u64 server)
{
	struct cv_dest *d = dest_at((__u32)server);

	return d && d->serial == server >> 32 && READ_ONCE(d->service) == service &&
	       READ_ONCE(d->flags) & CV_DEST_AVAILABLE && dest_weight(d) > 0 &&
	       !cache_overloaded(svc, service, (__u32)server);
}

static __noinline __u32 sched_lblc(struct cv_service *svc, __u32 service, const struct flow *f)
{
	struct cache_entry *e;
	struct cache_work *w;
	__u64 server;
	__u32 chosen;

	if (!svc || !f)
		return CV_NONE;
	w = cache_begin(svc, service, f);
	if (!w)
		return CV_NONE;
	e = cache_find(svc, w);
	if (e) {
		server = READ_ONCE(e->server);
		if (lblc_usable(svc, service, server))
			return server;
	}
	chosen = sched_least(svc, service, CV_SCHED_WLC);
	if (chosen == CV_NONE || !sched_lock(svc))
		return chosen;
	e = cache_make(svc, w);
	if (e)
		WRITE_ONCE(e->server, server_of(chosen));
	sched_unlock(svc);
	return chosen;
}

#endif
