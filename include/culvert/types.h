/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types that the data path (bpf/) and the library (lib/) share.
 */
#ifndef CULVERT_TYPES_H
#define CULVERT_TYPES_H

#include <linux/types.h>

#define CV_CACHELINE 64
#define CV_ALIGNED __attribute__((aligned(CV_CACHELINE)))

/* No index: the end of a list, or an unset reference. */
#define CV_NONE 0xffffffffU

/*
 * An IPv4 or IPv6 address in network byte order; which of the two, the owner
 * says. An IPv4 address stands in the first word and the rest is zero, so that
 * whole unions can be compared and hashed.
 */
union cv_addr {
	__u8 b[16];
	__be32 v4;
	__be32 w[4];
	__u64 q[2];
};

/*
 * Time in the data path: ticks of 1/64 s since boot (CLOCK_MONOTONIC), modulo
 * 2^32. Compare with cv_before(); the difference of two times must stay under
 * 2^31 ticks (388 days).
 */
#define CV_HZ 64
#define CV_TICK_NS (1000000000ULL / CV_HZ)

static inline int cv_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

#endif
