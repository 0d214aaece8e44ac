/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keyed hash of the connection table: multiply-shift with secret odd
 * multipliers (Dietzfelbinger et al., 1997), so that who knows the source still
 * cannot aim at a set. It covers protocol, client address and client port only,
 * as ip_vs_conn_hashkey() does, so that a NAT'd connection's answers, whose
 * other end has another address, find the same sets.
 */
#ifndef CULVERT_BPF_LB_HASH_H
#define CULVERT_BPF_LB_HASH_H

#include "../common.h"

struct place {
	__u32 home;   /* set tried first; see place_second() */
	__u32 client; /* CV_TAG_CLIENT */
	__u32 key;    /* of cv_keys, as far as the client makes it */
};

/* [0, n) from 32 random bits, without a division. */
static __always_inline __u32 scale(__u32 random, __u32 n)
{
	return ((__u64)random * n) >> 32;
}

static __always_inline __u64 hash_mix(__u64 x)
{
	x *= geo.hash_key[0];
	x ^= x >> 32;
	x *= geo.hash_key[1];
	return x;
}

/*
 * 1 if x is negative, else 0: in assembler, because the compiler would make a
 * branch of what is done with it, which no processor could foresee, and the
 * verifier would follow both sides. (It does so too for an arithmetic shift.)
 */
static __always_inline __u64 negative(__u64 x)
{
	asm volatile("%0 >>= 63" : "+r"(x));
	return x;
}

/* a - b in the numbers modulo n. */
static __always_inline __u32 minus(__u32 a, __u32 b, __u32 n)
{
	__u64 difference = (__u64)a - b;

	return difference + negative(difference) * n;
}

static __always_inline struct place place_of(bool v6, __u64 hash)
{
	struct place at;

	at.home = scale(hash >> 32, v6 ? geo.sets6 : geo.sets4);
	at.client = hash & CV_TAG_CLIENT;
	at.client += negative((__u64)at.client - 1); /* 1 for 0 */
	at.key = hash >> 12;
	return at;
}

/*
 * The set tried when it is not in the first. Both together are a function of
 * CV_TAG_CLIENT, modulo the number of sets: two connections that share a tag and a
 * set share both sets (C9).
 */
static __always_inline __u32 place_second(bool v6, const struct place *at)
{
	__u32 sets = v6 ? geo.sets6 : geo.sets4;

	return minus(scale(at->client * (__u32)geo.hash_key[2], sets), at->home, sets);
}

/*
 * `more` is 0 for connections. Templates, which no answer has to find, put
 * their virtual address and port there: all of a client's would otherwise
 * crowd into the same two sets.
 */
static __always_inline struct place conn_place(bool v6, const union cv_addr *caddr, __be16 cport,
					       __u8 proto, __u64 more)
{
	/*
	 * The address below, where its last byte, which differs most, reaches the
	 * whole of the first product; at the top it would only reach the top.
	 */
	__u64 x = (__u64)cport << 32 | (__u64)proto << 48;

	if (v6) {
		__u64 high = (caddr->q[0] ^ geo.hash_key[3]) * geo.hash_key[1];

		x ^= caddr->q[1] ^ high ^ high >> 29;
		x = hash_mix(x ^ more ^ geo.hash_key[2]);
		x ^= x >> 32;
		x = (x + high) * geo.hash_key[0];
	} else {
		x |= caddr->v4;
		x = hash_mix(x ^ more ^ geo.hash_key[2]);
	}
	return place_of(v6, x ^ x >> 32);
}

/*
 * A device of several queues chooses one by the skb's hash. Unless the driver has
 * brought one the kernel would go through the headers for it (skb_get_hash(), 60 ns);
 * CV_TAG_CLIENT does as well, if all packets of a connection have it. No more than that,
 * spread over the word: a tunnel device shows others what it has of a hash (its source port).
 */
static __always_inline void skb_hash(struct __sk_buff *skb, __u32 client)
{
	if (!skb->hash)
		bpf_set_hash(skb, client * 0x9e3779b1U);
}

#endif
