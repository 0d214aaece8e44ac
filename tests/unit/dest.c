// SPDX-License-Identifier: GPL-2.0-or-later
/* Real servers: order, trash, thresholds, schedulers' state, and the errno of each mistake. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"
#include "slots.h"

#define VIP "10.0.0.1"

static struct cv_service_key key;

/* A service with servers 10.1.0.1 to 10.1.0.n, of these weights. */
static void serve(enum cv_sched sched, int n, const int *weights)
{
	struct cv_service_spec s = lab_service(VIP, 80, sched);

	key = s.key;
	assert_int_equal(cv_service_add(lab, &s), 0);
	for (int i = 1; i <= n; i++) {
		char addr[16];
		struct cv_dest_spec d;

		snprintf(addr, sizeof(addr), "10.1.0.%d", i);
		d = lab_dest(addr, weights ? weights[i - 1] : 1);
		assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	}
}

static int del(const char *addr)
{
	const struct cv_dest_spec d = lab_dest(addr, 0);

	return cv_dest_del(lab, &key, &d);
}

static int add(const char *addr, int32_t weight)
{
	const struct cv_dest_spec d = lab_dest(addr, weight);

	return cv_dest_add(lab, &key, &d);
}

static int edit(const char *addr, int32_t weight)
{
	const struct cv_dest_spec d = lab_dest(addr, weight);

	return cv_dest_edit(lab, &key, &d);
}

static struct cv_service *svc(void)
{
	for (uint32_t i = 0; i < LAB_SERVICES; i++) {
		if (lab->svcs[i].flags & CV_SVC_USED)
			return &lab->svcs[i];
	}
	fail();
	return NULL;
}

static struct cv_dest *dest(const char *addr)
{
	uint32_t slot = lab_slot(&key, addr);

	assert_int_not_equal(slot, CV_NONE);
	return &lab->dests[slot];
}

static void last_added_is_first(void **state)
{
	serve(CV_SCHED_RR, 3, NULL);
	assert_string_equal(lab_list(&key), "10.1.0.3 10.1.0.2 10.1.0.1");
	assert_int_equal(del("10.1.0.2"), 0);
	assert_string_equal(lab_list(&key), "10.1.0.3 10.1.0.1");
	assert_int_equal(add("10.1.0.2", 1), 0);
	assert_string_equal(lab_list(&key), "10.1.0.2 10.1.0.3 10.1.0.1");
	assert_int_equal(del("10.1.0.2"), 0);
	assert_int_equal(del("10.1.0.1"), 0);
	assert_int_equal(del("10.1.0.3"), 0);
	assert_string_equal(lab_list(&key), "");
	assert_int_equal(svc()->num_dests, 0);
	assert_int_equal(svc()->head, CV_NONE);
}

static void mistakes_change_nothing(void **state)
{
	struct cv_service_key other = lab_key(VIP, 81);
	struct cv_dest_spec d;
	char before[8192];

	serve(CV_SCHED_WRR, 2, NULL);
	strcpy(before, lab_listing());

	d = lab_dest("10.1.0.3", 1);
	assert_int_equal(cv_dest_add(lab, &other, &d), -ESRCH);
	assert_int_equal(cv_dest_edit(lab, &other, &d), -ESRCH);
	assert_int_equal(cv_dest_del(lab, &other, &d), -ESRCH);
	assert_int_equal(cv_dest_edit(lab, &key, &d), -ENOENT);
	assert_int_equal(cv_dest_del(lab, &key, &d), -ENOENT);
	assert_int_equal(add("10.1.0.1", 1), -EEXIST);
	assert_int_equal(add("10.1.0.3", -1), -ERANGE);
	assert_int_equal(edit("10.1.0.1", -1), -ERANGE);
	d.l_threshold = 2;
	d.u_threshold = 1;
	assert_int_equal(cv_dest_add(lab, &key, &d), -ERANGE);
	d = lab_dest("10.1.0.3", 1);
	d.method = CV_TUNNEL;
	d.tun_type = CV_TUN_GUE;
	assert_int_equal(cv_dest_add(lab, &key, &d), -EINVAL);
	d.tun_type = 9;
	assert_int_equal(cv_dest_add(lab, &key, &d), -EINVAL);
	d = lab_dest("fd00::9", 1);
	assert_int_equal(cv_dest_add(lab, &key, &d), -EINVAL);
	d.family = AF_UNIX;
	assert_int_equal(cv_dest_add(lab, &key, &d), -EAFNOSUPPORT);
	d = lab_dest("10.1.0.3", 1);
	d.method = 7;
	assert_int_equal(cv_dest_add(lab, &key, &d), -EINVAL);
	assert_string_equal(lab_listing(), before);
}

static void addresses_that_nobody_can_be_sent_to(void **state)
{
	static const char *const unfit[] = { "224.0.0.1", "255.255.255.255", "0.0.0.0",
					     "127.255.255.255" };
	static const char *const unfit6[] = { "ff02::1", "::", "fe80::1", "::ffff:10.1.0.1" };
	struct cv_service_spec six = lab_service("fd00::1", 80, CV_SCHED_RR);
	struct cv_dest_spec d;

	serve(CV_SCHED_RR, 0, NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(add(unfit[i], 1), -EINVAL);
		assert_int_equal(lab_slot(&key, unfit[i]), CV_NONE);
	}
	assert_int_equal(cv_service_add(lab, &six), 0);
	for (size_t i = 0; i < 4; i++) {
		d = lab_dest(unfit6[i], 1);
		assert_int_equal(cv_dest_add(lab, &six.key, &d), -EINVAL);
	}
	d = lab_dest("fd00::2", 1);
	assert_int_equal(cv_dest_add(lab, &six.key, &d), 0);
}

static void own_addresses_are_local(void **state)
{
	struct cv_service_spec six = lab_service("fd00::1", 80, CV_SCHED_RR);
	struct cv_dest_spec d = lab_dest("::1", 1);

	serve(CV_SCHED_RR, 1, NULL);
	assert_int_equal(add("127.0.0.1", 1), 0);
	assert_int_equal(add("127.1.2.3", 1), 0);
	assert_true(dest("127.0.0.1")->flags & CV_DEST_LOCAL);
	assert_true(dest("127.1.2.3")->flags & CV_DEST_LOCAL);
	assert_false(dest("10.1.0.1")->flags & CV_DEST_LOCAL);
	assert_int_equal(cv_service_add(lab, &six), 0);
	assert_int_equal(cv_dest_add(lab, &six.key, &d), 0);
	assert_true(lab->dests[lab_slot(&six.key, "::1")].flags & CV_DEST_LOCAL);
	assert_true(lab->dests[lab_slot(&six.key, "::1")].flags & CV_DEST_IPV6);
}

static void tunnels_cross_families(void **state)
{
	struct cv_dest_spec d = lab_dest("fd00::9", 1);
	const struct cv_dest *there;

	serve(CV_SCHED_RR, 0, NULL);
	d.method = CV_TUNNEL;
	d.tun_type = CV_TUN_GUE;
	d.tun_port = htons(6080);
	d.tun_flags = CV_TUN_CSUM;
	assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	there = &lab->dests[lab_slot(&key, "fd00::9")];
	assert_int_equal(there->flags & CV_DEST_METHOD, CV_TUNNEL);
	assert_true(there->flags & CV_DEST_IPV6);
	assert_int_equal(there->tun_port, htons(6080));
	assert_int_equal(there->tun_type, CV_TUN_GUE);
	assert_int_equal(there->tun_flags, CV_TUN_CSUM);
}

static void masq_is_counted_once(void **state)
{
	struct cv_dest_spec d = lab_dest("10.1.0.1", 1);
	uint32_t before = cv_settings(lab)->num_masq;

	serve(CV_SCHED_RR, 0, NULL);
	d.method = CV_MASQ;
	assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	assert_int_equal(cv_settings(lab)->num_masq, before + 1);
	assert_int_equal(cv_dest_edit(lab, &key, &d), 0);
	assert_int_equal(cv_settings(lab)->num_masq, before + 1);
	assert_int_equal(add("10.1.0.2", 1), 0);
	assert_int_equal(cv_settings(lab)->num_masq, before + 1);
}

/* Connections keep the method that they were made with: the data path has to know that there may be others. */
static void another_method_is_noted(void **state)
{
	struct cv_dest_spec d = lab_dest("10.1.0.1", 1);

	serve(CV_SCHED_RR, 1, NULL);
	assert_int_equal(edit("10.1.0.1", 7), 0);
	assert_false(dest("10.1.0.1")->flags & CV_DEST_MIXED);
	d.method = CV_TUNNEL;
	assert_int_equal(cv_dest_edit(lab, &key, &d), 0);
	assert_true(dest("10.1.0.1")->flags & CV_DEST_MIXED);
	assert_int_equal(edit("10.1.0.1", 7), 0);
	assert_true(dest("10.1.0.1")->flags & CV_DEST_MIXED);
	assert_int_equal(add("10.1.0.2", 1), 0);
	assert_false(dest("10.1.0.2")->flags & CV_DEST_MIXED);
}

static uint32_t state_after(struct cv_dest_spec *d, uint32_t u_threshold, uint32_t l_threshold)
{
	d->u_threshold = u_threshold;
	d->l_threshold = l_threshold;
	assert_int_equal(cv_dest_edit(lab, &key, d), 0);
	return dest("10.1.0.1")->state;
}

/*
 * __ip_vs_dest_update_overload(): other thresholds are held against the
 * connections that there are.
 */
static void thresholds_count_the_connections(void **state)
{
	struct cv_dest_spec d = lab_dest("10.1.0.1", 1);

	serve(CV_SCHED_RR, 0, NULL);
	d.u_threshold = 10;
	d.l_threshold = 5;
	assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	dest("10.1.0.1")->state = CV_DEST_OVERLOAD;
	dest("10.1.0.1")->activeconns = 3;
	dest("10.1.0.1")->inactconns = 4;
	assert_int_equal(state_after(&d, 10, 5), CV_DEST_OVERLOAD);
	assert_int_equal(state_after(&d, 20, 7), CV_DEST_OVERLOAD);
	assert_int_equal(state_after(&d, 20, 8), 0);
	assert_int_equal(state_after(&d, 8, 5), 0);
	assert_int_equal(state_after(&d, 7, 5), CV_DEST_OVERLOAD);
	assert_int_equal(state_after(&d, 9, 0), CV_DEST_OVERLOAD); /* 9 less its quarter is 7 */
	assert_int_equal(state_after(&d, 10, 0), 0);
	assert_int_equal(state_after(&d, 1, 1), CV_DEST_OVERLOAD);
	assert_int_equal(state_after(&d, 0, 0), 0);
}

/* ---- the trash (L4, S2) ---------------------------------------------------- */

static void same_slot_with_its_connections(void **state)
{
	struct cv_service_spec s;
	struct cv_dest_spec d = lab_dest("10.1.0.1", 1);
	uint32_t slot;

	serve(CV_SCHED_RR, 2, NULL);
	s = lab_service(VIP, 80, CV_SCHED_RR);
	slot = lab_slot(&key, "10.1.0.1");
	lab->dests[slot].activeconns = 3;
	lab->dests[slot].inactconns = 2;

	assert_int_equal(del("10.1.0.1"), 0);
	assert_false(lab->dests[slot].flags & CV_DEST_AVAILABLE);
	assert_true(lab->dests[slot].flags & CV_DEST_USED);
	assert_int_equal(lab->dests[slot].service, CV_NONE);
	d.method = CV_TUNNEL;
	assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), slot);
	assert_true(lab->dests[slot].flags & CV_DEST_AVAILABLE);
	assert_int_equal(lab->dests[slot].flags & CV_DEST_METHOD, CV_TUNNEL);
	assert_true(lab->dests[slot].flags & CV_DEST_MIXED);
	assert_int_equal(lab->dests[slot].activeconns, 3);

	/* And through a deletion of the whole service. */
	assert_int_equal(cv_flush(lab), 0);
	assert_int_equal(lab->dests[slot].service, CV_NONE);
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_string_equal(lab_list(&key), "");
	assert_int_equal(cv_dest_add(lab, &key, &d), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), slot);
	assert_int_equal(lab->dests[slot].inactconns, 2);
	lab->dests[slot].activeconns = lab->dests[slot].inactconns = 0;
}

static uint64_t conns_of(uint32_t slot)
{
	return lab->counters[slot].conns - lab->dest_est[slot].base[CV_CONNS];
}

static void figures_only_in_the_same_service(void **state)
{
	struct cv_service_spec s;
	struct cv_service *before;
	uint32_t slot;

	serve(CV_SCHED_RR, 1, NULL);
	s = lab_service(VIP, 80, CV_SCHED_RR);
	before = svc();
	slot = lab_slot(&key, "10.1.0.1");
	lab->counters[slot].conns = 7;
	assert_int_equal(del("10.1.0.1"), 0);
	assert_int_equal(add("10.1.0.1", 1), 0);
	assert_int_equal(conns_of(slot), 7);
	assert_int_equal(cv_service_del(lab, &key), 0);
	/* The next one is another service, even in the same slot. */
	lab_age(CV_GRACE);
	lab->journal->service_hint = (uint32_t)(before - lab->svcs);
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_ptr_equal(svc(), before);
	assert_int_equal(add("10.1.0.1", 1), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), slot);
	assert_int_equal(conns_of(slot), 0);
}

/* Fills all slots but `spare` with servers. */
static void fill(int spare)
{
	for (int i = 0; i < LAB_DESTS - spare; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.2.0.%d", i + 1);
		assert_int_equal(add(addr, 1), 0);
	}
}

static void connections_keep_the_slot(void **state)
{
	uint32_t slot;

	serve(CV_SCHED_RR, 1, NULL);
	fill(1);
	assert_int_equal(add("10.1.0.9", 1), -ENOSPC);
	slot = lab_slot(&key, "10.1.0.1");
	lab->dests[slot].persistconns = 1;
	assert_int_equal(del("10.1.0.1"), 0);
	lab_age(2 * SLOTS_TRASH);
	assert_int_equal(add("10.1.0.9", 1), -ENOSPC);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), slot);

	lab->dests[slot].persistconns = 0;
	lab->dests[slot].inactconns = 1;
	assert_int_equal(add("10.1.0.9", 1), -ENOSPC);
	lab->dests[slot].inactconns = 0;
	lab->dests[slot].activeconns = 1;
	assert_int_equal(add("10.1.0.9", 1), -ENOSPC);
	lab->dests[slot].activeconns = 0;
	assert_int_equal(add("10.1.0.9", 1), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.9"), slot);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), CV_NONE);
}

static void the_trash_is_kept_while_there_is_room(void **state)
{
	uint32_t slot;

	serve(CV_SCHED_RR, 1, NULL);
	slot = lab_slot(&key, "10.1.0.1");
	assert_int_equal(del("10.1.0.1"), 0);
	lab_age(SLOTS_TRASH - CV_HZ);
	fill(1);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), slot);
	/* No room: it goes before its time. */
	assert_int_equal(add("10.1.0.9", 1), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.9"), slot);
	assert_int_equal(lab_slot(&key, "10.1.0.1"), CV_NONE);
}

/* A slot's new owner starts from nothing. */
static void a_new_owner_gets_a_clean_slot(void **state)
{
	uint32_t slot;

	serve(CV_SCHED_RR, 1, NULL);
	fill(1);
	slot = lab_slot(&key, "10.1.0.1");
	lab->counters[slot].inpkts = 99;
	lab->dests[slot].nh[1].ifindex = 4;
	lab->dests[slot].state = CV_DEST_OVERLOAD;
	svc()->cursor = slot;
	assert_int_equal(del("10.1.0.1"), 0);
	svc()->cursor = slot; /* as a packet may do that chose it just before */
	assert_int_equal(add("10.1.0.9", 1), 0);
	assert_int_equal(lab_slot(&key, "10.1.0.9"), slot);
	assert_int_equal(lab->counters[slot].inpkts, 0);
	assert_int_equal(lab->dests[slot].nh[1].ifindex, 0);
	assert_int_equal(lab->dests[slot].state, 0);
	assert_int_not_equal(svc()->cursor, slot);
}

/* ---- the schedulers' state -------------------------------------------------- */

/* ip_vs_rr_del_dest(): the turn goes on after the one before. */
static void rr_cursor_steps_back(void **state)
{
	serve(CV_SCHED_RR, 3, NULL); /* 3 2 1 */
	svc()->cursor = lab_slot(&key, "10.1.0.2");
	assert_int_equal(del("10.1.0.1"), 0);
	assert_int_equal(svc()->cursor, lab_slot(&key, "10.1.0.2"));
	assert_int_equal(del("10.1.0.2"), 0);
	assert_int_equal(svc()->cursor, lab_slot(&key, "10.1.0.3"));
	assert_int_equal(add("10.1.0.4", 1), 0);
	assert_int_equal(svc()->cursor, lab_slot(&key, "10.1.0.3"));
	assert_int_equal(del("10.1.0.4"), 0);
	assert_int_equal(del("10.1.0.3"), 0);
	assert_int_equal(svc()->cursor, CV_NONE);
}

/* ip_vs_wrr_dest_changed(): mw is the largest weight less the gcd less 1. */
static void wrr_measures_the_weights(void **state)
{
	const int weights[] = { 6, 4, 2 };

	serve(CV_SCHED_WRR, 3, weights);
	assert_int_equal(svc()->wrr_gcd, 2);
	assert_int_equal(svc()->wrr_max, 5);
	assert_int_equal(svc()->cursor, CV_NONE);

	assert_int_equal(edit("10.1.0.3", 3), 0); /* 6 4 3 */
	assert_int_equal(svc()->wrr_gcd, 1);
	assert_int_equal(svc()->wrr_max, 6);
	assert_int_equal(edit("10.1.0.3", 0), 0); /* 6 4 0 */
	assert_int_equal(svc()->wrr_gcd, 2);
	assert_int_equal(del("10.1.0.1"), 0); /* 4 0 */
	assert_int_equal(svc()->wrr_gcd, 4);
	assert_int_equal(svc()->wrr_max, 1);
	assert_int_equal(edit("10.1.0.2", 0), 0);
	assert_int_equal(svc()->wrr_gcd, 1);
	assert_int_equal(svc()->wrr_max, 0);
}

static void wrr_mark_follows(void **state)
{
	const int weights[] = { 9, 6 };

	serve(CV_SCHED_WRR, 2, weights); /* gcd 3, mw 7 */
	svc()->wrr_weight = 6;
	svc()->cursor = svc()->head;
	assert_int_equal(add("10.1.0.3", 3), 0);
	assert_int_equal(svc()->wrr_weight, 7); /* 6 / 3 * 3 + 1 */
	assert_int_equal(svc()->cursor, CV_NONE);
	svc()->wrr_weight = 5;
	assert_int_equal(edit("10.1.0.3", 6), 0);
	assert_int_equal(svc()->wrr_weight, 4); /* 5 / 3 * 3 + 1 */
	svc()->wrr_weight = 0;
	assert_int_equal(edit("10.1.0.3", 6), 0);
	assert_int_equal(svc()->wrr_weight, 7); /* from the top again */
	svc()->wrr_weight = 7;
	assert_int_equal(edit("10.1.0.1", 3), 0); /* 3 6 6: mw 4 */
	assert_int_equal(svc()->wrr_weight, 4);
}

static void a_scheduler_begins_anew(void **state)
{
	struct cv_service_spec s = lab_service(VIP, 80, CV_SCHED_WRR);
	const int weights[] = { 2, 6 };

	serve(CV_SCHED_RR, 2, weights);
	svc()->cursor = svc()->head;
	assert_int_equal(cv_service_edit(lab, &s), 0);
	assert_int_equal(svc()->cursor, CV_NONE);
	assert_int_equal(svc()->wrr_gcd, 2);
	assert_int_equal(svc()->wrr_max, 5);
	assert_int_equal(svc()->wrr_weight, 5);
	svc()->wrr_weight = 3;
	svc()->cursor = svc()->head;
	assert_int_equal(cv_service_edit(lab, &s), 0); /* the same one goes on */
	assert_int_equal(svc()->wrr_weight, 3);
	assert_int_equal(svc()->cursor, svc()->head);
}

#define CASE(f) cmocka_unit_test_setup(f, lab_clean)

static void spoiled(int err)
{
	assert_int_equal(err, -EPROTO);
	assert_int_equal(lab->spoiled, -EPROTO);
	lab->spoiled = 0;
}

/* Damaged memory: no command goes round in it for ever, and none changes what is on the list. */
static void a_list_that_goes_round(void **state)
{
	static const enum cv_sched scheds[] = { CV_SCHED_RR, CV_SCHED_WRR };

	for (int i = 0; i < 2; i++) {
		struct cv_dest *second;
		uint32_t next;

		serve(scheds[i], 3, NULL);
		second = dest("10.1.0.2");
		next = second->next;
		second->next = svc()->head;
		alarm(20);
		spoiled(del("10.1.0.1"));
		if (scheds[i] == CV_SCHED_WRR)
			spoiled(edit("10.1.0.3", 5));
		assert_int_equal(dest("10.1.0.3")->weight, 1);
		assert_int_equal(svc()->num_dests, 3);
		spoiled(cv_flush(lab));
		alarm(0);
		second->next = next;
		lab_clean(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(last_added_is_first),
		CASE(mistakes_change_nothing),
		CASE(addresses_that_nobody_can_be_sent_to),
		CASE(own_addresses_are_local),
		CASE(tunnels_cross_families),
		CASE(masq_is_counted_once),
		CASE(another_method_is_noted),
		CASE(thresholds_count_the_connections),
		CASE(same_slot_with_its_connections),
		CASE(figures_only_in_the_same_service),
		CASE(connections_keep_the_slot),
		CASE(the_trash_is_kept_while_there_is_room),
		CASE(a_new_owner_gets_a_clean_slot),
		CASE(rr_cursor_steps_back),
		CASE(wrr_measures_the_weights),
		CASE(wrr_mark_follows),
		CASE(a_scheduler_begins_anew),
		CASE(a_list_that_goes_round),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
