// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ipvlan's data path remembers of addresses from packet to packet (V7 in culvert/ipvlan.h): what is changed in the
 * tables counts for the very next packet when the edition is raised, as the library does; and when it is not, as when a
 * command is killed in between, within a tick of the kernel's clock.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include <culvert/ipvlan.h>

#include "case.h"
#include "ipvlan.skel.h"

#define TURNS 50	    /* of which hardly one meets the end of a tick */
#define TWO_TICKS 25000000L /* ns; at 100 Hz */

static struct ipvlan_bpf *skel;
static uint32_t master_ifindex, slave_ifindex[2], edition;

static void shell(const char *command)
{
	if (system(command) != 0)
		exit(1);
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) < 0)
		fail_msg("map: %s", strerror(errno));
}

/* One master in this mode, with an edition that none had before, two slaves, and no address. */
static void begin(uint32_t mode)
{
	struct cv_ipv_master m = { .state = CV_IPV_LIVE,
				   .ifindex = master_ifindex,
				   .policy = mode | CV_IPV_HOSTREACH,
				   .edition = ++edition,
				   .slots = 2 };
	struct cv_ipv_port port = { .kind = CV_IPV_IS_MASTER };
	uint32_t zero = 0;
	struct cv_ipv_addr_key key;

	while (bpf_map_get_next_key(bpf_map__fd(skel->maps.addrs), NULL, &key) == 0)
		bpf_map_delete_elem(bpf_map__fd(skel->maps.addrs), &key);
	memcpy(&m.mac, "\2\0\0\0\0\1", 6);
	put(skel->maps.masters, &zero, &m);
	put(skel->maps.ports, &master_ifindex, &port);
	for (uint32_t i = 0; i < 2; i++) {
		struct cv_ipv_slave s = { .state = CV_IPV_LIVE, .ifindex = slave_ifindex[i] };

		port = (struct cv_ipv_port){ .kind = CV_IPV_IS_SLAVE, .index = i };
		put(skel->maps.slaves, &i, &s);
		put(skel->maps.ports, &slave_ifindex[i], &port);
	}
}

#define NOBODY 2

/* It is this slave's from now on. */
static void own(const char *text, uint32_t slave)
{
	bool v6;
	struct cv_ipv_addr_key key = { .addr = addr_of(text, &v6) };
	struct cv_ipv_addr value = { .slave = slave };

	key.family = v6 ? AF_INET6 : AF_INET;
	if (slave == NOBODY)
		bpf_map_delete_elem(bpf_map__fd(skel->maps.addrs), &key);
	else
		put(skel->maps.addrs, &key, &value);
}

static void raise_edition(void)
{
	struct cv_ipv_master m;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.masters), &zero, &m), 0);
	m.edition = ++edition;
	put(skel->maps.masters, &zero, &m);
}

/* Between the client and a slave's address, in the direction that the program takes. */
static int run(const struct bpf_program *prog, uint32_t ifindex, bool v6, bool out)
{
	const char *slave = v6 ? VIP6 : VIP, *client = v6 ? CLIENT6 : CLIENT;
	struct packet p = {
		.v6 = v6, .src = out ? slave : client, .dst = out ? client : slave, .flags = ACK
	};
	struct __sk_buff ctx = { .ifindex = ifindex };
	struct frame in, result;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_out = result.data,
		    .data_size_out = sizeof(result.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	frame_build(&in, &p);
	/* The kernel's test run calls it PACKET_HOST by the MAC address of the device. */
	memcpy(in.data, out ? "\2\0\0\0\0\2" : "\2\0\0\0\0\1", 6);
	memcpy(in.data + 6, out ? "\2\0\0\0\0\1" : "\2\0\0\0\0\2", 6);
	opts.data_in = in.data;
	opts.data_size_in = in.len;
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) < 0)
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(errno));
	return (int)opts.retval;
}

static int sends(uint32_t slave, bool v6)
{
	return run(skel->progs.slave_out, slave_ifindex[slave], v6, true);
}

static int receives(bool v6)
{
	return run(skel->progs.master_in, master_ifindex, v6, false);
}

static const char *address(bool v6)
{
	return v6 ? VIP6 : VIP;
}

static void moves(uint32_t mode, bool v6)
{
	int sent = mode == CV_IPV_L2 ? TC_ACT_REDIRECT : TC_ACT_UNSPEC; /* l3: up the stack */
	const char *addr = address(v6);

	begin(mode);
	for (int turn = 0; turn < TURNS; turn++) {
		assert_int_equal(receives(v6), TC_ACT_UNSPEC);
		assert_int_equal(sends(0, v6), TC_ACT_SHOT);
		own(addr, 0);
		raise_edition();
		assert_int_equal(receives(v6), TC_ACT_REDIRECT);
		assert_int_equal(sends(0, v6), sent);
		assert_int_equal(sends(1, v6), TC_ACT_SHOT);
		own(addr, 1);
		raise_edition();
		assert_int_equal(sends(0, v6), TC_ACT_SHOT);
		assert_int_equal(sends(1, v6), sent);
		own(addr, NOBODY);
		raise_edition();
	}
}

static void each_cell(void (*each)(uint32_t mode, bool v6))
{
	for (int v6 = 0; v6 < 2; v6++) {
		each(CV_IPV_L2, v6);
		each(CV_IPV_L3, v6);
	}
}

static void counts_at_once(void **state)
{
	each_cell(moves);
}

/* Nobody said so: it counts as long as a tick lasts, which shows that it was remembered, and not longer. */
static void unsaid(uint32_t mode, bool v6)
{
	const struct timespec wait = { .tv_nsec = TWO_TICKS };
	int old = 0;

	begin(mode);
	for (int turn = 0; turn < TURNS; turn++) {
		own(address(v6), 0);
		raise_edition();
		assert_int_equal(receives(v6), TC_ACT_REDIRECT);
		assert_int_not_equal(sends(0, v6), TC_ACT_SHOT);
		own(address(v6), NOBODY);
		old += receives(v6) == TC_ACT_REDIRECT && sends(0, v6) != TC_ACT_SHOT;
	}
	assert_in_range(old, 1, TURNS);
	nanosleep(&wait, NULL);
	assert_int_equal(receives(v6), TC_ACT_UNSPEC);
	assert_int_equal(sends(0, v6), TC_ACT_SHOT);
}

static void for_a_tick(void **state)
{
	each_cell(unsaid);
}

/* Mode, flag and state are read for each packet: no edition is raised for them. */
static void policy(uint32_t mode, bool v6)
{
	struct cv_ipv_master m;
	struct cv_ipv_slave s;
	uint32_t zero = 0;
	int other = mode == CV_IPV_L2 ? TC_ACT_UNSPEC : TC_ACT_REDIRECT;

	begin(mode);
	own(address(v6), 0);
	assert_int_equal(receives(v6), TC_ACT_REDIRECT);
	assert_int_not_equal(sends(0, v6), other);
	bpf_map_lookup_elem(bpf_map__fd(skel->maps.masters), &zero, &m);
	m.policy = (mode == CV_IPV_L2 ? CV_IPV_L3 : CV_IPV_L2) | CV_IPV_HOSTREACH;
	put(skel->maps.masters, &zero, &m);
	assert_int_equal(sends(0, v6), other);
	m.policy = CV_IPV_L3S | CV_IPV_HOSTREACH;
	put(skel->maps.masters, &zero, &m);
	assert_int_equal(receives(v6), TC_ACT_UNSPEC);
	bpf_map_lookup_elem(bpf_map__fd(skel->maps.slaves), &zero, &s);
	s.state = CV_IPV_MAKING;
	put(skel->maps.slaves, &zero, &s);
	assert_int_equal(sends(0, v6), TC_ACT_SHOT);
}

static void policy_is_read(void **state)
{
	each_cell(policy);
}

/* Two devices that leave their hints in one place: each packet is that of its own. */
static void hints_are_only_that(void **state)
{
	uint32_t at = slave_ifindex[0] % CV_IPV_HINTS, one = 1;

	begin(CV_IPV_L2);
	own(VIP, 0);
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(sends(0, false), TC_ACT_REDIRECT);
		put(skel->maps.hints, &at, &one);
	}
	one = 12345;
	put(skel->maps.hints, &at, &one);
	assert_int_equal(sends(0, false), TC_ACT_REDIRECT);
	bpf_map_delete_elem(bpf_map__fd(skel->maps.ports), &slave_ifindex[0]);
	put(skel->maps.hints, &at, &one);
	assert_int_equal(sends(0, false), TC_ACT_SHOT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_at_once),
		cmocka_unit_test(for_a_tick),
		cmocka_unit_test(policy_is_read),
		cmocka_unit_test(hints_are_only_that),
	};

	path_stay_here();
	if (unshare(CLONE_NEWNET) < 0)
		return 1;
	/* The host forwards nothing: l3 hands all to its stack, with hostreach. */
	shell("ip link add m0 address 02:00:00:00:00:01 type veth peer name wire && ip link set m0 up && "
	      "for i in 0 1; do ip link add host$i type veth peer name end$i; done");
	master_ifindex = if_nametoindex("m0");
	slave_ifindex[0] = if_nametoindex("host0");
	slave_ifindex[1] = if_nametoindex("host1");
	skel = ipvlan_bpf__open_and_load();
	return skel ? cmocka_run_group_tests_name("ipvlan_remembered", tests, NULL, NULL) : 1;
}
