/* SPDX-License-Identifier: GPL-2.0-only */
/* Words that every file of the data path uses. */
#ifndef CULVERT_BPF_COMMON_H
#define CULVERT_BPF_COMMON_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Loads and stores that the compiler may neither repeat, tear nor drop. Where
 * one CPU reads what another wrote, the order of plain loads and of plain
 * stores is relied upon only as far as TSO gives it (x86); what must hold
 * beyond that goes through an atomic operation, which BPF fully orders.
 */
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/*
 * A global function: the verifier proves it once, for any arguments, instead of
 * anew on every path that leads to it. Its arguments are scalars, or pointers
 * to memory that it checks for NULL; it returns a scalar.
 */
#define GLOBAL __attribute__((noinline))

#define AF_INET 2
#define AF_INET6 10
#define ETH_ALEN 6

/* Keeps the verifier and the compiler from losing a bound that was checked. */
#define bounded(x, mask)                                         \
	({                                                       \
		typeof(x) x_ = (x);                              \
		asm volatile("%0 &= %1" : "+r"(x_) : "i"(mask)); \
		x_;                                              \
	})

/*
 * What a loop's callback returns of a global function's 0 or 1: the verifier knows
 * nothing of what that returns, and the compiler may know all and compare no more.
 */
#define zero_or_one(x) bounded((__u32)(x), 1)

static __always_inline void count_cause_at(__u32 cause, __u32 cpu)
{
	struct cv_causes *c = bpf_map_lookup_elem(&causes, &cpu);

	if (c && cause < CV_C_COUNT)
		c->n[cause]++;
}

static __always_inline void count_cause(__u32 cause)
{
	count_cause_at(cause, bpf_get_smp_processor_id());
}

static __always_inline struct cv_dest *dest_at(__u32 index)
{
	return bpf_map_lookup_elem(&dests, &index);
}

static __always_inline struct cv_service *service_at(__u32 index)
{
	return bpf_map_lookup_elem(&svcs, &index);
}

#endif
