/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tags of a set: what stands in them says include/culvert/conn.h. They are
 * looked through four at a time, without branches: no processor could foresee
 * those. Where the ways of a set are told apart by a word, each has the lowest bit
 * of a byte: of the byte whose number has the way's three bits in reverse.
 */
#ifndef CULVERT_BPF_LB_TAG_H
#define CULVERT_BPF_LB_TAG_H

#include "hash.h"

static __always_inline struct cv_tags *tags_at(bool v6, __u32 set)
{
	return v6 ? bpf_map_lookup_elem(&conn6_tags, &set) : bpf_map_lookup_elem(&conn4_tags, &set);
}

static __always_inline struct cv_keys *keys_at(bool v6, __u32 set)
{
	return v6 ? bpf_map_lookup_elem(&conn6_keys, &set) : bpf_map_lookup_elem(&conn4_keys, &set);
}

#define BOTH 0x0000000100000001ULL  /* a number for either half of a word */
#define LANES 0x0001000100010001ULL /* ... and for each quarter */

/*
 * Bit 12 of each quarter: is it `four`'s client? Of ways 0, 2, 1 and 3, counted from the
 * low end. A quarter of 2^12 less anything but 0 has it not.
 */
static __always_inline __u64 four_of_client(const __u64 *two, __u64 four)
{
	__u64 clients = (READ_ONCE(two[0]) & CV_TAG_CLIENT * BOTH) |
			(READ_ONCE(two[1]) & CV_TAG_CLIENT * BOTH) << 16;

	return ((CV_TAG_CLIENT + 1) * LANES - (clients ^ four)) & (CV_TAG_CLIENT + 1) * LANES;
}

/* The ways with this client's hash. */
static __always_inline __u64 tags_of_client(const struct cv_tags *t, __u32 client)
{
	const __u64 *two = (const void *)t->tag;
	__u64 four = client * LANES;

	return four_of_client(two, four) >> 12 | four_of_client(two + 2, four) >> 4;
}

static __always_inline __u64 tags_free(const struct cv_tags *t)
{
	return tags_of_client(t, 0);
}

/* The ways of connections that may be half open: CV_TAG_ASKED, and not LIVE. */
static __always_inline __u64 two_asked(__u64 two)
{
	return two >> 30 & ~(two >> 31) & BOTH;
}

static __always_inline __u64 tags_asked(const struct cv_tags *t)
{
	const __u64 *two = (const void *)t->tag;

	return two_asked(READ_ONCE(two[0])) | two_asked(READ_ONCE(two[1])) << 16 |
	       two_asked(READ_ONCE(two[2])) << 8 | two_asked(READ_ONCE(two[3])) << 24;
}

/* One of the marks, by three random bits. */
static __always_inline __u64 mark_of(__u64 marks, __u32 random)
{
	__u32 by = (random & 7) * 8, rest = (64 - by) & 63;
	__u64 turned = marks >> by | marks << rest, lowest = turned & -turned;

	return lowest << by | lowest >> rest;
}

/* The way of one mark: byte b of the word stands for the way of b's three bits in reverse. */
static __always_inline __u32 way_of(__u64 mark)
{
	return (mark * (4ULL << 53 | 2ULL << 45 | 6ULL << 37 | 1ULL << 29 | 5ULL << 21 |
			3ULL << 13 | 7ULL << 5)) >>
	       61;
}

/*
 * Of marks that are not 0: more than one? What the assembler hides is that bits are
 * counted here: the compiler would count them, for which BPF has no instruction.
 */
static __always_inline bool marks_several(__u64 marks)
{
	__u64 less = marks - 1;

	asm volatile("" : "+r"(less));
	return marks & less;
}

/* How many ways are marked. */
static __always_inline __u32 ways_marked(__u64 marks)
{
	return (marks * 0x0101010101010101ULL) >> 56;
}

static __always_inline void tag_set(bool v6, __u32 slot, __u32 tag)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);

	if (t)
		WRITE_ONCE(t->tag[slot % CV_WAYS], tag);
}

static __always_inline void key_set(bool v6, __u32 slot, __u32 key)
{
	struct cv_keys *k = keys_at(v6, slot / CV_WAYS);

	if (k)
		WRITE_ONCE(k->key[slot % CV_WAYS], key);
}

/* Two have the same key: neither is LIVE from now on. */
static __always_inline void tag_nobodys(__u32 *tag)
{
	__sync_fetch_and_or(tag, CV_TAG_NODEST << CV_TAG_DEST_SHIFT);
	if (READ_ONCE(*tag) & CV_TAG_LIVE)
		__sync_fetch_and_and(tag, ~(CV_TAG_LIVE | CV_TAG_SEEN));
}

/* Tells that of a way that another of its client's hash comes, and returns what its tag has to say of it. */
static __always_inline __u32 tag_twin(__u32 *tag, __u32 key, const struct place *at)
{
	if ((READ_ONCE(*tag) ^ at->client) & CV_TAG_CLIENT)
		return 0;
	__sync_fetch_and_or(tag, CV_TAG_TWIN);
	if (key != at->key)
		return CV_TAG_TWIN;
	tag_nobodys(tag);
	return CV_TAG_TWIN | CV_TAG_NODEST << CV_TAG_DEST_SHIFT;
}

/* All of a set (C9). Under the client's lock (C5). */
static __always_inline __u32 tag_twins(bool v6, __u32 set, const struct place *at)
{
	struct cv_tags *t = tags_at(v6, set);
	struct cv_keys *k = keys_at(v6, set);
	__u32 said = 0;

	if (likely(!t || !k || !tags_of_client(t, at->client)))
		return 0;
#pragma unroll
	for (int i = 0; i < CV_WAYS; i++)
		said |= tag_twin(&t->tag[i], READ_ONCE(k->key[i]), at);
	return said;
}

static __always_inline void tag_write(bool v6, __u32 slot, const struct place *at, __u32 dest,
				      __u32 flags)
{
	flags |= tag_twins(v6, at->home, at) | tag_twins(v6, place_second(v6, at), at);
	if (dest > CV_TAG_NODEST)
		dest = CV_TAG_NODEST;
	key_set(v6, slot, at->key);
	tag_set(v6, slot, at->client | dest << CV_TAG_DEST_SHIFT | flags);
}

/* Tag and key of a connection that is about to be in one of its sets; `at->key` is whole. `flags`: CV_TAG_ASKED. */
GLOBAL int tag_new(bool v6, __u32 slot, const struct place *at, __u32 dest, __u32 flags)
{
	if (!at)
		return -1;
	if (v6)
		tag_write(true, slot, at, dest, flags);
	else
		tag_write(false, slot, at, dest, flags);
	return 0;
}

static __always_inline __u32 *region_at(bool v6, __u32 region)
{
	region = bounded(region, CV_REGIONS - 1);
	return v6 ? &regions6[region] : &regions4[region];
}

/* The region of a set; the sets of a region come one after another. */
static __always_inline __u32 region_of(bool v6, __u32 set)
{
	return (__u64)set * CV_REGIONS / (v6 ? geo.sets6 : geo.sets4);
}

/*
 * The sweeper is to look at the slot, whose tag was written before, with an
 * atomic operation in between: the sweeper clears this first and reads tags then.
 */
static __always_inline void region_busy(bool v6, __u32 slot)
{
	__u32 *region = region_at(v6, region_of(v6, slot / CV_WAYS));

	if (!(READ_ONCE(*region) & CV_REGION_BUSY))
		__sync_fetch_and_or(region, CV_REGION_BUSY);
}

/* Its packets need the entry again. After a change of state, which orders this. */
static __always_inline void tag_not_live(bool v6, __u32 slot)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);

	if (!t || !(READ_ONCE(t->tag[slot % CV_WAYS]) & CV_TAG_LIVE))
		return;
	__sync_fetch_and_and(&t->tag[slot % CV_WAYS], ~(CV_TAG_LIVE | CV_TAG_SEEN));
	region_busy(v6, slot);
}

/* It is half open no more. */
static __always_inline void tag_answered(bool v6, __u32 slot)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);

	if (t && READ_ONCE(t->tag[slot % CV_WAYS]) & CV_TAG_ASKED)
		__sync_fetch_and_and(&t->tag[slot % CV_WAYS], ~CV_TAG_ASKED);
}

#endif
