/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lblc and lblcr remember: the server, or set of servers, that the
 * connections to an address (of a cache, behind a fwmark service, say) were
 * last given. As in ip_vs_lblc.c and ip_vs_lblcr.c, whose timer looks every
 * minute: every half hour it expires what was not used for a day
 * (lblc_expiration), and in between, in a service with more than 16384
 * addresses, some of those not used for six minutes.
 *
 * A1  An address is cached for one life of a service's scheduler: the key has
 *     cv_service.cache_since, which the library sets anew with every life. What
 *     was cached before is not found any more, and goes with the next sweep.
 * A2  An entry, its set and the number of entries change under the service's
 *     sched_lock. Choosing takes no lock: it may find an entry or a set without
 *     its last change, and then chooses as if it had come a moment earlier.
 * A3  A server is remembered by slot and serial, so that a slot's next owner is
 *     not taken for it. The kernel's reference keeps a server that was removed
 *     in the trash as long as it is cached; here it is forgotten when its slot is
 *     needed for another, two minutes after it was removed or later.
 * A4  A half hour's expiry takes effect at its minute, whenever the sweep comes
 *     by: an entry that is found is asked first whether it should be gone.
 */
#ifndef CULVERT_BPF_LB_SCHED_CACHE_H
#define CULVERT_BPF_LB_SCHED_CACHE_H

#include "sched_least.h"

#define CACHE_PERIOD (60 * CV_HZ)      /* CHECK_EXPIRE_INTERVAL */
#define CACHE_FULL (30 * CACHE_PERIOD) /* ... times COUNT_FOR_FULL_EXPIRATION */
#define CACHE_IDLE (6 * 60 * CV_HZ)    /* ENTRY_TIMEOUT */
#define CACHE_SIZE 16384U	       /* max_size, of a service */

struct cache_key {
	union cv_addr addr;
	__u32 service;
	__u32 since; /* A1 */
};

struct cache_entry {
	__u64 server;	/* lblc: see server_of() */
	__u32 used;	/* ticks */
	__u32 modified; /* lblcr: when a server came into the set or left it, ticks */
	__u32 head;	/* lblcr: the server that came last, or CV_NONE */
	__u32 size;	/* lblcr: of the set */
};

/* A server in an address's set (lblcr). The set is a list, the last that came first. */
struct cache_member_key {
	struct cache_key of;
	__u32 dest;
	__u32 zero;
};

struct cache_member {
	__u32 next;   /* came before this one, or CV_NONE */
	__u32 serial; /* A3 */
};

/* Bounds for all services together. What does not fit is scheduled all the same, and not remembered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct cache_key);
	__type(value, struct cache_entry);
} cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct cache_member_key);
	__type(value, struct cache_member);
} cache_members SEC(".maps");

/*
 * What a choice, or the sweep, works on: per CPU, because the stack is short. They
 * do not interrupt one another: packets and timers are a CPU's softirqs, which
 * run one at a time, and who sends from a process holds them off.
 */
struct cache_work {
	struct cache_key key;		/* of the address */
	struct cache_entry entry;	/* a new one */
	struct cache_member_key member; /* of a server in its set */
	struct cache_member link;	/* a new one */
	/* Of a walk through a set: */
	struct load load; /* the best one's */
	__u32 best;
	__u32 best_before; /* the one before it; CV_NONE: it is the head */
	__u32 before;	   /* the one before the one looked at */
	bool most;	   /* the best is the most loaded */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cache_work);
} cache_works SEC(".maps");

static __always_inline struct cache_work *cache_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cache_works, &zero);
}

/* For a connection to the address that f calls. */
static __always_inline struct cache_work *cache_begin(const struct cv_service *svc, __u32 service,
						      const struct flow *f)
{
	struct cache_work *w = cache_work();

	if (w) {
		w->key.addr = f->daddr;
		w->key.service = service;
		w->key.since = READ_ONCE(svc->cache_since);
	}
	return w;
}

/* ---- servers -------------------------------------------------------------- */

static __always_inline __u64 server_of(__u32 dest)
{
	const struct cv_dest *d = dest_at(dest);

	return (__u64)(d ? d->serial : 0) << 32 | dest;
}

struct spare_walk {
	__u32 service;
	__u32 at;
	bool found;
};

static long spare_step(__u32 step, void *arg)
{
	struct spare_walk *w = arg;
	struct cv_dest *d;

	if (w->at == CV_NONE)
		return 1;
	d = dest_at(w->at);
	if (!d)
		return 1;
	w->at = dest_next(d, w->service);
	w->found = READ_ONCE(d->service) == w->service && READ_ONCE(d->flags) & CV_DEST_AVAILABLE &&
		   2 * (__u64)READ_ONCE(d->activeconns) < (__u64)dest_weight(d);
	return w->found;
}

/* is_overloaded(): more active connections than its weight, while another has less than half its own. */
static __noinline bool cache_overloaded(struct cv_service *svc, __u32 service, __u32 dest)
{
	struct spare_walk w = { .service = service };
	struct cv_dest *d = dest_at(dest);

	if (!svc || !d || (__s64)READ_ONCE(d->activeconns) <= dest_weight(d))
		return false;
	w.at = READ_ONCE(svc->head);
	bpf_loop(SCHED_STEPS, spare_step, &w, 0);
	return w.found;
}

/* ---- entries -------------------------------------------------------------- */

/* When the kernel's timer looked through everything last, and whether e was then too old to stay. */
static __always_inline bool cache_expired(const struct cv_service *svc, const struct cache_entry *e)
{
	__u32 since = READ_ONCE(svc->cache_since) + READ_ONCE(svc->cache_shift),
	      now = READ_ONCE(clock.now);
	__u32 seconds =
		svc->sched == CV_SCHED_LBLC ? settings.lblc_expiration : settings.lblcr_expiration;
	__u32 full;

	if (cv_before(now, since + CACHE_FULL))
		return false;
	full = since + (now - since) / CACHE_FULL * CACHE_FULL;
	return !cv_before(full, e->used + seconds * CV_HZ);
}

static long cache_drop_member(__u32 step, void *arg)
{
	struct cache_work *w = *(struct cache_work **)arg;
	struct cache_member *m;
	__u32 next;

	if (w->member.dest == CV_NONE)
		return 1;
	m = bpf_map_lookup_elem(&cache_members, &w->member);
	if (!m)
		return 1;
	next = m->next;
	bpf_map_delete_elem(&cache_members, &w->member);
	w->member.dest = next;
	return 0;
}

/* With the lock of its service, if there still is that service. */
static __noinline int cache_forget(struct cache_work *w)
{
	struct cache_entry *e;
	struct cv_service *svc;

	if (!w)
		return 0;
	e = bpf_map_lookup_elem(&cache, &w->key);
	if (!e)
		return 0;
	w->member.of = w->key;
	w->member.dest = e->size ? e->head : CV_NONE;
	bpf_loop(SCHED_STEPS, cache_drop_member, &w, 0);
	svc = service_at(w->key.service);
	if (!bpf_map_delete_elem(&cache, &w->key) && svc && svc->cache_since == w->key.since)
		__sync_fetch_and_sub(&svc->cache_entries, 1);
	return 0;
}

/* What is remembered of the address: used from now on, and for another day. */
static __always_inline struct cache_entry *cache_find(const struct cv_service *svc,
						      struct cache_work *w)
{
	struct cache_entry *e = bpf_map_lookup_elem(&cache, &w->key);

	if (!e || cache_expired(svc, e))
		return NULL;
	WRITE_ONCE(e->used, READ_ONCE(clock.now));
	return e;
}

/* With the lock: the address's entry, made if there is none. NULL: there is no room. */
static __always_inline struct cache_entry *cache_make(struct cv_service *svc, struct cache_work *w)
{
	struct cache_entry *e = cache_find(svc, w);

	if (e)
		return e;
	cache_forget(w);
	/* ip_vs_lblc_new() */
	if (svc->sched == CV_SCHED_LBLC && READ_ONCE(svc->cache_entries) >= CACHE_SIZE * 3 / 2)
		return NULL;
	w->entry = (struct cache_entry){ .used = READ_ONCE(clock.now), .head = CV_NONE };
	if (bpf_map_update_elem(&cache, &w->key, &w->entry, BPF_NOEXIST))
		return NULL;
	__sync_fetch_and_add(&svc->cache_entries, 1);
	return bpf_map_lookup_elem(&cache, &w->key);
}

/* ---- the sweep ------------------------------------------------------------ */

/*
 * How many of a service's idle addresses this sweep takes at most, from its
 * first entry on kept in cache_goal: the sweep in the high half, the number in
 * the low one. A minute that takes such does not count towards the half hour.
 */
static __always_inline bool cache_partial(struct cv_service *svc, const struct cache_entry *e)
{
	__u32 now = READ_ONCE(clock.now), sweep = now / CACHE_PERIOD << 16,
	      n = READ_ONCE(svc->cache_entries), goal;

	if ((svc->cache_goal & 0xffff0000) != sweep) {
		goal = n > CACHE_SIZE ? (n - CACHE_SIZE) * 4 / 3 : 0;
		svc->cache_goal = sweep | (goal < CACHE_SIZE / 2 ? goal : CACHE_SIZE / 2);
		if (goal)
			svc->cache_shift += CACHE_PERIOD;
	}
	if (!(svc->cache_goal & 0xffff) || now - e->used < CACHE_IDLE || cv_before(now, e->used))
		return false;
	svc->cache_goal--;
	return true;
}

static long cache_sweep_entry(void *map, const void *k, void *value, void *arg)
{
	const struct cache_key *key = k;
	struct cv_service *svc = service_at(key->service);
	struct cache_work *w = cache_work();
	struct cache_entry *e = value;

	if (!svc || !w)
		return 0;
	w->key = *key;
	if (svc->cache_since != key->since) {
		cache_forget(w);
		return 0;
	}
	if (!cache_expired(svc, e) && !cache_partial(svc, e))
		return 0;
	if (sched_lock(svc)) {
		cache_forget(w);
		sched_unlock(svc);
	}
	return 0;
}

/* Once every CACHE_PERIOD. */
static __always_inline void cache_sweep(void)
{
	bpf_for_each_map_elem(&cache, cache_sweep_entry, NULL, 0);
}

#endif
