// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instances: made whole or not at all, one per network namespace, and collected
 * when theirs is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "bpffs.h"
#include "build.h"
#include "lab.h"
#include "lifeline.h"
#include "sysctl.h"

static const struct cv_sizes small = { .max_conns = 64, .max_services = 2, .max_dests = 2 };

static void path_of(uint64_t cookie, char out[64])
{
	snprintf(out, 64, CV_BPFFS "/%llu", (unsigned long long)cookie);
}

static bool exists(uint64_t cookie)
{
	struct stat st;
	char path[64];

	path_of(cookie, path);
	return stat(path, &st) == 0;
}

/* Runs in a child, in a network namespace of its own. Its exit status. */
static int elsewhere(int (*f)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) < 0 ? 99 : f(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void sizes_are_what_was_asked_for(void **state)
{
	const struct cv_geometry *geo = cv_geometry(lab);
	struct cv_sizes made;
	struct cv_memory m;
	struct cv_version v;
	uint64_t cookie;

	assert_int_equal(geo->max_services, LAB_SERVICES);
	assert_int_equal(geo->max_dests, LAB_DESTS);
	cv_get_sizes(lab, &made);
	assert_int_equal(made.max_conns, 1024);
	assert_int_equal(made.max_conns6, 512);
	assert_int_equal(made.max_services, LAB_SERVICES);
	assert_int_equal(made.max_dests, LAB_DESTS);
	assert_int_equal(geo->sets4, cv_sets_for(1024));
	assert_int_equal(geo->sets6, cv_sets_for(512));
	assert_int_equal(geo->hash_key[0] & geo->hash_key[1] & 1, 1);
	assert_int_equal(instance_cookie(&cookie), 0);
	assert_int_equal(geo->netns_cookie, cookie);
	cv_memory(lab, &m);
	assert_true(m.conns4 >= (uint64_t)geo->sets4 * CV_WAYS * sizeof(struct cv_conn4));
	assert_true(m.conns6 >= (uint64_t)geo->sets6 * CV_WAYS * sizeof(struct cv_conn6));
	assert_true(m.services >= LAB_SERVICES * sizeof(struct cv_service));
	assert_true(m.dests >= LAB_DESTS * sizeof(struct cv_dest));
	assert_true(m.counters > 0 && m.other > 0);
	assert_int_equal(cv_version_loaded(CV_PART_LB, &v), 0);
	assert_string_equal(v.culvert, cv_own_version());
	assert_int_equal(v.layout, CV_LAYOUT_VERSION);
	assert_int_equal(cv_version_loaded(CV_PART_IPVLAN, &v), -ENOENT);
}

static void the_clock_runs(void **state)
{
	uint32_t before = cv_now(lab);

	usleep(300000);
	assert_in_range(cv_now(lab) - before, 10, 200);
}

static int too_big(void *arg)
{
	const struct cv_sizes sizes[] = { { .max_conns = UINT32_MAX },
					  { .max_conns6 = UINT32_MAX },
					  { .max_services = UINT32_MAX },
					  { .max_dests = UINT32_MAX } };
	struct cv *cv = NULL;

	for (int i = 0; i < 4; i++) {
		if (cv_open_or_create(&cv, &sizes[i]) != -E2BIG || !strstr(cv_why(), "at most"))
			return 1;
	}
	return cv_open(&cv) == -ENOENT && !cv ? 0 : 2;
}

static void sizes_have_a_limit(void **state)
{
	assert_int_equal(elsewhere(too_big, NULL), 0);
}

static int make_and_leave(void *arg)
{
	struct cv *cv;

	if (cv_open(&cv) != -ENOENT || cv_open_or_create(&cv, &small))
		return 1;
	return instance_cookie(arg) ? 2 : 0;
}

/* A word that children write and we read. */
static uint64_t *shared_word(void)
{
	static uint64_t *word;

	if (!word) {
		FILE *f = tmpfile();

		assert_non_null(f);
		assert_int_equal(ftruncate(fileno(f), 4096), 0);
		word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
		assert_ptr_not_equal(word, MAP_FAILED);
	}
	return word;
}

/* The pins outlive the namespace; the next instance that is made removes them, and no live one. */
static void the_dead_are_collected(void **state)
{
	uint64_t *cookie = shared_word(), own;

	assert_int_equal(elsewhere(make_and_leave, cookie), 0);
	assert_int_equal(instance_cookie(&own), 0);
	assert_int_not_equal(*cookie, own);
	assert_true(exists(*cookie));
	/* The namespace is taken down a moment after its last process. */
	for (int i = 0; i < 100 && exists(*cookie); i++) {
		instance_collect();
		usleep(50000);
	}
	assert_false(exists(*cookie));
	assert_true(exists(own));
	assert_int_equal(lifeline_cut(lab->dir), false);
}

struct in {
	const char *path; /* of a namespace */
	uint64_t *cookie;
};

static int make_in(void *arg)
{
	const struct in *in = arg;
	_cleanup_fd_ int fd = open(in->path, O_RDONLY);

	return setns(fd, CLONE_NEWNET) < 0 ? 9 : make_and_leave(in->cookie);
}

/* Left without a device and without a process of ours, an instance of a live namespace stays. */
static void the_living_are_not_collected(void **state)
{
	uint64_t *cookie = shared_word();
	char name[32], path[64];
	struct in in;

	snprintf(name, sizeof(name), "cvunit%d", getpid());
	lab_run("ip netns add %s", name);
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	in = (struct in){ .path = path, .cookie = cookie };
	assert_int_equal(elsewhere(make_in, &in), 0);
	for (int i = 0; i < 5; i++) {
		instance_collect();
		usleep(50000);
	}
	assert_true(exists(*cookie));
	lab_run("ip netns del %s", name);
	for (int i = 0; i < 100 && exists(*cookie); i++) {
		instance_collect();
		usleep(50000);
	}
	assert_false(exists(*cookie));
}

static int destroy(void *arg)
{
	struct cv *cv;
	int v4, v6;

	if (cv_open_or_create(&cv, &small) || instance_cookie(arg))
		return 1;
	if (sysctl_dev_get(AF_INET, "lo", "forwarding", &v4) || v4 != 1)
		return 2;
	if (!exists(*(uint64_t *)arg) || cv_destroy(&cv) || cv)
		return 3;
	if (sysctl_dev_get(AF_INET, "lo", "forwarding", &v4) || v4 ||
	    sysctl_dev_get(AF_INET6, "lo", "forwarding", &v6) || v6)
		return 4;
	return exists(*(uint64_t *)arg) ? 5 : cv_open(&cv) == -ENOENT ? 0 : 6;
}

static void nothing_stays_of_one_that_is_destroyed(void **state)
{
	assert_int_equal(elsewhere(destroy, shared_word()), 0);
	assert_false(exists(*shared_word()));
}

/* Makes the instance one of another culvert's. */
static void rewrite_build(const struct cv_build *build)
{
	_cleanup_fd_ int maps = -1, fd = -1;
	uint32_t zero = 0;

	assert_int_equal(bpffs_subdir(lab->dir, "maps", false, &maps), 0);
	fd = bpffs_get(maps, "build");
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, build, BPF_ANY), 0);
}

static void another_layout_is_not_touched(void **state)
{
	struct cv_upgrade done[CV_PARTS];
	struct cv_build was, other;
	struct cv *cv = NULL;

	assert_int_equal(build_read(lab->dir, &was), 0);
	for (int what = 0; what < 2; what++) {
		other = was;
		strcpy(other.version, "99.1");
		other.layout += what == 0;
		other.shape += what == 1;
		rewrite_build(&other);
		assert_int_equal(cv_open(&cv), -EPROTO);
		assert_non_null(strstr(cv_why(), "99.1"));
		assert_non_null(strstr(cv_why(), "`culvert upgrade`"));
		assert_int_equal(cv_open_or_create(&cv, &small), -EPROTO);
		assert_null(cv);
	}
	/* Tables that mean other things are nobody else's; but the shape is what it is, whatever is said of it. */
	other = was;
	other.layout++;
	rewrite_build(&other);
	cv_unlock(lab);
	assert_int_equal(cv_upgrade(done), -EPROTO);
	other = was;
	other.shape++;
	rewrite_build(&other);
	assert_int_equal(cv_upgrade(done), 0);
	assert_int_equal(cv_lock(lab, 0), 0);
	assert_int_equal(cv_open(&cv), 0);
	cv_close(&cv);
}

static int child_makes(void *arg)
{
	struct cv *cv;

	return cv_open_or_create(&cv, &small) ? 1 : 0;
}

/*
 * A command killed while it loads: the next one makes the instance, and nothing is
 * left of the first.
 */
static int killed_while_loading(void *arg)
{
	unsigned int delay = *(unsigned int *)arg;
	struct cv *cv;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child_makes(NULL));
	usleep(delay);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (cv_open_or_create(&cv, &small))
		return 1;
	if (faccessat(cv->dir, "new", F_OK, 0) == 0 || faccessat(cv->dir, "old", F_OK, 0) == 0)
		return 2;
	if (cv_lock(cv, 1) || cv_set_timeouts(cv, 1, 1, 1))
		return 3;
	cv_unlock(cv);
	return cv_destroy(&cv) ? 4 : 0;
}

static void loading_is_all_or_nothing(void **state)
{
	/* Before, while, and just about when it pins. */
	for (unsigned int delay = 20000; delay < 4000000; delay = delay * 5 / 2)
		assert_int_equal(elsewhere(killed_while_loading, &delay), 0);
}

/* Two at once make one. */
static int race(void *arg)
{
	pid_t pid = fork();
	struct cv *cv;
	int status;

	if (pid == 0)
		_exit(child_makes(NULL));
	if (cv_open_or_create(&cv, &small))
		return 1;
	if (waitpid(pid, &status, 0) != pid || status)
		return 2;
	return cv_destroy(&cv) ? 3 : 0;
}

static void two_at_once_make_one(void **state)
{
	assert_int_equal(elsewhere(race, NULL), 0);
}

/* Whoever waits for the lock of an instance that is removed meanwhile makes a new one. */
static int wait_and_make(void *arg)
{
	struct cv *cv;
	pid_t pid;
	int status;

	if (cv_open_or_create(&cv, &small) || cv_lock(cv, 1))
		return 1;
	pid = fork();
	if (pid == 0) {
		_cleanup_fd_ int dir = -1;

		_exit(instance_dir_locked(10, &dir) || faccessat(dir, "maps", F_OK, 0) == 0);
	}
	usleep(200000);
	if (cv_destroy(&cv))
		return 2;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 3;
}

static void a_waiter_does_not_get_what_is_removed(void **state)
{
	assert_int_equal(elsewhere(wait_and_make, NULL), 0);
}

/*
 * `ip netns exec` makes a mount namespace of its own: one without our bpffs must
 * find the host's.
 */
static int without_the_mount(void *arg)
{
	struct cv *cv;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	if (umount2(CV_BPFFS, MNT_DETACH) < 0 || exists(1))
		return 2;
	if (cv_open_or_create(&cv, &small) || instance_cookie(arg))
		return 3;
	/* What we made is in the host's, not in ours. */
	if (exists(*(uint64_t *)arg))
		return 4;
	cv_close(&cv);
	return cv_open(&cv) ? 5 : 0;
}

static void private_mount_namespaces_find_the_hosts(void **state)
{
	assert_int_equal(elsewhere(without_the_mount, shared_word()), 0);
	assert_true(exists(*shared_word()));
}

static int without_root(void *arg)
{
	struct cv *cv;

	if (setuid(65534) < 0)
		return 9;
	if (cv_open_or_create(&cv, &small) != -EPERM || !strstr(cv_why(), "root"))
		return 1;
	return cv_open(&cv) == -EPERM && strstr(cv_why(), "root") ? 0 : 2;
}

static void only_root_may(void **state)
{
	assert_int_equal(elsewhere(without_root, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_what_was_asked_for),
		cmocka_unit_test(the_clock_runs),
		cmocka_unit_test(sizes_have_a_limit),
		cmocka_unit_test(the_dead_are_collected),
		cmocka_unit_test(the_living_are_not_collected),
		cmocka_unit_test(nothing_stays_of_one_that_is_destroyed),
		cmocka_unit_test(another_layout_is_not_touched),
		cmocka_unit_test(loading_is_all_or_nothing),
		cmocka_unit_test(two_at_once_make_one),
		cmocka_unit_test(a_waiter_does_not_get_what_is_removed),
		cmocka_unit_test(private_mount_namespaces_find_the_hosts),
		cmocka_unit_test(only_root_may),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
