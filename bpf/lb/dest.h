/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A destination's counts and counters. Counts (how many connections it has) are
 * shared and change atomically when a connection begins, ends or changes its
 * state; counters (what it carried) are per CPU and change with every packet.
 */
#ifndef CULVERT_BPF_LB_DEST_H
#define CULVERT_BPF_LB_DEST_H

#include "../common.h"

static __always_inline __u32 dest_total_conns(const struct cv_dest *d)
{
	return READ_ONCE(d->activeconns) + READ_ONCE(d->inactconns);
}

/*
 * The hysteresis of -x and -y (ip_vs_bind_dest(), ip_vs_unbind_dest()): full at
 * -x connections; free again below -y, or without -y below three quarters of -x.
 */
static __always_inline void dest_check_free(struct cv_dest *d)
{
	__u32 total;

	if (!(READ_ONCE(d->state) & CV_DEST_OVERLOAD))
		return;
	total = dest_total_conns(d);
	if (d->l_threshold ? total < d->l_threshold :
	    d->u_threshold ? (__u64)total * 4 < (__u64)d->u_threshold * 3 :
			     true)
		__sync_fetch_and_and(&d->state, ~CV_DEST_OVERLOAD);
}

/*
 * Connections may end on another CPU between the count and the flag, and find
 * nothing to clear: looked at again after the flag is set, one of the two sees
 * the other.
 */
static __always_inline void dest_check_full(struct cv_dest *d)
{
	if (!d->u_threshold || dest_total_conns(d) < d->u_threshold)
		return;
	__sync_fetch_and_or(&d->state, CV_DEST_OVERLOAD);
	dest_check_free(d);
}

/* `ctl`: the connection's, of which TEMPLATE and INACTIVE count. */
static __always_inline void dest_add_conn(struct cv_dest *d, __u32 ctl)
{
	if (ctl & CV_CTL_TEMPLATE)
		__sync_fetch_and_add(&d->persistconns, 1);
	else if (ctl & CV_CTL_INACTIVE)
		__sync_fetch_and_add(&d->inactconns, 1);
	else
		__sync_fetch_and_add(&d->activeconns, 1);
	dest_check_full(d);
}

static __always_inline void dest_drop_conn(struct cv_dest *d, __u32 ctl)
{
	if (ctl & CV_CTL_TEMPLATE)
		__sync_fetch_and_sub(&d->persistconns, 1);
	else if (ctl & CV_CTL_INACTIVE)
		__sync_fetch_and_sub(&d->inactconns, 1);
	else
		__sync_fetch_and_sub(&d->activeconns, 1);
	dest_check_free(d);
}

/* A connection became inactive, or active again. */
static __always_inline void dest_move_conn(struct cv_dest *d, bool inactive)
{
	__sync_fetch_and_add(&d->activeconns, inactive ? -1 : 1);
	__sync_fetch_and_add(&d->inactconns, inactive ? 1 : -1);
}

static __always_inline struct cv_counters *dest_counters_at(__u32 dest, __u32 cpu)
{
	__u32 at = cv_counters_at(&geo, dest, cpu);

	return bpf_map_lookup_elem(&counters, &at);
}

static __always_inline struct cv_counters *dest_counters(__u32 dest)
{
	return dest_counters_at(dest, bpf_get_smp_processor_id());
}

static __always_inline void count_in_at(__u32 dest, __u32 cpu, __u32 bytes)
{
	struct cv_counters *n = dest_counters_at(dest, cpu);

	if (n) {
		n->inpkts++;
		n->inbytes += bytes;
	}
}

static __always_inline void count_in(__u32 dest, __u32 bytes)
{
	count_in_at(dest, bpf_get_smp_processor_id(), bytes);
}

/* Of a server that has been taken out nothing is counted: ip_vs_in_stats(). */
static __always_inline void count_in_of(const struct cv_dest *d, __u32 dest, __u32 bytes)
{
	if (READ_ONCE(d->flags) & CV_DEST_AVAILABLE)
		count_in(dest, bytes);
}

/* Likewise: ip_vs_out_stats(). */
static __always_inline void count_out(const struct cv_dest *d, __u32 dest, __u32 bytes)
{
	struct cv_counters *n =
		READ_ONCE(d->flags) & CV_DEST_AVAILABLE ? dest_counters(dest) : NULL;

	if (n) {
		n->outpkts++;
		n->outbytes += bytes;
	}
}

/* More of a packet that was counted with its first fragment. */
static __always_inline void count_out_more(const struct cv_dest *d, __u32 dest, __u32 bytes)
{
	struct cv_counters *n =
		READ_ONCE(d->flags) & CV_DEST_AVAILABLE ? dest_counters(dest) : NULL;

	if (n)
		n->outbytes += bytes;
}

static __always_inline void count_conn(__u32 dest)
{
	struct cv_counters *n = dest_counters(dest);

	if (n)
		n->conns++;
}

/* May the scheduler choose it? (L3) */
static __always_inline bool dest_usable(const struct cv_dest *d)
{
	return (READ_ONCE(d->flags) & CV_DEST_AVAILABLE) &&
	       !(READ_ONCE(d->state) & CV_DEST_OVERLOAD) && READ_ONCE(d->weight) > 0;
}

#endif
