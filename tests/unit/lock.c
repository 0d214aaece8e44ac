// SPDX-License-Identifier: GPL-2.0-or-later
/* The lock: one at a time, whoever holds it is named, and it ends with its holder. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab.h"
#include "lock.h"
#include "tick.h"

/* A child that has the lock, and says so by stopping itself. */
static pid_t holder(void)
{
	pid_t pid;
	int status;

	cv_unlock(lab);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct cv *cv;

		if (cv_open(&cv) || cv_lock(cv, 5))
			_exit(1);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(cv_lock(lab, 1), 0);
}

static void a_stopped_holder_is_named(void **state)
{
	pid_t pid = holder();
	uint64_t begin = tick_ns();
	char wanted[32];

	assert_int_equal(cv_lock(lab, 1), -EBUSY);
	assert_in_range(tick_ns() - begin, 900000000, 3000000000);
	snprintf(wanted, sizeof(wanted), "process %d ", pid);
	assert_non_null(strstr(cv_why(), wanted));
	assert_non_null(strstr(cv_why(), "stopped"));
	end(pid);
}

static void a_running_holder_is_not_called_stopped(void **state)
{
	pid_t pid = holder();
	char wanted[32];

	kill(pid, SIGCONT);
	usleep(20000);
	assert_int_equal(cv_lock(lab, 1), -EBUSY);
	snprintf(wanted, sizeof(wanted), "process %d ", pid);
	assert_non_null(strstr(cv_why(), wanted));
	assert_null(strstr(cv_why(), "stopped"));
	end(pid);
}

/* It waits, and goes on as soon as the holder is gone. */
static void a_waiter_gets_it(void **state)
{
	pid_t pid = holder(), killer;
	uint64_t begin = tick_ns();

	killer = fork();
	assert_true(killer >= 0);
	if (killer == 0) {
		usleep(300000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	assert_int_equal(cv_lock(lab, 10), 0);
	assert_in_range(tick_ns() - begin, 250000000, 5000000000);
	waitpid(killer, NULL, 0);
	waitpid(pid, NULL, 0);
}

static int told; /* a pipe: a byte from whoever has come so far */

static void tell(const char *holder)
{
	assert_int_equal(write(told, "w", 1), 1);
}

/* A child that waits for flock() and keeps it. */
static pid_t next_holder(const char *path)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (flock(open(path, O_RDONLY | O_DIRECTORY), LOCK_EX) == 0)
			tell(NULL);
		for (;;)
			pause();
	}
	return pid;
}

/* Who got it a moment ago is not said to have had it all the time. */
static void holders_that_change_are_told_so(void **state)
{
	char path[] = "/tmp/culvert-lock.XXXXXX", byte, wanted[96];
	pid_t first, second, waiter;
	int ends[2], status;

	assert_non_null(mkdtemp(path));
	assert_int_equal(pipe(ends), 0);
	told = ends[1];
	first = next_holder(path);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	second = next_holder(path);
	snprintf(wanted, sizeof(wanted),
		 "one command after another has held the lock for 3 s, process %d ", second);
	waiter = fork();
	assert_true(waiter >= 0);
	if (waiter == 0) {
		cv_on_wait(tell);
		if (lock_take(open(path, O_RDONLY | O_DIRECTORY), 3) != -EBUSY)
			_exit(1);
		_exit(strncmp(cv_why(), wanted, strlen(wanted)) ? 2 : 0);
	}
	assert_int_equal(read(ends[0], &byte, 1),
			 1); /* it waits, and is held up while it changes */
	kill(waiter, SIGSTOP);
	kill(first, SIGKILL);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	kill(waiter, SIGCONT);
	assert_int_equal(waitpid(waiter, &status, 0), waiter);
	assert_int_equal(status, 0);
	waitpid(first, NULL, 0);
	kill(second, SIGKILL);
	waitpid(second, NULL, 0);
	rmdir(path);
	close(ends[0]);
	close(ends[1]);
}

#define WRITERS 16
#define TURNS 30

/* One of many that come again at once: the longest that it had to wait, ns. */
static uint64_t one_of_many(const char *path)
{
	const struct timespec held = { .tv_nsec = 5000000 }, away = { .tv_nsec = 200000 };
	uint64_t longest = 0;

	for (int i = 0; i < TURNS; i++) {
		_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY);
		uint64_t begin = tick_ns(), waited;

		if (lock_take(dir, 60))
			return UINT64_MAX;
		waited = tick_ns() - begin;
		longest = waited > longest ? waited : longest;
		nanosleep(&held, NULL);
		lock_drop(dir);
		nanosleep(&away, NULL);
	}
	return longest;
}

/* The longest wait of any of them, in parts of the time that all took. */
static double longest_of_many(void)
{
	char path[] = "/tmp/culvert-lock.XXXXXX";
	uint64_t begin = tick_ns(), longest = 0, one;
	int ends[2];

	assert_non_null(mkdtemp(path));
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			one = one_of_many(path);
			_exit(write(ends[1], &one, sizeof(one)) != sizeof(one));
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(read(ends[0], &one, sizeof(one)), sizeof(one));
		assert_true(one < UINT64_MAX);
		longest = one > longest ? one : longest;
	}
	while (wait(NULL) > 0)
		;
	rmdir(path);
	close(ends[0]);
	close(ends[1]);
	return (double)longest / (double)(tick_ns() - begin);
}

/* Who has waited long comes before those who come later: nobody waits while the others have all their turns. */
static void nobody_is_left_waiting(void **state)
{
	double part = 1;

	for (int tries = 0; tries < 3 && part > 0.5; tries++)
		part = longest_of_many();
	assert_true(part <= 0.5);
}

/* Reading does not wait. */
static void a_listing_needs_no_lock(void **state)
{
	pid_t pid = holder();
	struct cv *cv;
	uint64_t begin = tick_ns();

	assert_int_equal(cv_open(&cv), 0);
	assert_int_equal(cv_settings(cv)->num_services, 0);
	assert_true(tick_ns() - begin < 500000000);
	cv_close(&cv);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_holder_is_named),
		cmocka_unit_test(a_running_holder_is_not_called_stopped),
		cmocka_unit_test(a_waiter_gets_it),
		cmocka_unit_test(holders_that_change_are_told_so),
		cmocka_unit_test(nobody_is_left_waiting),
		cmocka_unit_test(a_listing_needs_no_lock),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
