// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maglev hashing (ip_vs_mh.c; Eisenbud et al., NSDI 2016): every destination has
 * an order of its own in which it wants the table's slots, by its address and
 * port. They take turns; each takes, of the slots left, as many as its weight
 * allows a turn. A quiesced destination keeps the slots of its last weight.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <culvert/sched.h>

#include "cleanup.h"
#include "scheduler.h"
#include "why.h"

struct wish {
	uint32_t slot;	 /* that it wants next */
	uint32_t stride; /* to the one after it */
	uint32_t turns;	 /* slots that it takes a turn */
};

static int32_t gcd(int32_t a, int32_t b)
{
	return b ? gcd(b, a % b) : a;
}

/* Bits of x: the kernel's fls(). */
static int bits(uint32_t x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

/* Weights are divided by their gcd, and then until the largest has CV_MH_TURN_BITS bits. */
static void measure(const struct cv *cv, const uint32_t *list, uint32_t n, int32_t *divisor,
		    int *shift)
{
	int32_t most = 0;

	*divisor = *shift = 0;
	for (uint32_t i = 0; i < n; i++) {
		int32_t weight = dest_at(cv, list[i])->last_weight;

		*divisor = gcd(weight, *divisor);
		most = weight > most ? weight : most;
	}
	if (most && bits(most / *divisor) > CV_MH_TURN_BITS)
		*shift = bits(most / *divisor) - CV_MH_TURN_BITS;
}

/* ip_vs_mh_hashkey() folds a destination's address as the service's family has it. */
static struct wish first_wish(const struct cv_dest *d, int32_t divisor, int shift)
{
	uint32_t word = bpf_ntohs(d->port) + cv_fold(&d->addr, d->owner.family == AF_INET6);
	uint32_t turns = (uint32_t)(d->last_weight / divisor) >> shift;

	return (struct wish){
		.slot = cv_mh_hash(word, CV_MH_KEY) % CV_MH_SLOTS,
		.stride = cv_mh_hash(word, CV_MH_STRIDE_KEY) % (CV_MH_SLOTS - 1) + 1,
		.turns = turns || !d->last_weight ? turns : 1,
	};
}

/* Takes the next free slot of its order. */
static void take(struct wish *w, uint32_t dest, uint32_t *table)
{
	while (table[w->slot] != CV_NONE)
		w->slot = (w->slot + w->stride) % CV_MH_SLOTS;
	table[w->slot] = dest;
}

static void take_turns(const uint32_t *list, struct wish *wishes, uint32_t n, uint32_t *table)
{
	uint32_t taken = 0;

	for (uint32_t i = 0;; i = i + 1 < n ? i + 1 : 0) {
		for (uint32_t turn = 0; turn < wishes[i].turns; turn++) {
			take(&wishes[i], list[i], table);
			if (++taken == CV_MH_SLOTS)
				return;
		}
	}
}

static int fill(const struct cv *cv, const uint32_t *list, uint32_t n, uint32_t *table)
{
	_cleanup_free_ struct wish *wishes = calloc(n, sizeof(*wishes));
	int32_t divisor;
	int shift;

	if (!wishes)
		return cv_plain(-ENOMEM);
	memset(table, 0xff, CV_MH_SLOTS * sizeof(*table)); /* CV_NONE */
	measure(cv, list, n, &divisor, &shift);
	if (!divisor)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		wishes[i] = first_wish(dest_at(cv, list[i]), divisor, shift);
	take_turns(list, wishes, n, table);
	return 0;
}

const struct sched_ops sched_mh = { .fill = fill, .slots = CV_MH_SLOTS, .most = CV_MH_SLOTS };
