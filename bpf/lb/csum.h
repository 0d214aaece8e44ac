/* SPDX-License-Identifier: GPL-2.0-only */
/* Checksums changed by what changed (RFC 1624), not computed anew. */
#ifndef CULVERT_BPF_LB_CSUM_H
#define CULVERT_BPF_LB_CSUM_H

#include "../common.h"

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* 32 bits congruent to a sum of many, modulo 0xffff. */
static __always_inline __u32 csum_narrow(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* What replacing `from` by `to` adds to a sum: ~m + m' of RFC 1624's eqn. 3. */
static __always_inline __u64 csum_of_addr(bool v6, const union cv_addr *from,
					  const union cv_addr *to)
{
	__u64 sum = (__u64)(__u32)~from->w[0] + to->w[0];

	if (v6)
		for (int i = 1; i < 4; i++)
			sum += (__u64)(__u32)~from->w[i] + to->w[i];
	return sum;
}

static __always_inline __u64 csum_of_port(__be16 from, __be16 to)
{
	return (__u64)(__u16)~from + to;
}

static __always_inline __u16 csum_apply(__u16 check, __u64 change)
{
	return csum_fold(csum_narrow(change + (__u16)~check));
}

#endif
