/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sweeper: a timer in the kernel that keeps the clock, ends connections
 * whose time is up and estimates the rates. It lives as long as its pinned map;
 * no process stands behind it.
 */
#ifndef CULVERT_BPF_SWEEPER_H
#define CULVERT_BPF_SWEEPER_H

#include "lb/defence.h"
#include "lb/room.h"
#include "lb/sched_cache.h"
#include "lb/state.h"

#define CLOCK_MONOTONIC 1

/* Every two ticks: 32 times a second. */
#define SWEEP_PERIOD_NS (2 * CV_TICK_NS)
#define SWEEPS_PER_SECOND (CV_HZ / 2)

/* A whole table a second, but in one go no more than so many sets (about 1 ms if all are full). */
#define SWEEP_MOST 8192

/* Rates are taken every 2 s, as in ip_vs_est.c: so many sweeps make a round. */
#define EST_SWEEPS (2 * SWEEPS_PER_SECOND)

#define CACHE_SWEEPS (CACHE_PERIOD / CV_HZ * SWEEPS_PER_SECOND)

/*
 * Connections whose tags say all (CV_TAG_LIVE) have a minute to live at least:
 * one pass over the table in so many is enough for them, and leaves the
 * processor's caches to the packets.
 */
#define SWEEP_LIVE 8

struct sweep {
	__u32 region; /* the first of this slice */
	__u32 set;    /* the first of the region that is swept */
	__u32 found;  /* CV_REGION_* there */
	__u32 now;
	__u32 pass; /* how many times the table was gone through */
	bool live;  /* for connections that are CV_TAG_LIVE too */
	bool v6;
};

/* A template of a one-packet service never proves anything: ip_vs_conn_ops_mode(). */
static __always_inline bool of_onepacket(const struct cv_conn_common *c)
{
	struct cv_dest *d = dest_at(c->dest);
	struct cv_service *svc = d ? service_at(d->service) : NULL;

	return svc && svc->flags & CV_SVC_ONEPACKET;
}

/*
 * net.ipv4.vs.drop_entry: connections that have proved nothing end early
 * (ip_vs_random_dropentry()): a 32nd of the table a second, at random; of the
 * half-open all, and templates whose clients never had a connection; of the
 * established, and of UDP, those that were idle for a minute and have seen few packets,
 * the fewer the likelier.
 */
static __always_inline bool dropped_early(const struct cv_conn_common *c, __u32 ctl, __u32 now)
{
	__u32 chance = bpf_get_prandom_u32(), in_pkts = c->in_pkts;

	if (chance % 32 || READ_ONCE(c->n_control))
		return false;
	if (ctl & CV_CTL_TEMPLATE)
		return (ctl & CV_CTL_STATE) != CV_CTPL_ASSURED && !of_onepacket(c);
	if (is_half_open(c->proto, ctl))
		return true;
	if (c->proto != IPPROTO_UDP && !is_established(c->proto, ctl))
		return false;
	return c->timeout - (c->expires - now) > IDLE_ENOUGH && in_pkts && in_pkts <= 8 &&
	       (chance >> 5) % in_pkts == 0;
}

#define LIVE_AND_SEEN (CV_TAG_LIVE | CV_TAG_SEEN)

/*
 * A connection whose tag says all had packets since its timer was set. Once it
 * is late by 1/256 of its time (3.5 s of 15 minutes) it is set anew: most sweeps
 * then leave tag and entry clean. A timeout that was changed (--set) begins to
 * hold now.
 */
static __always_inline void sweep_seen(struct cv_conn_common *c, __u32 ctl, __u32 *tag, __u32 now)
{
	__u32 timeout = timeout_of(c->proto, ctl & CV_CTL_STATE), expires = now + timeout;

	if (expires - READ_ONCE(c->expires) <= timeout >> 8)
		return;
	__sync_fetch_and_and(tag, timeout < CV_TAG_TIMEOUT ? ~LIVE_AND_SEEN : ~CV_TAG_SEEN);
	WRITE_ONCE(c->timeout, timeout);
	WRITE_ONCE(c->expires, expires);
}

/* For a connection whose time is up, one that LIVE_AND_SEEN is said of, or any while drop_entry asks for more. */
GLOBAL int sweep_conn(bool v6, __u32 slot, __u32 ctl, __u32 now)
{
	struct cv_conn_common *c = conn_at(v6, slot);
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);
	__u32 *tag;

	if (!c || !t)
		return 0;
	tag = &t->tag[slot % CV_WAYS];
	if ((READ_ONCE(*tag) & LIVE_AND_SEEN) == LIVE_AND_SEEN)
		sweep_seen(c, ctl, tag, now);
	if (defends(settings.drop_entry) && dropped_early(c, ctl, now) &&
	    conn_end_slot(v6, slot, ctl)) {
		count_cause(CV_C_CONN_EVICTED);
	} else if (!cv_before(READ_ONCE(c->expires), now)) {
		return 0;
	} else if (READ_ONCE(c->n_control)) { /* ip_vs_conn_expire(): "expire_later" */
		c->timeout = 60 * CV_HZ;
		WRITE_ONCE(c->expires, now + c->timeout);
	} else if (conn_end_slot(v6, slot, ctl)) {
		count_cause(CV_C_CONN_EXPIRED);
	}
	return 0;
}

/* What there is at a slot in use, as CV_REGION_*; `live`: look at those that are CV_TAG_LIVE too. */
GLOBAL __u32 sweep_slot(bool v6, __u32 slot, __u32 now, bool live)
{
	struct cv_conn_common *c = conn_at(v6, slot);
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);
	__u32 tag, ctl;

	if (!c || !t)
		return 0;
	tag = READ_ONCE(t->tag[slot % CV_WAYS]);
	if (tag & CV_TAG_LIVE && !live)
		return CV_REGION_LIVE;
	ctl = READ_ONCE(c->ctl);
	if (ctl & CV_CTL_LIVE &&
	    (defends(settings.drop_entry) || (tag & LIVE_AND_SEEN) == LIVE_AND_SEEN ||
	     cv_before(READ_ONCE(c->expires), now)))
		sweep_conn(v6, slot, ctl, now);
	return tag & CV_TAG_LIVE ? CV_REGION_LIVE : CV_REGION_BUSY;
}

/* `step` is any number to the verifier, here and below, so that it need not follow the sets one by one. */
static long sweep_set(__u32 step, void *arg)
{
	struct sweep *s = arg;
	__u32 set = s->set + step;
	struct cv_tags *t = tags_at(s->v6, set);

	if (!t)
		return 0;
	for (int way = 0; way < CV_WAYS; way++)
		if (READ_ONCE(t->tag[way]) & CV_TAG_CLIENT)
			s->found |= sweep_slot(s->v6, set * CV_WAYS + way, s->now, s->live);
	return 0;
}

/* The first set of a region: the least that region_of() gives it. */
static __always_inline __u32 region_begin(bool v6, __u32 region)
{
	return ((__u64)region * (v6 ? geo.sets6 : geo.sets4) + CV_REGIONS - 1) / CV_REGIONS;
}

static long sweep_region(__u32 step, void *arg)
{
	struct sweep *s = arg;
	__u32 region = s->region + step, pass = s->pass, wanted = CV_REGION_BUSY, *state;

	if (region >= CV_REGIONS) {
		region -= CV_REGIONS;
		pass++;
	}
	s->live = pass % SWEEP_LIVE == 0 || defends(settings.drop_entry);
	if (s->live)
		wanted |= CV_REGION_LIVE;
	state = region_at(s->v6, region);
	if (!(READ_ONCE(*state) & wanted))
		return 0;
	s->set = region_begin(s->v6, region);
	s->found = 0;
	__sync_lock_test_and_set(state, 0);
	bpf_loop(region_begin(s->v6, region + 1) - s->set, sweep_set, s, 0);
	if (s->found)
		__sync_fetch_and_or(state, s->found);
	return 0;
}

/* Sweeps `n` regions, no more than there are, on from where it was. */
static __always_inline void sweep_table(bool v6, struct cv_sweep_at *at, __u32 n)
{
	struct sweep s = {
		.region = at->region, .now = READ_ONCE(clock.now), .pass = at->pass, .v6 = v6
	};

	bpf_loop(n, sweep_region, &s, 0);
	at->region += n;
	if (at->region >= CV_REGIONS) {
		at->region -= CV_REGIONS;
		at->pass++;
	}
}

/* How many regions in one go. */
static __always_inline __u32 sweep_share(__u32 sets)
{
	__u32 most = (__u64)SWEEP_MOST * CV_REGIONS / sets + 1;

	return most < CV_REGIONS / SWEEPS_PER_SECOND ? most : CV_REGIONS / SWEEPS_PER_SECOND;
}

/* All of them are to be looked at once: the table may be older than this program. */
static long region_unknown(__u32 region, void *arg)
{
	*region_at(false, region) = *region_at(true, region) = CV_REGION_BUSY;
	return 0;
}

/* ---- rates ---------------------------------------------------------------- */

struct sum {
	__u64 of[CV_RATES];
	__u32 dest;
	__u32 at;
};

static long sum_cpu(__u32 cpu, void *arg)
{
	struct sum *s = arg;
	__u32 at = cv_counters_at(&geo, s->dest, cpu);
	struct cv_counters *n = bpf_map_lookup_elem(&counters, &at);

	if (!n)
		return 1;
	s->of[CV_CONNS] += n->conns;
	s->of[CV_INPKTS] += n->inpkts;
	s->of[CV_OUTPKTS] += n->outpkts;
	s->of[CV_INBYTES] += n->inbytes;
	s->of[CV_OUTBYTES] += n->outbytes;
	return 0;
}

static long sum_dest(__u32 step, void *arg)
{
	struct sum *s = arg;
	struct cv_dest *d = dest_at(s->at);

	if (!d)
		return 1;
	s->dest = s->at;
	bpf_loop(geo.ncpus, sum_cpu, s, 0);
	s->at = READ_ONCE(d->next);
	return 0;
}

/* ip_vs_est.c: a moving average of weight 1/4, of packets scaled by 2^10 and of bytes by 2^5 per second. */
static __always_inline void estimate(struct cv_estimate *e, const __u64 *now)
{
	for (int i = 0; i < CV_RATES; i++) {
		__u64 gained = now[i] - e->last[i];
		__s64 rate = gained << (i < CV_INBYTES ? 9 : 4);

		e->last[i] = now[i];
		e->rate[i] += (rate - (__s64)e->rate[i]) >> 2;
	}
}

static long estimate_dest(__u32 step, void *arg)
{
	__u32 index = (*(__u32 *)arg)++;
	struct cv_dest *d = dest_at(index);
	struct cv_estimate *e;
	struct sum s = {};

	if (!d || !(d->flags & CV_DEST_USED))
		return 0;
	e = bpf_map_lookup_elem(&dest_est, &index);
	if (!e)
		return 0;
	s.dest = index;
	bpf_loop(geo.ncpus, sum_cpu, &s, 0);
	estimate(e, s.of);
	return 0;
}

static long estimate_service(__u32 step, void *arg)
{
	__u32 index = (*(__u32 *)arg)++;
	struct cv_service *svc = service_at(index);
	struct cv_estimate *e;
	struct sum s = {};

	if (!svc || !(svc->flags & CV_SVC_USED))
		return 0;
	e = bpf_map_lookup_elem(&svc_est, &index);
	if (!e)
		return 0;
	for (int i = 0; i < CV_RATES; i++)
		s.of[i] = e->gone[i];
	s.at = READ_ONCE(svc->head);
	bpf_loop(1 << 20, sum_dest, &s, 0);
	estimate(e, s.of);
	return 0;
}

/* A slice of a round of estimates: each service and destination once in EST_SWEEPS sweeps. */
static __always_inline void estimate_slice(__u32 round)
{
	__u32 d = (__u64)geo.max_dests * round / EST_SWEEPS,
	      d_end = (__u64)geo.max_dests * (round + 1) / EST_SWEEPS;
	__u32 s = (__u64)geo.max_services * round / EST_SWEEPS;
	__u32 s_end = (__u64)geo.max_services * (round + 1) / EST_SWEEPS;

	if (!settings.run_estimation)
		return;
	bpf_loop(d_end - d, estimate_dest, &d, 0);
	bpf_loop(s_end - s, estimate_service, &s, 0);
}

static __always_inline void clock_set(void)
{
	WRITE_ONCE(clock.now, (__u32)(bpf_ktime_get_ns() / CV_TICK_NS));
}

static int sweep(void *map, int *key, struct cv_sweeper *s)
{
	clock_set();
	sweep_table(false, &s->at4, sweep_share(geo.sets4));
	sweep_table(true, &s->at6, sweep_share(geo.sets6));
	estimate_slice(s->est_round % EST_SWEEPS);
	if (s->est_round % CACHE_SWEEPS == 0)
		cache_sweep();
	s->est_round++;
	bpf_timer_start(&s->timer, SWEEP_PERIOD_NS, 0);
	return 0;
}

/*
 * Winds the timer up, or takes it over from the programs that an upgrade replaces: a
 * timer has one callback, and the map has one timer, so there are never two sweepers.
 */
static __always_inline int sweeper_start(void)
{
	__u32 zero = 0;
	struct cv_sweeper *s = bpf_map_lookup_elem(&timer, &zero);
	long rc;

	if (!s)
		return 1;
	clock_set();
	bpf_loop(CV_REGIONS, region_unknown, NULL, 0);
	rc = bpf_timer_init(&s->timer, &timer, CLOCK_MONOTONIC);
	if (rc && rc != -16) /* -EBUSY: it is there already */
		return 1;
	if (bpf_timer_set_callback(&s->timer, sweep))
		return 1;
	return bpf_timer_start(&s->timer, SWEEP_PERIOD_NS, 0) ? 1 : 0;
}

#endif
