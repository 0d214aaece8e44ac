// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Servers that are quiesced or leave, and services that go: what becomes of
 * their connections (survival, removed_server, quiesced in the recorded facts).
 */
#include "case.h"
#include "talk.h"

static const struct packet first = { .sport = 1001 }, second = { .sport = 1002 },
			   third = { .sport = 1003 };

static struct packet with(struct packet p, uint8_t flags)
{
	p.flags = flags;
	return p;
}

static uint32_t two_servers(enum cv_sched sched)
{
	uint32_t s;

	path_reset(path);
	s = service_add(path, &(struct service_spec){ .sched = sched });
	return dests_add(path, s, 2);
}

static void expect_server(enum door door, struct packet in, unsigned int number)
{
	expect_equal("server", server_of(path, door, &in), number);
}

/* ---- weight 0 -------------------------------------------------------------------------- */

/* A quiesced server keeps its connections, and gets no new ones. */
static void quiesced(void **state)
{
	static const enum cv_sched scheds[] = { CV_SCHED_RR, CV_SCHED_WRR, CV_SCHED_LC,
						CV_SCHED_WLC };

	for (unsigned int i = 0; i < 4 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		uint32_t r1 = two_servers(scheds[i / DOORS]);

		now_playing("scheduler %u, %s", scheds[i / DOORS], door_names[door]);
		expect_server(door, first, 2);
		dest_weight(path, r1 + 1, 0);
		expect_server(door, with(first, ACK), 2);
		expect_server(door, second, 1);
		expect_server(door, third, 1);
		expect_server(door, first, 2); /* a SYN again, in an open connection */
		dest_weight(path, r1, 0);
		expect_server(door, (struct packet){ .sport = 9 }, 0);
		expect_counts(path, r1, 2, 0);
		expect_counts(path, r1 + 1, 1, 0);
		dest_weight(path, r1 + 1, 1);
		expect_server(door, (struct packet){ .sport = 9 }, 2);
		expect_audit(path);
	}
}

/* With expire_nodest_conn, a SYN in a quiesced server's connection is scheduled anew. */
static void quiesced_expiring(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR);

		path->settings->expire_nodest_conn = 1;
		expect_server(door, first, 2);
		dest_weight(path, r1 + 1, 0);
		expect_server(door, with(first, ACK), 2);
		expect_server(door, first, 1);
		expect_counts(path, r1, 1, 0);
		expect_counts(path, r1 + 1, 0, 0);
		expect_equal("connections", table_count(path, false), 1);
		expect_audit(path);
	}
}

/*
 * A template still leads to a quiesced server; expire_nodest_conn does not take
 * the connection that XDP has just made, and handed on, for an old one.
 */
static void quiesced_template(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR), service = path->dests[r1].service;

		path->svcs[service].flags |= CV_SVC_PERSISTENT;
		path->svcs[service].timeout = 300;
		path->settings->expire_nodest_conn = 1;
		expect_server(door, first, 2);
		dest_weight(path, r1 + 1, 0);
		path_advance(path, 2 * CV_HZ); /* the neighbour table wants to see a packet */
		expect_server(door, second, 2);
		expect_equal("made", (long)path_cause(path, CV_C_CONN_NEW), 2);
		expect_equal("counted", (long)path_counters(path, r1 + 1).conns, 2);
		expect_audit(path);
	}
}

/* ---- removed ----------------------------------------------------------------------------- */

/* Its connections' packets are dropped while it is away, and flow again with the old counts. */
static void removed(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR), service = path->dests[r1].service;
		struct packet ack = with(first, ACK), syn = first;

		expect_server(door, first, 2);
		dest_remove(path, r1 + 1);
		expect_fate(path, door, &ack, DROPPED);
		expect_fate(path, door, &syn, DROPPED);
		assert_int_equal(path_cause(path, CV_C_DROP_NODEST), 2);
		expect_counts(path, r1 + 1, 1, 0);
		expect_conn(path, &first, "SYN_RECV", 60);
		expect_server(door, second, 1);
		dest_readd(path, service, r1 + 1);
		expect_server(door, ack, 2);
		expect_conn(path, &first, "ESTABLISHED", 900);
		expect_counts(path, r1 + 1, 1, 0);
		expect_audit(path);
	}
}

/* With expire_nodest_conn the connection ends by its next packet: a SYN begins another. */
static void removed_expiring(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR);
		struct packet ack = with(first, ACK);

		path->settings->expire_nodest_conn = 1;
		expect_server(door, first, 2);
		expect_server(door, second, 1);
		expect_server(door, third, 2);
		dest_remove(path, r1 + 1);
		expect_fate(path, door, &ack, PASSED);
		assert_int_equal(path_cause(path, CV_C_PASS_NOTSYN), 1);
		expect_server(door, third, 1);
		expect_counts(path, r1, 2, 0);
		expect_counts(path, r1 + 1, 0, 0);
		expect_audit(path);
	}
}

/* ---- the service goes ----------------------------------------------------------------------- */

static void service_gone(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR), service = path->dests[r1].service;
		struct packet ack = with(first, ACK);

		service_add(path, &(struct service_spec){ .port = 443 });
		expect_server(door, first, 2);
		service_remove(path, service);
		expect_fate(path, door, &ack, DROPPED);	  /* a connection of the dead service */
		expect_fate(path, door, &second, PASSED); /* no service: the stack's */
		assert_int_equal(path_cause(path, CV_C_PASS_NOSERVICE), 1);
		path->settings->expire_nodest_conn = 1;
		expect_fate(path, door, &ack, PASSED);
		expect_counts(path, r1 + 1, 0, 0);
		expect_audit(path);
	}
}

/* Without any service left, IPVS looks at nothing: packets of old connections are the stack's. */
static void all_services_gone(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t r1 = two_servers(CV_SCHED_RR);
		struct packet ack = with(first, ACK);

		expect_server(door, first, 2);
		service_remove(path, path->dests[r1].service);
		expect_fate(path, door, &ack, PASSED);
		expect_counts(path, r1 + 1, 1, 0);
		path_advance(path, 61 * CV_HZ);
		path_sweep(path);
		expect_counts(path, r1 + 1, 0, 0);
		expect_audit(path);
	}
}

/* A destination that is on the list but not available (L3) is skipped, by every scheduler. */
static void half_a_change(void **state)
{
	for (enum cv_sched sched = CV_SCHED_RR; sched <= CV_SCHED_WLC; sched++) {
		uint32_t r1 = two_servers(sched);

		now_playing("scheduler %d", sched);
		path->dests[r1 + 1].flags &= ~CV_DEST_AVAILABLE;
		for (uint16_t i = 0; i < 4; i++)
			expect_server(TC_DOOR, (struct packet){ .sport = 2000 + i }, 1);
		path->dests[r1].flags &= ~CV_DEST_AVAILABLE;
		expect_server(TC_DOOR, (struct packet){ .sport = 3000 }, 0);
	}
}

/* ---- a scheduler's lock that is held too long ------------------------------------------------- */

/* The packet is dropped, and its client sends it again; an error would end the attempt. */
static void scheduler_busy(void **state)
{
	for (unsigned int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		uint32_t r1 = two_servers(CV_SCHED_WRR), service = path->dests[r1].service;

		if (i / DOORS) {
			path->svcs[service].flags |= CV_SVC_PERSISTENT;
			path->svcs[service].timeout = 60;
		}
		path->svcs[service].sched_lock = 1;
		expect_fate(path, door, &first, DROPPED);
		assert_int_equal(path_cause(path, CV_C_DROP_LOCKED), 1);
		assert_int_equal(table_count(path, false), 0);
		path->svcs[service].sched_lock = 0;
		expect_server(door, first, 2);
		expect_audit(path);
	}
}

/* So is one whose set is locked. */
static void set_busy(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		two_servers(CV_SCHED_RR);
		for (unsigned int i = 0; i < CV_LOCKS; i++)
			path->locks[i] = 1;
		expect_fate(path, door, &first, DROPPED);
		assert_int_equal(path_cause(path, CV_C_DROP_LOCKED), 1);
		for (unsigned int i = 0; i < CV_LOCKS; i++)
			path->locks[i] = 0;
		expect_audit(path);
	}
}

/*
 * A fragment that comes in again when the connection of its packet has ended is
 * dropped, and touches neither the slot nor the server's counts.
 */
static void fragment_of_the_dead(void **state)
{
	struct packet in = { .v6 = true, .ext = "F" }; /* whole by itself (RFC 6946) */

	for (int door = 0; door < DOORS; door++) {
		uint32_t dest;

		path_reset(path);
		now_playing("%s", door_names[door]);
		dest = simple_service(path, true, IPPROTO_TCP);
		path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_SYN_RECV] = CV_HZ;
		expect_fate(path, door, &in, DROPPED); /* goes in once more, on its own */
		expect_counts(path, dest, 1, 0);
		path_advance(path, 2 * CV_HZ);
		path_sweep(path);
		expect_counts(path, dest, 0, 0);
		expect_fate(path, door, &in, DROPPED);
		expect_counts(path, dest, 0, 0);
		expect_audit(path);
	}
}

/* One whose TTL runs out here is dropped and counted, not passed up as far as it was rewritten. */
static void fragment_without_hops(void **state)
{
	struct packet in = { .v6 = true, .ext = "F" }, last = { .v6 = true, .ext = "F", .ttl = 1 };

	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = i % DOORS;
		uint32_t service;

		path_reset(path);
		now_playing("%s, %s", door_names[door], i / DOORS ? "masq" : "droute");
		service = service_add(path, &(struct service_spec){ .v6 = true });
		dest_add(path, service, &(struct dest_spec){ .masq = i / DOORS });
		expect_fate(path, door, &in, DROPPED); /* goes in once more, on its own */
		expect_fate(path, door, &last, DROPPED);
		expect_equal("DROP_TTL", (long)path_cause(path, CV_C_DROP_TTL), 1);
		expect_audit(path);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(fragment_without_hops),
	cmocka_unit_test(fragment_of_the_dead),
	cmocka_unit_test(quiesced),
	cmocka_unit_test(quiesced_expiring),
	cmocka_unit_test(quiesced_template),
	cmocka_unit_test(removed),
	cmocka_unit_test(removed_expiring),
	cmocka_unit_test(service_gone),
	cmocka_unit_test(all_services_gone),
	cmocka_unit_test(half_a_change),
	cmocka_unit_test(scheduler_busy),
	cmocka_unit_test(set_busy),
};

PACKET_MAIN("gone", NULL, tests)
