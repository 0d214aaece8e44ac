// SPDX-License-Identifier: GPL-2.0-or-later
/* nf_tables: a map is listed as it was at one moment, whoever changes it meanwhile. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "lab.h"
#include "nft.h"

#define TABLE "test"
#define ELEMENTS 4096 /* more than one datagram of them */
#define MOVED 512     /* of them, with each change */

static const struct nft_map map = { "m", NFT_TYPE_ADDR4, 4 };

static void elements(struct nft *n, uint16_t type, uint32_t from, uint32_t count)
{
	struct nft_element some[MOVED];

	for (uint32_t i = 0; i < count; i++)
		some[i] = (struct nft_element){ .key = from + i };
	nft_elements(n, type, TABLE, &map, some, count);
}

static int make(void **state)
{
	_cleanup_(nft_close) struct nft n = {};

	if (unshare(CLONE_NEWNET) < 0 || nft_open(&n))
		return -1;
	nft_begin(&n);
	nft_new_table(&n, TABLE, "of a test");
	nft_new_map(&n, TABLE, &map);
	for (uint32_t i = 0; i < ELEMENTS; i += MOVED)
		elements(&n, NFT_MSG_NEWSETELEM, i, MOVED);
	return nft_commit(&n);
}

/* Replaces the oldest elements by others, in one step, so that there are as many at any moment. */
static void keep_changing(void)
{
	struct nft n;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a check that fails leaves it behind */
	if (nft_open(&n))
		_exit(1);
	for (uint32_t first = 0;; first += MOVED) {
		nft_begin(&n);
		elements(&n, NFT_MSG_DELSETELEM, first, MOVED);
		elements(&n, NFT_MSG_NEWSETELEM, first + ELEMENTS, MOVED);
		if (nft_commit(&n))
			_exit(1);
		usleep(20000);
	}
}

struct seen {
	uint32_t n, least, most;
};

static void see_key(struct seen *s, const struct nlattr *key)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, key) {
		uint32_t value;

		memcpy(&value, mnl_attr_get_payload(a), sizeof(value));
		s->least = value < s->least ? value : s->least;
		s->most = value > s->most ? value : s->most;
		s->n++;
	}
}

static int see(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *a, *one, *part;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(one, a) {
			mnl_attr_for_each_nested(part, one) {
				if (mnl_attr_get_type(part) == NFTA_SET_ELEM_KEY)
					see_key(arg, part);
			}
		}
	}
	return 0;
}

static void a_map_that_changes_is_listed_whole(void **state)
{
	_cleanup_(nft_close) struct nft n = {};
	uint32_t first = UINT32_MAX;
	struct seen s;
	pid_t pid;
	int changes = 0;

	assert_int_equal(nft_open(&n), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		keep_changing();
	for (int i = 0; i < 300; i++) {
		s = (struct seen){ .least = UINT32_MAX };
		assert_int_equal(
			nft_list(&n, NFT_MSG_GETSETELEM, NLM_F_DUMP, TABLE, map.name, see, &s), 0);
		assert_int_equal(s.n, ELEMENTS);
		assert_int_equal(s.most - s.least, ELEMENTS - 1);
		changes += s.least != first;
		first = s.least;
	}
	assert_in_range(changes, 2, 300);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int stop(const struct nlmsghdr *nlh, void *arg)
{
	++*(int *)arg;
	return 77;
}

static void what_a_caller_and_the_kernel_say(void **state)
{
	_cleanup_(nft_close) struct nft n = {};
	int calls = 0;

	assert_int_equal(nft_open(&n), 0);
	assert_int_equal(nft_list(&n, NFT_MSG_GETTABLE, 0, "none", NULL, stop, &calls), -ENOENT);
	assert_int_equal(calls, 0);
	assert_int_equal(
		nft_list(&n, NFT_MSG_GETSETELEM, NLM_F_DUMP, TABLE, map.name, stop, &calls), 77);
	assert_int_equal(calls, 1);
	/* The socket still serves, for lists and for batches. */
	assert_int_equal(nft_list(&n, NFT_MSG_GETTABLE, 0, TABLE, NULL, stop, &calls), 77);
	nft_begin(&n);
	nft_del_table(&n, TABLE);
	assert_int_equal(nft_commit(&n), 0);
	assert_int_equal(nft_list(&n, NFT_MSG_GETTABLE, 0, TABLE, NULL, stop, &calls), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_map_that_changes_is_listed_whole, make),
		cmocka_unit_test_setup(what_a_caller_and_the_kernel_say, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
