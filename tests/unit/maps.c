// SPDX-License-Identifier: GPL-2.0-or-later
/* Large tables, which are mapped window by window: what is mapped, and what happens if it cannot be. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "lab.h"
#include "maps.h"

#define SERVICES 4096
#define DESTS 65536
#define VIP "10.9.0.1"

static int make(void **state)
{
	const struct cv_sizes sizes = { .max_conns = 1024,
					.max_services = SERVICES,
					.max_dests = DESTS };

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	lab_run("ip link set lo up");
	return cv_open_or_create(&lab, &sizes);
}

static int unmake(void **state)
{
	return cv_destroy(&lab);
}

/* A handle like a command's, with the lock. */
static struct cv *command(void)
{
	struct cv *cv;

	assert_int_equal(cv_open(&cv), 0);
	assert_int_equal(cv_lock(cv, 5), 0);
	return cv;
}

/* So many services of as many destinations, anywhere in the tables. */
static int fill(void **state)
{
	struct cv *cv = command();

	cv_flush(cv);
	srand(1);
	for (uint16_t port = 1; port <= 40; port++) {
		struct cv_service_spec s =
			lab_service(VIP, port, port % 2 ? CV_SCHED_WRR : CV_SCHED_MH);

		cv->journal->service_hint = (uint32_t)rand() % SERVICES;
		assert_int_equal(cv_service_add(cv, &s), 0);
		for (int i = 1; i <= 9; i++) {
			struct cv_dest_spec d = lab_dest("10.1.0.1", i);

			d.addr.b[3] = (uint8_t)i;
			cv->journal->dest_hint = (uint32_t)rand() % DESTS;
			assert_int_equal(cv_dest_add(cv, &s.key, &d), 0);
		}
	}
	cv_close(&cv);
	return 0;
}

static unsigned int windows(const struct cv *cv, enum map_id map)
{
	unsigned int n = 0;

	for (int i = 0; i < WINDOWS / 64; i++)
		n += (unsigned int)__builtin_popcountll(cv->tables[map].mapped[i]);
	return n;
}

static int32_t weight_of(struct cv *cv, uint16_t port, const char *addr)
{
	struct cv_service_key key = lab_key(VIP, port);
	struct cv_dest_spec d = lab_dest(addr, 0);
	struct cv_dest_key at = {
		.owner = key, .addr = d.addr, .port = d.port, .family = d.family
	};
	uint32_t slot;

	assert_int_equal(maps_need(cv, MAPS_LIST), 0);
	assert_int_equal(bpf_map_lookup_elem(map_fd(cv, MAP_DEST_SLOTS), &at, &slot), 0);
	return dest_at(cv, slot)->weight;
}

static int set_weight(struct cv *cv, uint16_t port, const char *addr, int32_t weight)
{
	struct cv_service_key key = lab_key(VIP, port);
	struct cv_dest_spec d = lab_dest(addr, weight);

	return cv_dest_edit(cv, &key, &d);
}

static void an_edit_maps_what_it_touches(void **state)
{
	struct cv *cv = command();

	assert_int_equal(windows(cv, MAP_DESTS), 0);
	assert_int_equal(set_weight(cv, 7, "10.1.0.3", 77), 0);
	/* Its service's nine, each in two windows at most. */
	assert_in_range(windows(cv, MAP_DESTS), 1, 18);
	assert_in_range(windows(cv, MAP_SVCS), 1, 2);
	assert_true(cv->tables[MAP_DESTS].length >> cv->tables[MAP_DESTS].shift > 300);
	assert_int_equal(weight_of(lab, 7, "10.1.0.3"), 77);
	cv_close(&cv);
}

/* 320 bytes do not divide a window's 65,536: the 205th destination lies in the first two. */
static void an_element_in_two_windows(void **state)
{
	struct cv *cv = command(), *other;
	struct cv_dest *d = dest_at(cv, 204);

	assert_int_equal(cv_open(&other), 0);
	assert_int_equal(maps_need(other, MAPS_LIST), 0);
	assert_int_equal(windows(cv, MAP_DESTS), 2);
	memset(d->reserved3, 0x5a, sizeof(d->reserved3));
	d->src_default.q[1] = 12345;
	assert_memory_equal(dest_at(other, 204), d, sizeof(*d));
	assert_ptr_equal(dest_at(cv, 204), d);
	assert_ptr_equal(dest_at(cv, DESTS - 1), d + (DESTS - 1 - 204));
	assert_int_equal(cv->spoiled, 0);
	memset(d, 0, sizeof(*d));
	cv_close(&other);
	cv_close(&cv);
}

static void what_is_out_of_range_spoils_the_handle(void **state)
{
	struct cv *cv = command();

	dest_at(cv, DESTS * 2)->weight = 4; /* harmless: nobody's */
	assert_int_equal(cv->spoiled, -EPROTO);
	assert_int_equal(set_weight(cv, 7, "10.1.0.3", 5), -EPROTO);
	assert_int_equal(weight_of(lab, 7, "10.1.0.3"), 3);
	cv_close(&cv);
}

/* From here on no window of this table can be had. */
static void lose(struct cv *cv, enum map_id map)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(null >= 0 && map_fd(cv, map) >= 0);
	assert_true(dup2(null, cv->fds[map]) >= 0);
	close(null);
}

static int count(const struct cv_service_info *s, void *arg)
{
	++*(int *)arg;
	return 0;
}

static void without_windows_nothing_happens(void **state)
{
	static const enum map_id lost[] = { MAP_SVCS, MAP_DESTS, MAP_COUNTERS, MAP_SVC_EST };

	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct cv_service_key key = lab_key(VIP, 7);
		struct cv_dest_spec d = lab_dest("10.1.0.3", 0);
		struct cv *cv = command();
		int n = 0;

		lose(cv, lost[i]);
		assert_true(cv_dest_del(cv, &key, &d) < 0);
		assert_true(cv->spoiled < 0);
		assert_true(cv_each_service(cv, count, &n) < 0);
		assert_true(cv_flush(cv) < 0);
		assert_true(cv_zero(cv, NULL) < 0);
		cv_close(&cv);
		cv = command();
		n = 0;
		assert_int_equal(cv_each_service(cv, count, &n), 0);
		assert_int_equal(n, 40);
		assert_int_equal(weight_of(cv, 7, "10.1.0.3"), 3);
		cv_close(&cv);
	}
}

static void die(void)
{
	if (lab->journal->state == JOURNAL_PENDING)
		_exit(99);
}

/* A record that is written down, but cannot be carried out, waits for who can. */
static void a_record_waits_for_its_windows(void **state)
{
	pid_t pid = fork();
	struct cv *cv;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (cv_open(&cv) || cv_lock(cv, 5))
			_exit(1);
		journal_step = die;
		set_weight(cv, 7, "10.1.0.3", 55);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 99);
	assert_int_equal(weight_of(lab, 7, "10.1.0.3"), 3);

	/* Opened as a command would, but for its finishing what others left. */
	lab->journal->state = JOURNAL_EMPTY;
	assert_int_equal(cv_open(&cv), 0);
	assert_int_equal(maps_need(cv, MAPS_LIST), 0);
	lose(cv, MAP_DESTS);
	lab->journal->state = JOURNAL_PENDING;
	assert_true(cv_lock(cv, 5) < 0);
	assert_int_equal(lab->journal->state, JOURNAL_PENDING);
	assert_int_equal(weight_of(lab, 7, "10.1.0.3"), 3);
	cv_close(&cv);

	cv = command();
	assert_int_equal(weight_of(cv, 7, "10.1.0.3"), 55);
	cv_close(&cv);
}

/* Lists lead to slots that say the same, and all that is available is in one. */
static void check_consistent(struct cv *cv)
{
	uint32_t listed = 0;

	for (uint32_t i = 0; i < SERVICES; i++) {
		const struct cv_service *svc = svc_at(cv, i);
		uint32_t n = 0;

		if (!(svc->flags & CV_SVC_USED)) {
			assert_int_equal(svc->num_dests, 0);
			continue;
		}
		for (uint32_t d = svc->head; d != CV_NONE; d = dest_next(cv, d), n++) {
			assert_true(d < DESTS && n < DESTS);
			assert_int_equal(dest_at(cv, d)->service, i);
			assert_true(dest_at(cv, d)->flags & CV_DEST_AVAILABLE);
		}
		assert_int_equal(n, svc->num_dests);
		listed += n;
	}
	for (uint32_t d = 0; d < DESTS; d++)
		listed -= !!(dest_at(cv, d)->flags & CV_DEST_AVAILABLE);
	assert_int_equal(listed, 0);
	assert_int_equal(cv->spoiled, 0);
}

static _Noreturn void edit_for_ever(unsigned int seed)
{
	struct cv *cv;

	if (cv_open(&cv) || cv_lock(cv, 5))
		_exit(1);
	for (;;) {
		struct cv_service_spec s =
			lab_service(VIP, (uint16_t)(1 + rand_r(&seed) % 40), CV_SCHED_WRR);
		struct cv_dest_spec d = lab_dest("10.1.0.1", rand_r(&seed) % 9);

		d.addr.b[3] = (uint8_t)(1 + rand_r(&seed) % 12);
		cv->journal->dest_hint = (uint32_t)rand_r(&seed) % DESTS;
		cv->journal->service_hint = (uint32_t)rand_r(&seed) % SERVICES;
		if (cv_dest_add(cv, &s.key, &d) == -ESRCH)
			cv_service_add(cv, &s);
		else if (rand_r(&seed) % 4 == 0)
			cv_dest_del(cv, &s.key, &d);
		else if (rand_r(&seed) % 30 == 0)
			cv_service_del(cv, &s.key);
		else
			cv_dest_edit(cv, &s.key, &d);
	}
}

/* Killed at instants that nobody chose, each time with other windows mapped. */
static void random_kills(void **state)
{
	unsigned int seed = 5;

	for (unsigned int round = 0; round < 40; round++) {
		pid_t pid = fork();
		struct cv *cv;

		assert_true(pid >= 0);
		if (pid == 0)
			edit_for_ever(round);
		usleep(2000 + (useconds_t)rand_r(&seed) % 6000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cv = command();
		assert_int_equal(cv->journal->state, JOURNAL_EMPTY);
		check_consistent(cv);
		cv_close(&cv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_edit_maps_what_it_touches, fill),
		cmocka_unit_test(an_element_in_two_windows),
		cmocka_unit_test_setup(what_is_out_of_range_spoils_the_handle, fill),
		cmocka_unit_test_setup(without_windows_nothing_happens, fill),
		cmocka_unit_test_setup(a_record_waits_for_its_windows, fill),
		cmocka_unit_test_setup(random_kills, fill),
	};

	return cmocka_run_group_tests_name("large tables", tests, make, unmake);
}
