/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the library's half of the schedulers and the data path's agree on: the
 * tables of dh, sh and mh, and the arithmetic that leads into them, which is the
 * kernel's (net/netfilter/ipvs/ip_vs_{dh,sh,mh}.c, include/linux/hash.h,
 * lib/siphash.c): the same client gets the same server.
 */
#ifndef CULVERT_SCHED_H
#define CULVERT_SCHED_H

#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "types.h"

/* ---- tables -------------------------------------------------------------- */

/*
 * A table is an array of slots, each the index of a destination; it is kept in
 * the hash map `tables` in pieces of CV_TABLE_PIECE slots, each replaced whole.
 * Made by the library. A service without destinations has none.
 */
#define CV_TABLE_PIECE 256

struct cv_table_key {
	__u32 service;
	__u32 piece;
};

struct cv_table {
	__u32 dest[CV_TABLE_PIECE];
};

#define CV_SH_SLOTS 256 /* IP_VS_SH_TAB_SIZE, IP_VS_DH_TAB_SIZE */

/* Of Debian's CONFIG_IP_VS_MH_TAB_INDEX=12, the default: the fifth of the kernel's primes. */
#define CV_MH_SLOTS 4093
#define CV_MH_TURN_BITS 6 /* no destination gets more than 2^6 - 1 slots a turn */

/* Pieces of the largest table. */
#define CV_TABLE_PIECES ((CV_MH_SLOTS + CV_TABLE_PIECE - 1) / CV_TABLE_PIECE)

/* ---- hashes -------------------------------------------------------------- */

/* An address as one word, in host byte order. */
static inline __u32 cv_fold(const union cv_addr *addr, bool v6)
{
	return bpf_ntohl(v6 ? addr->w[0] ^ addr->w[1] ^ addr->w[2] ^ addr->w[3] : addr->v4);
}

/* dh, sh: Knuth's multiplicative hash, hash_32(); to 8 bits. */
static inline __u32 cv_sh_hash(__u32 x)
{
	return (x * 0x61c88647U) >> 24;
}

#define CV_ROTATE(x, by) ((x) << (by) | (x) >> (64 - (by)))

struct cv_sip {
	__u64 v0, v1, v2, v3;
};

static inline void cv_sip_round(struct cv_sip *s)
{
	s->v0 += s->v1;
	s->v1 = CV_ROTATE(s->v1, 13) ^ s->v0;
	s->v0 = CV_ROTATE(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = CV_ROTATE(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = CV_ROTATE(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = CV_ROTATE(s->v1, 17) ^ s->v2;
	s->v2 = CV_ROTATE(s->v2, 32);
}

/*
 * mh: SipHash-1-3 (Aumasson and Bernstein, 2012) of one 32-bit word, of which
 * the low half counts: what hsiphash_1u32() is on 64-bit kernels. The key is
 * the same word twice.
 */
static inline __u32 cv_mh_hash(__u32 word, __u64 key)
{
	const __u64 last = (__u64)sizeof(word) << 56 | word;
	struct cv_sip s = {
		0x736f6d6570736575ULL ^ key,
		0x646f72616e646f6dULL ^ key,
		0x6c7967656e657261ULL ^ key,
		0x7465646279746573ULL ^ key,
	};

	s.v3 ^= last;
	cv_sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	cv_sip_round(&s);
	cv_sip_round(&s);
	cv_sip_round(&s);
	return (__u32)(s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
}

/* The kernel's fixed keys: of clients and of where a destination begins, and of its stride. */
#define CV_MH_KEY 2654435761ULL
#define CV_MH_STRIDE_KEY 2654446892ULL

#endif
