// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters and rates, as ip_vs_copy_stats() and ip_vs_read_estimator() show them. */
#include <stddef.h>
#include <string.h>

#include "figures.h"
#include "journal.h"

/*
 * cv_estimate.rate is scaled: connections and packets by 2^10, bytes by 2^5; both
 * round half down.
 */
static uint64_t show_rate(enum cv_rate what, uint64_t scaled)
{
	return what < CV_INBYTES ? (scaled + 0x1ff) >> 10 : (scaled + 0xf) >> 5;
}

static uint64_t once(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

void figures_dest_total(const struct cv *cv, uint32_t dest, uint64_t out[CV_RATES])
{
	uint32_t ncpus = cv->journal->geo.ncpus;

	memset(out, 0, CV_RATES * sizeof(*out));
	for (uint32_t cpu = 0; cpu < ncpus; cpu++) {
		const struct cv_counters *c =
			counters_at(cv, cv_counters_at(&cv->journal->geo, dest, cpu));

		out[CV_CONNS] += once(&c->conns);
		out[CV_INPKTS] += once(&c->inpkts);
		out[CV_OUTPKTS] += once(&c->outpkts);
		out[CV_INBYTES] += once(&c->inbytes);
		out[CV_OUTBYTES] += once(&c->outbytes);
	}
}

static void show(const struct cv_estimate *e, const uint64_t total[CV_RATES],
		 struct cv_figures *out)
{
	for (int i = 0; i < CV_RATES; i++) {
		out->total[i] = total[i] - once(&e->base[i]);
		out->rate[i] = show_rate(i, once(&e->rate[i]));
	}
}

void figures_dest(const struct cv *cv, uint32_t dest, struct cv_figures *out)
{
	uint64_t total[CV_RATES];

	figures_dest_total(cv, dest, total);
	show(dest_est_at(cv, dest), total, out);
}

static void service_total(const struct cv *cv, uint32_t service, const uint32_t *dests, uint32_t n,
			  uint64_t out[CV_RATES])
{
	for (int i = 0; i < CV_RATES; i++)
		out[i] = once(&svc_est_at(cv, service)->gone[i]);
	for (uint32_t d = 0; d < n; d++) {
		uint64_t total[CV_RATES];

		figures_dest_total(cv, dests[d], total);
		for (int i = 0; i < CV_RATES; i++)
			out[i] += total[i];
	}
}

void figures_service(const struct cv *cv, uint32_t service, const uint32_t *dests, uint32_t n,
		     struct cv_figures *out)
{
	uint64_t total[CV_RATES];

	service_total(cv, service, dests, n, total);
	show(svc_est_at(cv, service), total, out);
}

/* The rates start anew; the sweeper, whose they are, goes on from there. */
static void zero(struct cv_estimate *e, const uint64_t total[CV_RATES])
{
	for (int i = 0; i < CV_RATES; i++) {
		__atomic_store_n(&e->base[i], total[i], __ATOMIC_RELAXED);
		__atomic_store_n(&e->rate[i], 0, __ATOMIC_RELAXED);
	}
}

void figures_zero_dest(struct cv *cv, uint32_t dest)
{
	uint64_t total[CV_RATES];

	figures_dest_total(cv, dest, total);
	zero(dest_est_at(cv, dest), total);
}

void figures_zero_service(struct cv *cv, uint32_t service, const uint32_t *dests, uint32_t n)
{
	uint64_t total[CV_RATES];

	service_total(cv, service, dests, n, total);
	zero(svc_est_at(cv, service), total);
}

void figures_clear_dest(struct cv *cv, uint32_t dest)
{
	uint32_t ncpus = cv->journal->geo.ncpus;

	/* But for what it sent, which is the instance's. */
	for (uint32_t cpu = 0; cpu < ncpus; cpu++)
		memset(counters_at(cv, cv_counters_at(&cv->journal->geo, dest, cpu)), 0,
		       offsetof(struct cv_counters, sent));
	memset(dest_est_at(cv, dest), 0, sizeof(struct cv_estimate));
}

uint64_t figures_sent(struct cv *cv)
{
	const struct cv_geometry *geo = &cv->journal->geo;
	uint64_t sum = 0;

	for (uint32_t dest = 0; dest < geo->max_dests; dest++) {
		if (!dest_at(cv, dest)->serial)
			continue; /* nobody ever had it */
		for (uint32_t cpu = 0; cpu < geo->ncpus; cpu++)
			sum += __atomic_load_n(
				&counters_at(cv, cv_counters_at(geo, dest, cpu))->sent,
				__ATOMIC_RELAXED);
	}
	return sum;
}

void figures_clear_service(struct cv *cv, uint32_t service)
{
	memset(svc_est_at(cv, service), 0, sizeof(struct cv_estimate));
}
