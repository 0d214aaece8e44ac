/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tags of a set: what stands in them says include/culvert/conn.h. Where the
 * ways of a set are told apart by a word, way i is the top bit of byte i.
 */
#ifndef CULVERT_BPF_LB_TAG_H
#define CULVERT_BPF_LB_TAG_H

#include "hash.h"

static __always_inline struct cv_tags *tags_at(bool v6, __u32 set)
{
	return v6 ? bpf_map_lookup_elem(&conn6_tags, &set) : bpf_map_lookup_elem(&conn4_tags, &set);
}

/* 1 if x, which is below 2^63, is 0; else 0. */
static __always_inline __u64 zero(__u64 x)
{
	return negative(x - 1);
}

/* The ways with this client's hash. */
static __always_inline __u64 tags_of_client(const struct cv_tags *t, __u64 client)
{
	__u64 marks = 0;

#pragma unroll
	for (int i = 0; i < CV_WAYS; i++)
		marks |= zero((READ_ONCE(t->tag[i]) ^ client) & CV_TAG_CLIENT) << (8 * i + 7);
	return marks;
}

static __always_inline __u64 tags_free(const struct cv_tags *t)
{
	return tags_of_client(t, 0);
}

/* The tag with this CV_TAG_KEY, or 0. Several would come mixed, with CV_TAG_TWIN. */
static __always_inline __u64 tag_find(const struct cv_tags *t, __u64 key)
{
	__u64 found = 0;

#pragma unroll
	for (int i = 0; i < CV_WAYS; i++) {
		__u64 tag = READ_ONCE(t->tag[i]);

		found |= tag & -zero((tag ^ key) & CV_TAG_KEY);
	}
	return found;
}

/* The way of one mark: a perfect hash of the eight. */
static __always_inline __u32 way_of(__u64 mark)
{
	return ((mark >> 7) * 0x0020406080a0c0e0ULL) >> 61;
}

/* How many ways are marked. */
static __always_inline __u32 ways_marked(__u64 marks)
{
	return ((marks >> 7) * 0x0101010101010101ULL) >> 56;
}

static __always_inline void tag_set(bool v6, __u32 slot, __u64 tag)
{
	struct cv_tags *t = tags_at(v6, slot / CV_WAYS);

	if (t)
		WRITE_ONCE(t->tag[slot % CV_WAYS], tag);
}

/* Those with this key are twins from now on. CV_TAG_TWIN if there are any. Under the lock of the pair (C5). */
static __always_inline __u64 tag_twins(struct cv_tags *t, __u64 key)
{
	if (likely(!t || !tag_find(t, key)))
		return 0;
	for (int i = 0; i < CV_WAYS; i++) {
		if ((READ_ONCE(t->tag[i]) ^ key) & CV_TAG_KEY)
			continue;
		__sync_fetch_and_or(&t->tag[i], CV_TAG_TWIN);
		__sync_fetch_and_and(&t->tag[i], ~CV_TAG_LIVE);
	}
	return CV_TAG_TWIN;
}

/* The tag of a connection that is about to stand at `slot`. */
static __always_inline __u64 tag_new(bool v6, const struct place *at, __u32 slot, __u64 key,
				     __u32 dest)
{
	__u64 twin =
		tag_twins(tags_at(v6, at->home), key) | tag_twins(tags_at(v6, at->second), key);

	return key | (__u64)(slot % CV_WAYS) << CV_TAG_WAY_SHIFT | twin |
	       (__u64)(dest < CV_TAG_NODEST ? dest : CV_TAG_NODEST) << CV_TAG_DEST_SHIFT;
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
	__sync_fetch_and_and(&t->tag[slot % CV_WAYS], ~CV_TAG_LIVE);
	region_busy(v6, slot);
}

#endif
