// SPDX-License-Identifier: GPL-2.0-or-later
/* Time: when connections end, by a packet that comes too late or by the sweeper, and what keeps them. */
#include <unistd.h>

#include "case.h"
#include "talk.h"

static const struct packet syn = {}, ack = { .flags = ACK }, syn6 = { .v6 = true },
			   udp = { .proto = IPPROTO_UDP };

#define SYN_TIMEOUT (60 * CV_HZ)
#define UDP_TIMEOUT (300 * CV_HZ)

static uint32_t begin(const struct packet *first)
{
	uint32_t dest;

	path_reset(path);
	dest = simple_service(path, first->v6, first->proto);
	expect_fate(path, TC_DOOR, first, SENT);
	return dest;
}

/* It lives through the tick in which its time is up, and not into the next. */
static void check_sweep(const struct packet *first, uint32_t timeout)
{
	uint32_t dest = begin(first);

	path_advance(path, timeout);
	path_sweep(path);
	assert_non_null(table_find(path, first));
	path_advance(path, 1);
	path_sweep(path);
	assert_null(table_find(path, first));
	expect_counts(path, dest, 0, 0);
	assert_int_equal(path_cause(path, CV_C_CONN_EXPIRED), 1);
	expect_audit(path);
}

static void swept(void **state)
{
	check_sweep(&syn, SYN_TIMEOUT);
	check_sweep(&syn6, SYN_TIMEOUT);
	check_sweep(&udp, UDP_TIMEOUT);
	check_sweep(&(struct packet){ .v6 = true, .proto = IPPROTO_UDP }, UDP_TIMEOUT);
}

/* Without the sweeper, the packet that comes too late ends it; a late ACK is then nobody's. */
static void too_late(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		uint32_t dest = begin(&syn);

		path_advance(path, SYN_TIMEOUT);
		expect_fate(path, (enum door)door, &ack, SENT);
		path_advance(path, 900 * CV_HZ + 1);
		expect_fate(path, (enum door)door, &ack, PASSED);
		expect_counts(path, dest, 0, 0);
		assert_int_equal(path_cause(path, CV_C_CONN_EXPIRED), 1);
		expect_fate(path, (enum door)door, &syn, SENT);
		expect_counts(path, dest, 1, 0);
		assert_int_equal(path_cause(path, CV_C_CONN_NEW), 2);
		expect_audit(path);
	}
}

/* Any packet of the client's winds the timer up again, up to the tick in which it would run out. */
static void refreshed(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		begin(&syn);
		for (int i = 0; i < 5; i++) {
			path_advance(path, SYN_TIMEOUT);
			expect_fate(path, (enum door)door, &syn, SENT);
			path_sweep(path);
		}
		assert_int_equal(path_cause(path, CV_C_CONN_NEW), 1);
		assert_int_equal(path_cause(path, CV_C_CONN_EXPIRED), 0);
		expect_conn(path, &syn, "SYN_RECV", 60);
	}
}

/* The clock is 32 bits wide and comes round every two years. */
static void clock_wraps(void **state)
{
	static const uint32_t before[] = { 1, SYN_TIMEOUT, SYN_TIMEOUT / 2, 0 };

	for (unsigned int i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		path_reset(path);
		simple_service(path, false, IPPROTO_TCP);
		path->clock->now = -before[i];
		expect_fate(path, XDP_DOOR, &syn, SENT);
		path_advance(path, SYN_TIMEOUT);
		path_sweep(path);
		expect_fate(path, TC_DOOR, &syn, SENT);
		assert_int_equal(path_cause(path, CV_C_CONN_NEW), 1);
		path_advance(path, SYN_TIMEOUT + 1);
		path_sweep(path);
		assert_int_equal(table_count(path, false), 0);
	}
	path_reset(path);
}

/* A timeout that is changed counts from each connection's next packet on, as in the kernel. */
static void changed_timeout(void **state)
{
	begin(&syn);
	path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_SYN_RECV] = 5 * CV_HZ;
	path_advance(path, 6 * CV_HZ);
	path_sweep(path);
	expect_fate(path, TC_DOOR, &syn, SENT);
	expect_conn(path, &syn, "SYN_RECV", 5);
	path_advance(path, 6 * CV_HZ);
	path_sweep(path);
	assert_null(table_find(path, &syn));
}

/* ---- masq: answers keep it alive too ------------------------------------------------------- */

static void answers_refresh(void **state)
{
	struct talk t = { .method = 'm', .door = TC_DOOR };

	path_reset(path);
	talk_begin(&t);
	talk_say(&t, "c:SYN");
	talk_say(&t, "s:SYNACK");
	talk_say(&t, "c:ACK");
	path_advance(path, 900 * CV_HZ);
	assert_int_equal(talk_say(&t, "s:DATA"), SENT);
	path_advance(path, 900 * CV_HZ);
	path_sweep(path);
	assert_int_equal(talk_say(&t, "c:ACK"), SENT);
	path_advance(path, 900 * CV_HZ + 1);
	assert_int_equal(talk_say(&t, "s:DATA"), PASSED);
	expect_audit(path);
}

/* ---- drop_entry: ip_vs_random_dropentry() -------------------------------------------------- */

/* So often that whatever may be chosen has been. */
static bool dropped(const struct packet *of)
{
	for (int i = 0; i < 3000 && table_find(path, of); i++)
		path_sweep(path);
	return !table_find(path, of);
}

static void check_drop_entry(const char *what, uint8_t proto, const char *steps, uint32_t idle,
			     bool wanted)
{
	struct talk t = { .method = 'g', .door = TC_DOOR, .proto = proto };

	path_reset(path);
	now_playing("%s, idle for %u s", what, idle);
	talk_begin(&t);
	talk_say_all(&t, steps);
	path_advance(path, idle * CV_HZ);
	path->settings->drop_entry = 3;
	expect_equal("dropped", dropped(&t.client), wanted);
	expect_audit(path);
}

static void drop_entry(void **state)
{
	check_drop_entry("half open", IPPROTO_TCP, "c:SYN", 1, true);
	check_drop_entry("established", IPPROTO_TCP, "c:SYN c:ACK", 50, false);
	check_drop_entry("established", IPPROTO_TCP, "c:SYN c:ACK", 70, true);
	check_drop_entry("established, with packets", IPPROTO_TCP,
			 "c:SYN c:ACK c:ACK c:ACK c:ACK c:ACK c:ACK c:ACK c:ACK c:ACK", 70, false);
	/* What ends by itself is not hurried. */
	check_drop_entry("its client is done", IPPROTO_TCP, "c:SYN c:ACK c:FIN", 70, false);
	check_drop_entry("UDP", IPPROTO_UDP, "c:DATA", 50, false);
	check_drop_entry("UDP", IPPROTO_UDP, "c:DATA", 70, true);
}

/* ---- the sweeper for real ------------------------------------------------------------------- */

/* The timer keeps the clock and sweeps on its own. Last, since nothing stops it any more. */
static void timer(void **state)
{
	uint32_t first;

	path_reset(path);
	path_start(path);
	simple_service(path, false, IPPROTO_TCP);
	path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_SYN_RECV] = CV_HZ / 4;
	first = path->clock->now;
	expect_fate(path, TC_DOOR, &syn, SENT);
	assert_int_equal(table_count(path, false), 1);
	for (int i = 0; i < 40 && table_count(path, false); i++)
		usleep(100000);
	assert_int_equal(table_count(path, false), 0);
	assert_in_range(path->clock->now - first, CV_HZ / 4, 10 * CV_HZ);
	expect_audit(path);
	/* A second start changes nothing. */
	path_start(path);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(swept),	   cmocka_unit_test(too_late),
	cmocka_unit_test(refreshed),	   cmocka_unit_test(clock_wraps),
	cmocka_unit_test(changed_timeout), cmocka_unit_test(answers_refresh),
	cmocka_unit_test(drop_entry),	   cmocka_unit_test(timer),
};

PACKET_MAIN("expiry", NULL, tests)
