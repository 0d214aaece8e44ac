// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands that die in the middle (L2, J1 to J4): every edit is cut short after
 * every one of its stores, and each time what is found afterwards is what was
 * before it or what is after it, and goes on to work.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <culvert/sched.h>

#include "lab.h"

#define VIP "10.0.0.1"

static int steps_left;

static void die_after_steps(void)
{
	if (steps_left-- == 0)
		_exit(99);
}

/* Edits `after` the preparation; each is cut short at every step. */
struct edit {
	const char *what;
	void (*prepare)(void);
	int (*run)(struct cv *cv);
};

static struct cv_service_spec spec;

static void add_service(uint16_t port, enum cv_sched sched)
{
	spec = lab_service(VIP, port, sched);
	assert_int_equal(cv_service_add(lab, &spec), 0);
}

static void add_dest(const char *addr, int32_t weight)
{
	const struct cv_dest_spec d = lab_dest(addr, weight);

	assert_int_equal(cv_dest_add(lab, &spec.key, &d), 0);
}

static void three_servers(void)
{
	add_service(80, CV_SCHED_WRR);
	add_dest("10.1.0.1", 6);
	add_dest("10.1.0.2", 4);
	add_dest("10.1.0.3", 3);
	lab->counters[lab_slot(&spec.key, "10.1.0.2")].conns = 5;
	lab->dests[lab_slot(&spec.key, "10.1.0.2")].activeconns = 1;
}

static void one_in_the_trash(void)
{
	const struct cv_dest_spec d = lab_dest("10.1.0.2", 0);

	three_servers();
	assert_int_equal(cv_dest_del(lab, &spec.key, &d), 0);
}

static void two_services(void)
{
	add_service(81, CV_SCHED_RR);
	add_dest("10.1.0.9", 1);
	three_servers();
}

static void three_hashed(void)
{
	three_servers();
	spec = lab_service(VIP, 80, CV_SCHED_MH);
	assert_int_equal(cv_service_edit(lab, &spec), 0);
}

static void three_hashed_by_source(void)
{
	three_servers();
	spec = lab_service(VIP, 80, CV_SCHED_SH);
	assert_int_equal(cv_service_edit(lab, &spec), 0);
}

static int do_service_add(struct cv *cv)
{
	struct cv_service_spec s = lab_service("fd00::1", 0, CV_SCHED_WLC);

	s.flags = CV_SVC_PERSISTENT;
	s.timeout = 50;
	return cv_service_add(cv, &s);
}

static int do_service_edit(struct cv *cv)
{
	struct cv_service_spec s = lab_service(VIP, 80, CV_SCHED_RR);

	s.flags = CV_SVC_PERSISTENT;
	s.timeout = 50;
	return cv_service_edit(cv, &s);
}

static int do_service_del(struct cv *cv)
{
	return cv_service_del(cv, &spec.key);
}

static int do_dest_add(struct cv *cv)
{
	const struct cv_dest_spec d = lab_dest("10.1.0.4", 9);

	return cv_dest_add(cv, &spec.key, &d);
}

static int do_dest_revive(struct cv *cv)
{
	struct cv_dest_spec d = lab_dest("10.1.0.2", 9);

	d.method = CV_TUNNEL;
	return cv_dest_add(cv, &spec.key, &d);
}

static int do_dest_edit(struct cv *cv)
{
	struct cv_dest_spec d = lab_dest("10.1.0.2", 12);

	d.method = CV_MASQ;
	d.u_threshold = 9;
	d.l_threshold = 3;
	return cv_dest_edit(cv, &spec.key, &d);
}

static int do_dest_del(struct cv *cv)
{
	const struct cv_dest_spec d = lab_dest("10.1.0.2", 0);

	return cv_dest_del(cv, &spec.key, &d);
}

static int do_quiesce(struct cv *cv)
{
	const struct cv_dest_spec d = lab_dest("10.1.0.3", 0);

	return cv_dest_edit(cv, &spec.key, &d);
}

static int do_hash(struct cv *cv)
{
	const struct cv_service_spec s = lab_service(VIP, 80, CV_SCHED_MH);

	return cv_service_edit(cv, &s);
}

static int do_hash_by_source(struct cv *cv)
{
	const struct cv_service_spec s = lab_service(VIP, 80, CV_SCHED_SH);

	return cv_service_edit(cv, &s);
}

static int do_zero(struct cv *cv)
{
	return cv_zero(cv, NULL);
}

static int do_timeouts(struct cv *cv)
{
	return cv_set_timeouts(cv, 77, 66, 55);
}

static const struct edit edits[] = {
	{ "service added", three_servers, do_service_add },
	{ "service edited", three_servers, do_service_edit },
	{ "service deleted", two_services, do_service_del },
	{ "all services deleted", two_services, cv_flush },
	{ "server added", three_servers, do_dest_add },
	{ "server added again", one_in_the_trash, do_dest_revive },
	{ "server edited", three_servers, do_dest_edit },
	{ "server deleted", three_servers, do_dest_del },
	{ "table: server added", three_hashed, do_dest_add },
	{ "table: server edited", three_hashed_by_source, do_dest_edit },
	{ "table: server quiesced", three_hashed, do_quiesce },
	{ "table: server deleted", three_hashed, do_dest_del },
	{ "table: made", three_servers, do_hash },
	{ "table: a larger one", three_hashed_by_source, do_hash },
	{ "table: a smaller one", three_hashed, do_hash_by_source },
	{ "table: none any more", three_hashed, do_service_edit },
	{ "table: service deleted", three_hashed, do_service_del },
	{ "counters zeroed", three_servers, do_zero },
	{ "timeouts set", three_servers, do_timeouts },
};

/* In a child that opens the instance for itself. True: it died before it was through. */
static bool run_cut_short(const struct edit *e, int steps)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct cv *cv;

		if (cv_open(&cv) || cv_lock(cv, 5))
			_exit(1);
		steps_left = steps;
		journal_step = die_after_steps;
		_exit(e->run(cv) ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 99)
		fail_msg("%s, %d steps: the child says %d", e->what, steps, WEXITSTATUS(status));
	return WEXITSTATUS(status) == 99;
}

static void begin(const struct edit *e)
{
	assert_int_equal(cv_set_timeouts(lab, 900, 120, 300), 0);
	lab_clean(NULL);
	e->prepare();
}

/* Takes the lock, as the next command would, so that what is left half done gets done. */
static void settle(void)
{
	assert_int_equal(cv_lock(lab, 5), 0);
	assert_int_equal(lab->journal->state, JOURNAL_EMPTY);
	assert_int_equal(lab->journal->todo, 0);
}

/*
 * What must hold whatever happened: lists lead to slots that say the same, as do
 * counts and hash maps.
 */
static void check_consistent(void)
{
	uint32_t services = 0, used = 0;

	for (uint32_t i = 0; i < LAB_SERVICES; i++) {
		const struct cv_service *svc = &lab->svcs[i];
		uint32_t n = 0, found;

		if (!(svc->flags & CV_SVC_USED)) {
			assert_int_equal(svc->num_dests, 0);
			continue;
		}
		services++;
		assert_int_equal(bpf_map_lookup_elem(map_fd(lab, MAP_SERVICES), &svc->key, &found),
				 0);
		assert_int_equal(found, i);
		for (uint32_t d = svc->head; d != CV_NONE; d = lab->dests[d].next, n++) {
			assert_true(d < LAB_DESTS && n < LAB_DESTS);
			assert_int_equal(lab->dests[d].service, i);
			assert_true(lab->dests[d].flags & CV_DEST_AVAILABLE);
		}
		assert_int_equal(n, svc->num_dests);
		used += n;
	}
	assert_int_equal(services, cv_settings(lab)->num_services);
	for (uint32_t d = 0; d < LAB_DESTS; d++) {
		if (lab->dests[d].flags & CV_DEST_AVAILABLE)
			used--;
	}
	assert_int_equal(used, 0);
	lab_check_derived();
}

static void cut_short(const struct edit *e)
{
	char before[8192], after[8192];
	bool happened = false;
	int steps;

	begin(e);
	strcpy(before, lab_listing());
	assert_int_equal(e->run(lab), 0);
	strcpy(after, lab_listing());
	assert_string_not_equal(before, after);

	for (steps = 0;; steps++) {
		bool died;

		begin(e);
		assert_string_equal(lab_listing(), before);
		cv_unlock(lab);
		died = run_cut_short(e, steps);
		settle();
		check_consistent();
		if (strcmp(lab_listing(), after) == 0)
			happened = true;
		else if (happened || strcmp(lab_listing(), before) != 0)
			fail_msg("%s, cut short after %d steps:\n%s\nis neither\n%s\nnor\n%s",
				 e->what, steps, lab_listing(), before, after);
		if (!died)
			break;
		/* Work goes on. */
		assert_int_equal(cv_flush(lab), 0);
		three_servers();
		check_consistent();
	}
	assert_true(happened);
	assert_true(steps >= 2);
}

static void every_edit_at_every_step(void **state)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
		cut_short(&edits[i]);
}

/* Who only lists finds it whole as well, without taking the lock itself. */
static void a_listing_finds_it_whole(void **state)
{
	const struct edit *e = &edits[3];
	struct cv *cv;

	begin(e);
	cv_unlock(lab);
	assert_true(run_cut_short(e, 8));
	assert_int_not_equal(lab->journal->todo, 0);
	assert_int_equal(cv_open(&cv), 0);
	assert_int_equal(lab->journal->todo, 0);
	assert_int_equal(cv_settings(cv)->num_services, 0);
	cv_close(&cv);
	settle();
	check_consistent();
}

/* J3: the services map is full of what is not ours, so that the last operation but some fails. */
static void a_failing_operation_takes_back_the_rest(void **state)
{
	int fd = map_fd(lab, MAP_SERVICES);
	struct cv_service_key foreign = { .family = 99 };
	char before[8192];
	uint32_t none = CV_NONE;

	add_service(80, CV_SCHED_RR);
	strcpy(before, lab_listing());
	for (foreign.fwmark = 1; bpf_map_update_elem(fd, &foreign, &none, BPF_NOEXIST) == 0;)
		foreign.fwmark++;
	spec = lab_service(VIP, 81, CV_SCHED_WRR);
	assert_int_equal(cv_service_add(lab, &spec), -E2BIG);
	assert_string_equal(lab_listing(), before);
	check_consistent();
	while (--foreign.fwmark)
		assert_int_equal(bpf_map_delete_elem(fd, &foreign), 0);
	assert_int_equal(cv_service_add(lab, &spec), 0);
	check_consistent();
}

/* The same of tables: there is room for some of the larger one's pieces. */
static void a_table_without_room_is_taken_back(void **state)
{
	struct cv_table_key foreign = { .service = LAB_SERVICES };
	int fd = map_fd(lab, MAP_SCHED_TABLES);
	struct cv_table piece = {};
	char before[8192];

	three_hashed_by_source();
	strcpy(before, lab_listing());
	while (bpf_map_update_elem(fd, &foreign, &piece, BPF_NOEXIST) == 0)
		foreign.piece++;
	for (uint32_t room = 0; room < CV_TABLE_PIECES - 1; room += 7) {
		assert_int_equal(do_hash(lab), -E2BIG);
		assert_string_equal(lab_listing(), before);
		check_consistent();
		for (int i = 0; i < 7; i++) {
			foreign.piece--;
			assert_int_equal(bpf_map_delete_elem(fd, &foreign), 0);
		}
	}
	while (foreign.piece--)
		bpf_map_delete_elem(fd, &foreign);
	assert_int_equal(do_hash(lab), 0);
	check_consistent();
}

/* Killed at instants that nobody chose, among edits that follow one another. */
/* What somebody else wrote into the map is refused, and is not gone round in for ever. */
static void a_damaged_record_is_refused(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 9, 4096, 0xffffffff };
	struct journal *j = lab->journal;

	cv_unlock(lab);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(j->record, 0, 64);
		memcpy(j->record + 4, &sizes[i], sizeof(sizes[i])); /* an operation's size */
		j->used = 40;
		j->state = JOURNAL_PENDING;
		assert_int_equal(cv_lock(lab, 1), -EPROTO);
		assert_non_null(strstr(cv_why(), "damaged"));
	}
	j->used = JOURNAL_RECORD + 8;
	assert_int_equal(cv_lock(lab, 1), -EPROTO);
	j->state = JOURNAL_EMPTY;
	assert_int_equal(cv_lock(lab, 1), 0);
}

static void random_kills(void **state)
{
	unsigned int seed = 1;

	for (int round = 0; round < 60; round++) {
		pid_t pid;

		cv_unlock(lab);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct cv *cv;

			if (cv_open(&cv) || cv_lock(cv, 5))
				_exit(1);
			for (unsigned int i = 0;; i++) {
				const struct cv_service_spec s =
					lab_service(VIP, 80, i % CV_SCHED_COUNT);
				const struct cv_dest_spec d = lab_dest("10.1.0.7", (int)(i % 9));

				cv_service_add(cv, &s);
				cv_dest_add(cv, &s.key, &d);
				cv_service_edit(cv, &s);
				cv_dest_edit(cv, &s.key, &d);
				cv_dest_del(cv, &s.key, &d);
				if (i % 3 == 0)
					cv_service_del(cv, &s.key);
			}
		}
		usleep(1000 + (useconds_t)rand_r(&seed) % 3000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		settle();
		check_consistent();
		assert_true(strlen(lab_listing()) > 0);
	}
}

#define CASE(f) cmocka_unit_test_setup(f, lab_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_edit_at_every_step),
		CASE(a_listing_finds_it_whole),
		CASE(a_failing_operation_takes_back_the_rest),
		CASE(a_table_without_room_is_taken_back),
		CASE(a_damaged_record_is_refused),
		CASE(random_kills),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
