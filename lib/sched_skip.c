// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How rr and wrr find the next destination of some weight in a long list: each
 * points to the next with a larger weight (up), and by a second pointer (jump)
 * further along that chain, so that any weight in it is reached in O(log n)
 * steps (Myers, An applicative random-access stack, 1983). In a list from its
 * last destination to its first, the chain of one is known when its turn comes.
 */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "scheduler.h"
#include "why.h"

/* Positions in the list; n stands for its end, which has any weight. */
struct link {
	uint32_t up, jump;
	uint32_t depth; /* links to the end */
};

static bool heavier(const struct cv *cv, const uint32_t *list, uint32_t n, uint32_t at,
		    int32_t weight)
{
	return at == n || dest_at(cv, list[at])->weight > weight;
}

static uint32_t find_up(const struct cv *cv, const uint32_t *list, uint32_t n,
			const struct link *links, uint32_t i)
{
	int32_t weight = dest_at(cv, list[i])->weight;
	uint32_t at = i + 1;

	while (!heavier(cv, list, n, at, weight))
		at = heavier(cv, list, n, links[at].jump, weight) ? links[at].up : links[at].jump;
	return at;
}

static uint32_t find_jump(const struct link *links, uint32_t up)
{
	uint32_t jump = links[up].jump, further = links[jump].jump;

	return links[up].depth - links[jump].depth == links[jump].depth - links[further].depth ?
		       further :
		       up;
}

/* As cv_dest has it. */
static uint32_t pointer(const uint32_t *list, uint32_t n, uint32_t at)
{
	return at == n ? CV_NONE : list[at] + 1;
}

int sched_skip(struct cv *cv, const uint32_t *list, uint32_t n)
{
	_cleanup_free_ struct link *links = malloc((n + 1) * sizeof(*links));

	if (!links)
		return cv_plain(-ENOMEM);
	links[n] = (struct link){ .up = n, .jump = n };
	for (uint32_t i = n; i-- > 0;) {
		struct cv_dest *d = dest_at(cv, list[i]);
		uint32_t up = find_up(cv, list, n, links, i);

		links[i].up = up;
		links[i].jump = find_jump(links, up);
		links[i].depth = links[up].depth + 1;
		__atomic_store_n(&d->up, pointer(list, n, up), __ATOMIC_RELAXED);
		__atomic_store_n(&d->jump, pointer(list, n, links[i].jump), __ATOMIC_RELAXED);
	}
	return 0;
}
