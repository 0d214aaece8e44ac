// SPDX-License-Identifier: GPL-2.0-or-later
/* All keys of a map, whatever happens to it meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "lab.h"
#include "mapkeys.h"

#define ENTRIES 1000

static int make_hash(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "keys", sizeof(uint32_t), sizeof(uint32_t),
				ENTRIES, NULL);

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

static uint32_t replacing; /* the next key to be put in the place of one that goes; 0: none goes */

/* libbpf's, and what somebody else may do before the next call: the key that it told is gone, and there is another. */
int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
				.key = (uintptr_t)key,
				.next_key = (uintptr_t)next };
	int err = (int)syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr));

	if (!err && replacing) {
		assert_int_equal(bpf_map_delete_elem(fd, next), 0);
		put(fd, replacing++);
	}
	return err;
}

/* The key that the walk stands on may go: then it starts over, and must not do so for ever. */
static void it_ends_while_keys_come_and_go(void **state)
{
	_cleanup_(map_keys_free) struct map_keys k = {};
	_cleanup_fd_ int fd = make_hash();

	for (uint32_t key = 0; key < ENTRIES / 2; key++)
		put(fd, key);
	replacing = ENTRIES;
	alarm(20);
	assert_int_equal(map_keys(fd, sizeof(uint32_t), &k), 0);
	alarm(0);
	replacing = 0;
	assert_int_equal(k.n, ENTRIES);
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
