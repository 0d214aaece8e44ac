/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SCTP's checksum, CRC32c (RFC 9260, appendix A), changed by what changed. A CRC
 * is linear: bits that change in a packet change its CRC by what they alone, with
 * zeroes for all the rest, would come to. So another port costs the same in a
 * short packet as in a long one, whose payload is not read.
 *
 * Numbers stand for polynomials over GF(2), the highest power in the lowest bit.
 */
#ifndef CULVERT_BPF_LB_CRC32C_H
#define CULVERT_BPF_LB_CRC32C_H

#include "../common.h"

#define CRC32C_POLY 0x82f63b78U

/* a * b, modulo the polynomial. */
GLOBAL __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = b >> 1 ^ (CRC32C_POLY & -(b & 1));
	}
	return product;
}

/* [n]: x^(8 * 2^n), which is what 2^n more bytes multiply a CRC by. */
static const __u32 crc32c_powers[16] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
	0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/*
 * What a CRC over `bytes` (at most 65535) bytes is changed by, by exclusive or,
 * when the first four change by `change`; both as they stand in memory.
 */
GLOBAL __u32 crc32c_change(__u32 change, __u32 bytes)
{
	for (int i = 0; i < 16; i++)
		if (bytes >> i & 1)
			change = crc32c_multiply(crc32c_powers[i], change);
	return change;
}

/* ---- from scratch, in tc -------------------------------------------------- */

#define CRC32C_STEP 32
#define CRC32C_MOST 65536

struct crc32c_walk {
	struct __sk_buff *skb;
	__u32 at;
	__u32 end;
	__u32 crc;
};

/* [n]: four bits' worth. */
static const __u32 crc32c_nibbles[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static long crc32c_step(__u32 step, void *arg)
{
	struct crc32c_walk *w = arg;
	__u8 bytes[CRC32C_STEP] = {};
	__u32 n = w->end - w->at, crc = w->crc;

	if (!n)
		return 1;
	if (n > CRC32C_STEP)
		n = CRC32C_STEP;
	n = bounded(n - 1, CRC32C_STEP - 1) + 1;
	if (bpf_skb_load_bytes(w->skb, w->at, bytes, n))
		return 1;
	for (__u32 i = 0; i < CRC32C_STEP; i++) {
		if (i >= n)
			break;
		crc ^= bytes[i];
		crc = crc >> 4 ^ crc32c_nibbles[crc & 15];
		crc = crc >> 4 ^ crc32c_nibbles[crc & 15];
	}
	w->crc = crc;
	w->at += n;
	return 0;
}

/* CRC32c of the frame's bytes from `at` to `end`. */
GLOBAL __u32 crc32c_frame(struct __sk_buff *skb, __u32 at, __u32 end)
{
	struct crc32c_walk w = { .skb = skb, .at = at, .end = end, .crc = ~0U };

	bpf_loop(CRC32C_MOST / CRC32C_STEP, crc32c_step, &w, 0);
	return ~w.crc;
}

#endif
