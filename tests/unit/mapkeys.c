// SPDX-License-Identifier: GPL-2.0-or-later
/* All keys of a map, whatever happens to it meanwhile. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "lab.h"
#include "mapkeys.h"

#define ENTRIES 1000

static int make_hash(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "keys", sizeof(uint32_t), sizeof(uint32_t), ENTRIES, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd, uint32_t key)
{
	assert_int_equal(bpf_map_update_elem(fd, &key, &key, BPF_ANY), 0);
}

static void all_of_them(void **state)
{
	_cleanup_(map_keys_free) struct map_keys k = {};
	_cleanup_fd_ int fd = make_hash();
	bool seen[ENTRIES] = {};

	assert_int_equal(map_keys(fd, sizeof(uint32_t), &k), 0);
	assert_int_equal(k.n, 0);
	for (uint32_t key = 0; key < ENTRIES; key++)
		put(fd, key);
	map_keys_free(&k);
	assert_int_equal(map_keys(fd, sizeof(uint32_t), &k), 0);
	assert_int_equal(k.n, ENTRIES);
	for (uint32_t i = 0; i < k.n; i++)
		seen[((uint32_t *)k.keys)[i]] = true;
	for (uint32_t key = 0; key < ENTRIES; key++)
		assert_true(seen[key]);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	_cleanup_(map_keys_free) struct map_keys k = {};
	_cleanup_fd_ int fd = make_hash();

	assert_int_equal(map_keys(fd, sizeof(uint64_t), &k), -EPROTO);
	assert_int_equal(map_keys(-1, sizeof(uint32_t), &k), -EBADFD);
	assert_null(k.keys);
}

/* Each key that the walk stands on may go: then it starts over, and must not do so for ever. */
static void it_ends_while_keys_come_and_go(void **state)
{
	_cleanup_fd_ int fd = make_hash();
	pid_t pid;

	for (uint32_t key = 0; key < ENTRIES; key += 2)
		put(fd, key);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (uint32_t key = 0;; key = (key + 1) % ENTRIES) {
			bpf_map_delete_elem(fd, &key);
			bpf_map_update_elem(fd, &key, &key, BPF_ANY);
		}
	}
	for (int i = 0; i < 200; i++) {
		_cleanup_(map_keys_free) struct map_keys k = {};

		assert_int_equal(map_keys(fd, sizeof(uint32_t), &k), 0);
		assert_in_range(k.n, 1, ENTRIES);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(what_cannot_be_read_is_an_error),
		cmocka_unit_test(it_ends_while_keys_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
