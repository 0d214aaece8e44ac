// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvsadm_sort.h"

typedef int (*compare_fn)(const void *a, const void *b);

/*
 * As glibc's qsort() when it has the memory: which halves are merged shows where
 * the comparison is no order. v[] is sorted with spare[] as room for as many.
 */
static void merge_sort(const void **v, size_t n, compare_fn compare, const void **spare)
{
	size_t half = n / 2, left = 0, right = half;

	if (n < 2)
		return;
	merge_sort(v, half, compare, spare);
	merge_sort(v + half, n - half, compare, spare);
	memcpy(spare, v, n * sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		bool from_left =
			left < half && (right == n || compare(spare[left], spare[right]) <= 0);

		v[i] = from_left ? spare[left++] : spare[right++];
	}
}

static int sort(const void **v, size_t n, compare_fn compare)
{
	const void *few[64];
	const void **spare = few;

	if (n > sizeof(few) / sizeof(few[0])) {
		spare = malloc(n * sizeof(*v));
		if (!spare)
			return -ENOMEM;
	}
	merge_sort(v, n, compare, spare);
	if (spare != few)
		free(spare);
	return 0;
}

static int difference(uint32_t a, uint32_t b)
{
	return (int)(a - b);
}

static int compare_addr(uint8_t family, const union cv_addr *a, const union cv_addr *b)
{
	int words = family == AF_INET6 ? 4 : 1;
	int r = 0;

	for (int i = 0; i < words && !r; i++)
		r = difference(ntohl(a->w[i]), ntohl(b->w[i]));
	return r;
}

static int compare_services(const void *a, const void *b)
{
	const struct cv_service_key *x = &((const struct cv_service_info *)a)->spec.key;
	const struct cv_service_key *y = &((const struct cv_service_info *)b)->spec.key;
	int r = difference(x->fwmark, y->fwmark);

	if (!r)
		r = x->family - y->family;
	if (!r)
		r = x->proto - y->proto;
	if (!r)
		r = compare_addr(x->family, &x->addr, &y->addr);
	return r ? r : ntohs(x->port) - ntohs(y->port);
}

static int plain_services(const void *a, const void *b)
{
	const struct cv_service_key *x = &((const struct cv_service_info *)a)->spec.key;
	const struct cv_service_key *y = &((const struct cv_service_info *)b)->spec.key;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return r ? r : (x->fwmark > y->fwmark) - (x->fwmark < y->fwmark);
}

static int compare_dests(const void *a, const void *b)
{
	const struct cv_dest_spec *x = &((const struct cv_dest_info *)a)->spec;
	const struct cv_dest_spec *y = &((const struct cv_dest_info *)b)->spec;
	int r = compare_addr(x->family, &x->addr, &y->addr);

	return r ? r : ntohs(x->port) - ntohs(y->port);
}

int sort_services(const struct cv_service_info **v, size_t n)
{
	int err = sort((const void **)v, n, plain_services);

	return err ? err : sort((const void **)v, n, compare_services);
}

int sort_dests(const struct cv_dest_info **v, size_t n)
{
	return sort((const void **)v, n, compare_dests);
}
