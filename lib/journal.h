/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: how an edit of several words happens whole or not at all (L2).
 *
 * An edit is written down as a record of operations first: stores into mapped
 * tables, changes of BPF hash maps. The store that sets `state` to PENDING makes
 * it happen; then the operations are carried out, and `state` is EMPTY again. A
 * command may be killed at any instant: before PENDING nothing has happened;
 * after it, whoever takes the lock next carries the whole record out again.
 *
 * J1  Only the holder of the instance's lock writes here.
 * J2  Operations are absolute (or a compare-and-swap, or an AND): carrying one
 *     out twice is the same as once.
 * J3  An operation that fails (a hash map that gets no memory) takes back those
 *     before it, by the old values that the record has too: the edit has not
 *     happened.
 * J4  An edit too long for one record (-C, -D with its destinations) leaves its
 *     goal in `todo`, set by its first record: whoever takes the lock next goes
 *     on towards it.
 *
 * Who may read it, `build` says (culvert/build.h).
 */
#ifndef CULVERT_JOURNAL_H
#define CULVERT_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include <culvert/lb.h>

#include "maps.h"

#define JOURNAL_RECORD 3584

enum journal_state { JOURNAL_EMPTY, JOURNAL_PENDING };

/* A goal and what it is about, in one word: JOURNAL_TODO(). */
enum journal_todo {
	TODO_NOTHING,
	TODO_DRAIN, /* a service's slot: it is deleted, its destinations are not yet */
	TODO_FLUSH, /* all services */
	TODO_ZERO,  /* a service's slot: -Z */
	TODO_ZERO_ALL,
	TODO_DETACH, /* an ifindex: also what takes back an attach that was cut short */
};

/* The loopback device's `forwarding` was off before us, of IPv4 and of IPv6. */
#define JOURNAL_LO4 1U
#define JOURNAL_LO6 2U

#define JOURNAL_TODO(what, arg) ((uint64_t)(what) << 32 | (uint32_t)(arg))

/* How much of it culvert0_settle() has to look at: nothing, all, or what one service's slot decides. */
#define ROUTES_SETTLED 0U
#define ROUTES_ALL 1U
#define ROUTES_OF(slot) ((slot) + 2U)

struct journal {
	struct cv_geometry geo;
	uint32_t dest_hint; /* where the search for a free slot begins */
	uint32_t service_hint;
	uint64_t todo;
	uint32_t used; /* bytes of record */
	uint32_t state;
	uint32_t lo_forwarding; /* JOURNAL_LO*: what we turned on */
	uint32_t max_conns;	/* as asked for: the tables have a few more slots */
	uint32_t routes_due;	/* what stands beside the maps is not what they say: ROUTES_* */
	uint32_t max_conns6;	/* 0: as max_conns */
	uint32_t tracked;	/* there may be a table of nftables: tracked.h */
	uint8_t room[512 - 44 - sizeof(struct cv_geometry)];
	uint8_t record[JOURNAL_RECORD];
};
_Static_assert(sizeof(struct journal) == 4096, "the journal is one page");
_Static_assert(offsetof(struct journal, record) == 512, "records begin at a fixed place");

struct txn {
	struct cv *cv;
	uint32_t used;
	int err;
	uint32_t rebuild; /* the service that the record ends with; CV_NONE: none */
	bool fresh;
};

/* Begins a record; what follows adds to it, and txn_commit() says if anything failed. */
void txn_begin(struct txn *t, struct cv *cv);

/* *field = value, of 1, 2, 4 or 8 bytes in a mapped table. */
#define txn_set(t, field, value) txn_store(t, field, sizeof(*(field)), (uint64_t)(value))
void txn_store(struct txn *t, void *field, size_t size, uint64_t value);

/*
 * *field = value, if it is `from` when the record is carried out: fields that the
 * data path owns.
 */
void txn_swap(struct txn *t, uint32_t *field, uint32_t from, uint32_t value);

/* *field &= mask, at once: likewise. */
void txn_and(struct txn *t, uint32_t *field, uint32_t mask);

/* Moves what a destination has counted into (sign 1) or out of (-1) its service's `gone`. */
void txn_fold(struct txn *t, uint32_t service, uint32_t dest, int sign);

/* Adds an entry that is not there to, or removes one from, a BPF hash map of 32-bit values. */
void txn_hash_add(struct txn *t, enum map_id map, const void *key, uint32_t value);
void txn_hash_del(struct txn *t, enum map_id map, const void *key, uint32_t value);

/* Sets an entry that counts something from `was` to `count`; with 0 there is none. */
void txn_hash_count(struct txn *t, enum map_id map, const void *key, uint32_t was, uint32_t count);

/* Ends the record with sched_rebuild(): of one service, whenever it is said. */
void txn_rebuild(struct txn *t, uint32_t service, bool fresh);

/* Makes it happen. 0, or the first error of the calls above or of carrying it out. */
int txn_commit(struct txn *t);

/* Completes the record of a killed command. */
int journal_recover(struct cv *cv);

/* Tests die here, between any two stores. */
extern void (*journal_step)(void);

#endif
