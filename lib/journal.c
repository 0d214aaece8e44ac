// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "figures.h"
#include "instance.h"
#include "journal.h"
#include "scheduler.h"
#include "why.h"

enum op_kind {
	OP_STORE,
	OP_SWAP,
	OP_AND,
	OP_FOLD,
	OP_HASH_ADD,
	OP_HASH_DEL,
	OP_HASH_COUNT,
	OP_REBUILD
};

/* How every operation of a record begins. */
struct op {
	uint8_t kind;
	uint8_t map;   /* enum map_id */
	uint8_t width; /* of a store, bytes */
	uint8_t reserved;
	uint32_t size; /* of the operation: where the next one begins */
};

struct op_store {
	struct op op;
	uint64_t offset; /* in the table, bytes */
	uint64_t old;	 /* SWAP: what must be there */
	uint64_t value;	 /* AND: the mask */
};

struct op_fold {
	struct op op;
	uint32_t service;
	uint32_t dest;
	int64_t sign;
	uint64_t old[CV_RATES]; /* gone, before */
};

/* The last of a record: of the list as the others leave it. */
struct op_rebuild {
	struct op op;
	uint32_t service;
	uint32_t fresh;
};

struct op_hash {
	struct op op;
	uint32_t value;
	uint32_t old; /* COUNT */
	uint8_t key[48];
};
_Static_assert(sizeof(struct cv_service_key) == 24, "the keys' sizes");
_Static_assert(sizeof(struct cv_dest_key) <= sizeof(((struct op_hash *)0)->key), "must fit");

void (*journal_step)(void);

static void step(void)
{
	if (journal_step)
		journal_step();
}

/* ---- writing down --------------------------------------------------------- */

void txn_begin(struct txn *t, struct cv *cv)
{
	*t = (struct txn){ .cv = cv, .rebuild = CV_NONE };
}

static void *add_op(struct txn *t, enum op_kind kind, enum map_id map, size_t size)
{
	struct op *op = (struct op *)(t->cv->journal->record + t->used);

	if (t->err)
		return NULL;
	if (t->used + size > JOURNAL_RECORD) {
		t->err = cv_fail(-EOVERFLOW, "an edit has outgrown its journal record");
		return NULL;
	}
	*op = (struct op){ .kind = kind, .map = map, .size = size };
	t->used += size;
	return op;
}

/* The table that has this field. */
static enum map_id table_of(struct cv *cv, const void *field)
{
	unsigned int map;

	for (map = 0; map < MAP_TABLES; map++) {
		const struct table *t = &cv->tables[map];

		if (t->base && (uintptr_t)field - (uintptr_t)t->base < t->length)
			break;
	}
	return map;
}

static uint64_t load(const void *field, size_t width)
{
	switch (width) {
	case 1:
		return __atomic_load_n((const uint8_t *)field, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)field, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)field, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const uint64_t *)field, __ATOMIC_RELAXED);
	}
}

static void store(void *field, size_t width, uint64_t value)
{
	switch (width) {
	case 1:
		__atomic_store_n((uint8_t *)field, value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)field, value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)field, value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)field, value, __ATOMIC_RELEASE);
		break;
	}
}

static void add_store(struct txn *t, enum op_kind kind, void *field, size_t width, uint64_t old,
		      uint64_t value)
{
	enum map_id map = table_of(t->cv, field);
	struct op_store *op;

	if (map == MAP_TABLES) {
		t->err = cv_fail(-EFAULT, "an edit of what no table has");
		return;
	}
	op = add_op(t, kind, map, sizeof(*op));
	if (!op)
		return;
	op->op.width = width;
	op->offset = (uintptr_t)field - (uintptr_t)t->cv->tables[map].base;
	op->old = old;
	op->value = value;
}

void txn_store(struct txn *t, void *field, size_t size, uint64_t value)
{
	add_store(t, OP_STORE, field, size, load(field, size), value);
}

void txn_swap(struct txn *t, uint32_t *field, uint32_t from, uint32_t value)
{
	add_store(t, OP_SWAP, field, sizeof(*field), from, value);
}

void txn_and(struct txn *t, uint32_t *field, uint32_t mask)
{
	add_store(t, OP_AND, field, sizeof(*field), load(field, sizeof(*field)), mask);
}

void txn_fold(struct txn *t, uint32_t service, uint32_t dest, int sign)
{
	struct op_fold *op = add_op(t, OP_FOLD, MAP_SVC_EST, sizeof(*op));

	if (!op)
		return;
	op->service = service;
	op->dest = dest;
	op->sign = sign;
	memcpy(op->old, svc_est_at(t->cv, service)->gone, sizeof(op->old));
}

static size_t key_size(enum map_id map)
{
	return map == MAP_SERVICES ? sizeof(struct cv_service_key) :
	       map == MAP_REALS	   ? sizeof(struct cv_real_key) :
				     sizeof(struct cv_dest_key);
}

static void add_hash(struct txn *t, enum op_kind kind, enum map_id map, const void *key,
		     uint32_t old, uint32_t value)
{
	struct op_hash *op = add_op(t, kind, map, sizeof(*op));
	size_t size = key_size(map);

	if (!op)
		return;
	op->old = old;
	op->value = value;
	memset(op->key, 0, sizeof(op->key));
	memcpy(op->key, key, size);
}

void txn_hash_add(struct txn *t, enum map_id map, const void *key, uint32_t value)
{
	add_hash(t, OP_HASH_ADD, map, key, 0, value);
}

void txn_hash_del(struct txn *t, enum map_id map, const void *key, uint32_t value)
{
	add_hash(t, OP_HASH_DEL, map, key, 0, value);
}

void txn_hash_count(struct txn *t, enum map_id map, const void *key, uint32_t was, uint32_t count)
{
	add_hash(t, OP_HASH_COUNT, map, key, was, count);
}

void txn_rebuild(struct txn *t, uint32_t service, bool fresh)
{
	t->rebuild = service;
	t->fresh |= fresh;
}

static void add_rebuild(struct txn *t)
{
	struct op_rebuild *op = add_op(t, OP_REBUILD, MAP_SCHED_TABLES, sizeof(*op));

	if (!op)
		return;
	op->service = t->rebuild;
	op->fresh = t->fresh;
}

/* ---- carrying out --------------------------------------------------------- */

static int hash_set(struct cv *cv, const struct op_hash *op, uint32_t value)
{
	int fd = map_fd(cv, op->op.map);

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, op->key, &value, BPF_ANY) < 0)
		return cv_fail(-errno, "map %s: %s", map_name(op->op.map), strerror(errno));
	return 0;
}

static int hash_clear(struct cv *cv, const struct op_hash *op)
{
	int fd = map_fd(cv, op->op.map);

	if (fd < 0)
		return fd;
	if (bpf_map_delete_elem(fd, op->key) < 0 && errno != ENOENT)
		return cv_fail(-errno, "map %s: %s", map_name(op->op.map), strerror(errno));
	return 0;
}

static int hash_count(struct cv *cv, const struct op_hash *op, uint32_t count)
{
	return count ? hash_set(cv, op, count) : hash_clear(cv, op);
}

static void fold(struct cv *cv, const struct op_fold *op, int64_t sign)
{
	__u64 *gone = svc_est_at(cv, op->service)->gone;
	uint64_t total[CV_RATES];

	figures_dest_total(cv, op->dest, total);
	for (int i = 0; i < CV_RATES; i++)
		store(&gone[i], sizeof(gone[i]), op->old[i] + (uint64_t)sign * total[i]);
}

static void swap(void *field, uint32_t from, uint32_t value)
{
	__atomic_compare_exchange_n((uint32_t *)field, &from, value, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
}

static int rebuild(struct cv *cv, const struct op_rebuild *op)
{
	return sched_rebuild(cv, op->service, op->fresh);
}

/* Of a store and its like; of others NULL. */
static void *field_of(struct cv *cv, const struct op *op)
{
	const struct op_store *s = (const struct op_store *)op;

	if (op->kind != OP_STORE && op->kind != OP_SWAP && op->kind != OP_AND)
		return NULL;
	return bytes_at(cv, op->map < MAP_TABLES ? op->map : MAP_JOURNAL, s->offset, op->width);
}

static int carry_out(struct cv *cv, const struct op *op)
{
	const struct op_store *s = (const struct op_store *)op;
	const struct op_hash *h = (const struct op_hash *)op;
	void *field = field_of(cv, op);

	switch (op->kind) {
	case OP_STORE:
		store(field, op->width, s->value);
		return 0;
	case OP_SWAP:
		swap(field, s->old, s->value);
		return 0;
	case OP_AND:
		__atomic_and_fetch((uint32_t *)field, (uint32_t)s->value, __ATOMIC_ACQ_REL);
		return 0;
	case OP_FOLD:
		fold(cv, (const struct op_fold *)op, ((const struct op_fold *)op)->sign);
		return 0;
	case OP_HASH_ADD:
		return hash_set(cv, h, h->value);
	case OP_HASH_DEL:
		return hash_clear(cv, h);
	case OP_HASH_COUNT:
		return hash_count(cv, h, h->value);
	case OP_REBUILD:
		return rebuild(cv, (const struct op_rebuild *)op);
	}
	return cv_fail(-EPROTO, "the journal has an operation that this culvert does not know");
}

/* J3. What cannot be taken back (a map that gets no memory for what it had) stays as it is. */
static void take_back(struct cv *cv, const struct op *op)
{
	const struct op_store *s = (const struct op_store *)op;
	const struct op_hash *h = (const struct op_hash *)op;
	void *field = field_of(cv, op);

	switch (op->kind) {
	case OP_STORE:
		store(field, op->width, s->old);
		break;
	case OP_SWAP:
		swap(field, s->value, s->old);
		break;
	case OP_AND:
		__atomic_or_fetch((uint32_t *)field, (uint32_t)(s->old & ~s->value),
				  __ATOMIC_ACQ_REL);
		break;
	case OP_FOLD:
		fold(cv, (const struct op_fold *)op, 0);
		break;
	case OP_HASH_ADD:
		hash_clear(cv, h);
		break;
	case OP_HASH_DEL:
		hash_set(cv, h, h->value);
		break;
	case OP_HASH_COUNT:
		hash_count(cv, h, h->old);
		break;
	}
}

static const struct op *op_at(const struct journal *j, uint32_t at)
{
	return (const struct op *)(j->record + at);
}

static int apply(struct cv *cv)
{
	struct journal *j = cv->journal;
	uint32_t at, failed;
	int err = 0;

	for (at = 0; at < j->used && !err; at += op_at(j, at)->size) {
		failed = at;
		err = carry_out(cv, op_at(j, at));
		if (!err)
			err = cv->spoiled;
		step();
	}
	if (err) {
		for (at = 0; at < failed; at += op_at(j, at)->size)
			take_back(cv, op_at(j, at));
		/*
		 * It may have failed half way; what it makes depends on what is
		 * taken back by now.
		 */
		if (op_at(j, failed)->kind == OP_REBUILD)
			rebuild(cv, (const struct op_rebuild *)op_at(j, failed));
	}
	__atomic_store_n(&j->state, JOURNAL_EMPTY, __ATOMIC_RELEASE);
	step();
	return err;
}

int txn_commit(struct txn *t)
{
	struct journal *j = t->cv->journal;

	if (t->rebuild != CV_NONE)
		add_rebuild(t);
	if (!t->err)
		t->err = t->cv->spoiled;
	if (t->err)
		return t->err;
	j->used = t->used;
	step();
	__atomic_store_n(&j->state, JOURNAL_PENDING, __ATOMIC_RELEASE);
	step();
	return apply(t->cv);
}

/* Does the record consist of operations, one after the other to its end? */
static bool well_formed(const struct journal *j)
{
	uint32_t at = 0;

	if (j->used > JOURNAL_RECORD)
		return false;
	while (at < j->used) {
		const struct op *op = op_at(j, at);

		if (j->used - at < sizeof(*op) || op->size < sizeof(*op) ||
		    op->size > j->used - at || op->size % sizeof(*op))
			return false;
		at += op->size;
	}
	return true;
}

int journal_recover(struct cv *cv)
{
	int err = maps_need(cv, MAPS_BASIC | MAPS_LIST);

	if (err || cv->journal->state != JOURNAL_PENDING)
		return err;
	if (!well_formed(cv->journal))
		return cv_fail(-EPROTO, "the journal is damaged");
	/* All that it stores to, before the first store: without that it stays for the next. */
	for (uint32_t at = 0; at < cv->journal->used; at += op_at(cv->journal, at)->size)
		field_of(cv, op_at(cv->journal, at));
	return cv->spoiled ? cv->spoiled : apply(cv);
}
