// SPDX-License-Identifier: GPL-2.0-or-later
/* rtnetlink: a list is told whole or is an error. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"
#include "rtnl.h"

#define NOBODY 123456 /* no ifindex, and no namespace's id */

static int make(void **state)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	lab_run("ip link set lo up");
	return 0;
}

static int count_addr(const struct rtnl_addr *addr, void *arg)
{
	++*(int *)arg;
	return 0;
}

static int count_link(const struct rtnl_link *link, void *arg)
{
	++*(int *)arg;
	return 0;
}

static int stop_at_second(const struct rtnl_link *link, void *arg)
{
	return ++*(int *)arg == 2 ? 77 : 0;
}

/* The kernel says so in the message that ends the list. */
static void what_cannot_be_listed_is_an_error(void **state)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	int n = 0;

	assert_int_equal(rtnl_open(&r, RTNL_HERE), 0);
	assert_int_equal(rtnl_each_addr(&r, RTNL_HERE, NOBODY, count_addr, &n), -ENODEV);
	assert_int_equal(rtnl_each_addr(&r, NOBODY, 0, count_addr, &n), -EINVAL);
	assert_int_equal(n, 0);
	/* The socket still serves: 127.0.0.1 and ::1. */
	assert_int_equal(rtnl_each_addr(&r, RTNL_HERE, 1, count_addr, &n), 0);
	assert_int_equal(n, 2);
}

static pid_t other; /* a group; a check that fails leaves it to end_other() */

static int end_other(void **state)
{
	if (other > 0) {
		kill(-other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	other = 0;
	return 0;
}

/* More than one datagram of them, in a namespace where another command makes and deletes devices. */
static void a_list_that_changes_is_whole(void **state)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	int n;

	lab_run("for i in $(seq 60); do echo link add stay$i type veth peer name end$i; done | ip -batch -");
	other = fork();
	assert_true(other >= 0);
	if (other == 0) {
		setpgid(0, 0);
		execl("/bin/sh", "sh", "-c",
		      "while :; do echo link add go type veth peer name away; echo link del go; "
		      "done | ip -batch - >/dev/null 2>&1",
		      NULL);
		_exit(127);
	}
	setpgid(other, other); /* whichever of the two comes first */
	assert_int_equal(rtnl_open(&r, RTNL_HERE), 0);
	for (int i = 0; i < 300; i++) {
		n = 0;
		assert_int_equal(rtnl_each_link(&r, count_link, &n), 0);
		assert_in_range(n, 121, 123);
	}
	end_other(NULL);
	n = 0;
	assert_int_equal(rtnl_each_link(&r, stop_at_second, &n), 77);
	assert_int_equal(n, 2);
}

/* What is done for one of a list may ask the kernel, too, by the same socket. */
struct nested {
	struct rtnl *r;
	int n;
};

static int ask_again(const struct rtnl_link *link, void *arg)
{
	struct nested *x = arg;
	struct rtnl_link same;

	assert_int_equal(rtnl_link_by_index(x->r, RTNL_HERE, link->ifindex, &same), 0);
	assert_string_equal(same.name, link->name);
	x->n++;
	return 0;
}

static void questions_within_a_list(void **state)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct nested x = { .r = &r };

	lab_run("ip link add one type veth peer name two");
	assert_int_equal(rtnl_open(&r, RTNL_HERE), 0);
	assert_int_equal(rtnl_each_link(&r, ask_again, &x), 0);
	assert_int_equal(x.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_cannot_be_listed_is_an_error, make),
		cmocka_unit_test_setup_teardown(a_list_that_changes_is_whole, make, end_other),
		cmocka_unit_test_setup(questions_within_a_list, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
