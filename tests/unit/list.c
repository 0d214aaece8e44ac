// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists are read while they change: what stood all the while is there once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lab.h"
#include "tick.h"

#define VIP "10.0.0.1"
#define STAY 5

static struct cv_service_spec service;

/* Servers come and go at the head, in the middle and at the end of the list. */
static void churn(void)
{
	struct cv *cv;

	if (cv_open(&cv) || cv_lock(cv, 5))
		_exit(1);
	for (unsigned int i = 0;; i++) {
		char addr[16];
		struct cv_dest_spec d;

		snprintf(addr, sizeof(addr), "10.2.0.%u", i % 5);
		d = lab_dest(addr, 1);
		if (cv_dest_add(cv, &service.key, &d) == -EEXIST)
			cv_dest_del(cv, &service.key, &d);
		if (i % 7 == 0) {
			snprintf(addr, sizeof(addr), "10.2.0.%u", i % 3);
			d = lab_dest(addr, 1);
			cv_dest_del(cv, &service.key, &d);
		}
	}
}

struct seen {
	int stay[STAY], others, services;
};

static int see_dest(const struct cv_dest_info *d, void *arg)
{
	struct seen *s = arg;

	if (d->spec.addr.b[1] == 1)
		s->stay[d->spec.addr.b[3]]++;
	else
		s->others++;
	return 0;
}

static int see_service(const struct cv_service_info *svc, void *arg)
{
	((struct seen *)arg)->services++;
	return cv_each_dest(lab, svc->id, see_dest, arg);
}

static void whatever_changes(void **state)
{
	int least = 100, most = 0, walks = 0;
	uint64_t end;
	pid_t pid;

	service = lab_service(VIP, 80, CV_SCHED_RR);
	assert_int_equal(cv_service_add(lab, &service), 0);
	for (int i = 0; i < STAY; i++) {
		const char *const addrs[STAY] = { "10.1.0.0", "10.1.0.1", "10.1.0.2", "10.1.0.3",
						  "10.1.0.4" };
		const struct cv_dest_spec stay = lab_dest(addrs[i], 1);

		assert_int_equal(cv_dest_add(lab, &service.key, &stay), 0);
	}
	cv_unlock(lab);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		churn();

	end = tick_ns() + 1500000000;
	while (tick_ns() < end) {
		struct seen s = {};

		assert_int_equal(cv_each_service(lab, see_service, &s), 0);
		assert_int_equal(s.services, 1);
		for (int i = 0; i < STAY; i++)
			assert_int_equal(s.stay[i], 1);
		if (s.others < least)
			least = s.others;
		if (s.others > most)
			most = s.others;
		walks++;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(cv_lock(lab, 5), 0);
	/* There was something to see. */
	assert_true(walks > 100);
	assert_true(most > least);
}

static int stop_at_once(const struct cv_dest_info *d, void *arg)
{
	(*(int *)arg)++;
	return 42;
}

static void a_callback_ends_the_walk(void **state)
{
	struct cv_service_info info;
	int calls = 0;

	assert_int_equal(cv_find_service(lab, &service.key, &info), 0);
	assert_int_equal(cv_each_dest(lab, info.id, stop_at_once, &calls), 42);
	assert_int_equal(calls, 1);
	assert_int_equal(cv_each_dest(lab, LAB_SERVICES, stop_at_once, &calls), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_changes),
		cmocka_unit_test(a_callback_ends_the_walk),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
