// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long lblc and lblcr remember an address's server: what ip_vs_lblc.c and
 * ip_vs_lblcr.c do with their timer, half hours and days told by the clock.
 *
 * Two servers of weight 1 are behind a mark; r2, the last one added, is the
 * first choice. Whether an address is remembered shows in who gets its next
 * connection when r2 has one more than r1, which is not too much for it.
 */
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "case.h"

#define MINUTES (60 * CV_HZ)
#define MOST 16384 /* addresses a service may have before idle ones go */

static uint32_t service, r1, r2;

static void begin(enum cv_sched sched)
{
	path_reset(path);
	path->settings->lblc_expiration = path->settings->lblcr_expiration = 60;
	service = service_add(path, &(struct service_spec){ .fwmark = 1, .sched = sched });
	r1 = dests_add(path, service, 2);
	r2 = r1 + 1;
	now_playing("%s", sched == CV_SCHED_LBLC ? "lblc" : "lblcr");
}

/* Who gets a new connection to the address while they have so many? */
static unsigned int call(unsigned int address, uint32_t with_r1, uint32_t with_r2)
{
	static uint16_t port;
	char dst[32];
	struct packet in = { .dst = dst, .sport = ++port, .mark = 1 };

	snprintf(dst, sizeof(dst), "172.%u.%u.%u", 20 + (address >> 16), address >> 8 & 255,
		 address & 255);
	path->dests[r1].activeconns = with_r1;
	path->dests[r2].activeconns = with_r2;
	return server_of(path, TC_DOOR, &in);
}

static void learn(unsigned int address)
{
	expect_equal("the first server", call(address, 0, 0), 2);
}

static bool remembered(unsigned int address)
{
	return call(address, 0, 1) == 2;
}

/* Since the service got its scheduler, s. */
static void at(uint32_t seconds)
{
	path_advance(path, path->svcs[service].cache_since + seconds * CV_HZ - path->clock->now);
}

/* ---- expiry ------------------------------------------------------------------------- */

static void both(void (*test)(void))
{
	begin(CV_SCHED_LBLC);
	test();
	begin(CV_SCHED_LBLCR);
	test();
}

static void expire_at_half_hours(void)
{
	for (unsigned int address = 0; address < 4; address++)
		learn(address);
	at(29 * 60);
	expect_equal("idle for 29 minutes", remembered(0), true);
	at(30 * 60 - 1);
	expect_equal("before the half hour", remembered(1), true);
	at(30 * 60);
	expect_equal("idle for the half hour", remembered(2), false);
	/* What was used less than lblc_expiration before the half hour stays until the next. */
	at(60 * 60 - 1);
	expect_equal("used a second before the half hour", remembered(1), true);
	expect_equal("used a minute before the half hour", remembered(0), false);
	at(60 * 60 + 1);
	expect_equal("not used since the first half hour", remembered(3), false);
}

static void half_hours(void **state)
{
	both(expire_at_half_hours);
}

static void expire_after_a_day(void)
{
	path->settings->lblc_expiration = path->settings->lblcr_expiration = 24 * 60 * 60;
	learn(0);
	learn(1);
	at(24 * 60 * 60 - 1);
	expect_equal("within the day", remembered(0), true);
	at(24 * 60 * 60 + 60);
	expect_equal("after the day", remembered(1), false);
}

static void a_day(void **state)
{
	both(expire_after_a_day);
}

static void forget_with_the_scheduler(void)
{
	learn(0);
	expect_equal("at once", remembered(0), true);
	path->svcs[service].cache_since++; /* as the library does when it gets one anew */
	expect_equal("after a new beginning", remembered(0), false);
}

static void a_new_life(void **state)
{
	both(forget_with_the_scheduler);
}

static void forget_a_slots_last_owner(void)
{
	learn(0);
	path->dests[r2].serial += 1000;
	expect_equal("another server in the slot", remembered(0), false);
}

static void a_new_owner(void **state)
{
	both(forget_a_slots_last_owner);
}

/* ---- the sweep ------------------------------------------------------------------------ */

static unsigned int entries(const char *map)
{
	int fd = bpf_object__find_map_fd_by_name(path->obj, map);
	unsigned char key[2][64];
	unsigned int n = 0;

	for (int err = bpf_map_get_next_key(fd, NULL, key[0]); !err;
	     err = bpf_map_get_next_key(fd, key[n & 1], key[~n & 1]), n++)
		;
	return n;
}

static void sweep_what_is_gone(void)
{
	path_sweep(path);
	expect_equal("left over", entries("cache"), 0);
	expect_equal("servers left over", entries("cache_members"), 0);
	for (unsigned int address = 0; address < 10; address++)
		learn(address);
	expect_equal("entries", path->svcs[service].cache_entries, 10);
	at(29 * 60);
	path_sweep(path);
	expect_equal("before the half hour", entries("cache"), 10);
	expect_equal("still remembered", remembered(3), true);
	at(30 * 60 + 30);
	path_sweep(path);
	expect_equal("after the half hour", entries("cache"), 0);
	expect_equal("their servers", entries("cache_members"), 0);
	expect_equal("counted", path->svcs[service].cache_entries, 0);
	learn(0);
	path->svcs[service].cache_since++;
	path_sweep(path);
	expect_equal("of an earlier life", entries("cache"), 0);
	expect_equal("servers of an earlier life", entries("cache_members"), 0);
}

/* The one address that was used at 29 minutes goes with the others: its minute is over by then. */
static void sweeps(void **state)
{
	begin(CV_SCHED_LBLC);
	sweep_what_is_gone();
	begin(CV_SCHED_LBLCR);
	sweep_what_is_gone();
}

/* More than its table is made for: some of those not used for six minutes go, four thirds of what is too much. */
static void idle_ones_give_way(void)
{
	const unsigned int n = MOST + 300;

	path_sweep(path);
	path->settings->lblc_expiration = path->settings->lblcr_expiration = 24 * 60 * 60;
	for (unsigned int address = 0; address < n; address++)
		call(address, 0, 0);
	expect_equal("entries", path->svcs[service].cache_entries, n);
	at(5 * 60);
	path_sweep(path);
	expect_equal("none idle for so long", path->svcs[service].cache_entries, n);
	at(7 * 60);
	path_sweep(path);
	expect_equal("after seven minutes", path->svcs[service].cache_entries, n - 400);
	expect_equal("in the map", entries("cache"), n - 400);
	at(8 * 60);
	path_sweep(path);
	expect_equal("few enough", path->svcs[service].cache_entries, n - 400);
	expect_equal("two minutes did not count", path->svcs[service].cache_shift, 2 * MINUTES);
	path->svcs[service].cache_since++;
	path_sweep(path);
}

static void too_many(void **state)
{
	both(idle_ones_give_way);
}

/* ip_vs_lblc_new(): half as many again, and no more. */
static void a_bound(void **state)
{
	begin(CV_SCHED_LBLC);
	path_sweep(path);
	for (unsigned int address = 0; address < MOST * 3 / 2 + 10; address++)
		call(address, 0, 0);
	expect_equal("entries", path->svcs[service].cache_entries, MOST * 3 / 2);
	expect_equal("the last that found room", remembered(MOST * 3 / 2 - 1), true);
	expect_equal("one too many is scheduled all the same", call(MOST * 3 / 2 + 1, 0, 1), 1);
	path->svcs[service].cache_since++;
	path_sweep(path);
}

/* ---- lblcr's sets ----------------------------------------------------------------------- */

/* r2 has too much and r1 nothing: r1 joins. */
static void both_join(unsigned int address)
{
	learn(address);
	expect_equal("while r2 has too much", call(address, 0, 2), 1);
	expect_equal("then the less loaded of the two", call(address, 1, 0), 2);
	expect_equal("whichever it is", call(address, 0, 1), 1);
}

static void sets_shrink(void **state)
{
	begin(CV_SCHED_LBLCR);
	both_join(0);
	both_join(1);
	at(60);
	expect_equal("a minute is not over", call(0, 1, 0), 2);
	at(61);
	/* The choice is made before the more loaded one, r1, leaves. */
	expect_equal("the less loaded one", call(0, 1, 0), 2);
	expect_equal("r1 has left", call(0, 0, 1), 2);
	at(62);
	expect_equal("of equals the last that joined leaves, and is chosen once more",
		     call(1, 1, 1), 1);
	expect_equal("r1 has left", call(1, 0, 1), 2);
	at(1000);
	expect_equal("the last one stays", call(1, 0, 1), 2);
}

static void sets_outlive_a_server(void **state)
{
	begin(CV_SCHED_LBLCR);
	both_join(0);
	dest_weight(path, r1, 0);
	expect_equal("r1 is quiesced", call(0, 0, 1), 2);
	dest_weight(path, r1, 1);
	expect_equal("r1 is back", call(0, 0, 1), 1);
	dest_remove(path, r2);
	expect_equal("r2 is removed", call(0, 1, 0), 1);
	dest_readd(path, service, r2);
	expect_equal("r2 is back", call(0, 1, 0), 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(half_hours),
	cmocka_unit_test(a_day),
	cmocka_unit_test(a_new_life),
	cmocka_unit_test(a_new_owner),
	cmocka_unit_test(sweeps),
	cmocka_unit_test(too_many),
	cmocka_unit_test(a_bound),
	cmocka_unit_test(sets_shrink),
	cmocka_unit_test(sets_outlive_a_server),
};

PACKET_MAIN("cache", NULL, tests)
