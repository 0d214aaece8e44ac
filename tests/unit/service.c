// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtual services: what each request does, and the errno of each mistake, as
 * ip_vs_ctl.c has them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lab.h"

static void add_is_listed(void **state)
{
	struct cv_service_spec s = lab_service("10.0.0.1", 80, CV_SCHED_WLC);
	struct cv_service_info info;

	s.flags = CV_SVC_PERSISTENT;
	s.timeout = 360;
	s.netmask = htonl(0xffffff00);
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_find_service(lab, &s.key, &info), 0);
	assert_memory_equal(&info.spec.key, &s.key, sizeof(s.key));
	assert_int_equal(info.spec.sched, CV_SCHED_WLC);
	assert_int_equal(info.spec.flags, CV_SVC_PERSISTENT);
	assert_int_equal(info.spec.timeout, 360);
	assert_int_equal(info.spec.netmask, htonl(0xffffff00));
	assert_int_equal(info.num_dests, 0);
	assert_int_equal(cv_service_add(lab, &s), -EEXIST);
	assert_int_equal(cv_settings(lab)->num_services, 1);
}

static void families_and_ports_are_apart(void **state)
{
	const struct cv_service_spec specs[] = {
		lab_service("10.0.0.1", 80, CV_SCHED_RR),
		lab_service("10.0.0.1", 81, CV_SCHED_RR),
		lab_service("fd00::1", 80, CV_SCHED_RR),
	};
	struct cv_service_spec udp = specs[0];

	udp.key.proto = IPPROTO_UDP;
	for (int i = 0; i < 3; i++)
		assert_int_equal(cv_service_add(lab, &specs[i]), 0);
	assert_int_equal(cv_service_add(lab, &udp), 0);
	assert_int_equal(cv_settings(lab)->num_services, 4);
	assert_int_equal(cv_service_del(lab, &specs[0].key), 0);
	assert_int_equal(cv_service_del(lab, &specs[0].key), -ESRCH);
	assert_int_equal(cv_settings(lab)->num_services, 3);
	assert_int_equal(cv_service_del(lab, &udp.key), 0);
	assert_int_equal(cv_service_del(lab, &specs[2].key), 0);
	assert_int_equal(cv_service_del(lab, &specs[1].key), 0);
}

static void mistakes_change_nothing(void **state)
{
	const struct cv_service_spec good = lab_service("10.0.0.1", 80, CV_SCHED_RR);
	const struct cv_service_spec good6 = lab_service("fd00::1", 80, CV_SCHED_RR);
	char before[8192];
	struct cv_service_spec s;

	assert_int_equal(cv_service_add(lab, &good), 0);
	strcpy(before, lab_listing());

	s = lab_service("10.0.0.1", 81, CV_SCHED_COUNT);
	assert_int_equal(cv_service_add(lab, &s), -ENOENT);
	s = good;
	s.sched = CV_SCHED_COUNT;
	assert_int_equal(cv_service_edit(lab, &s), -ENOENT);
	s = lab_service("10.0.0.1", 81, CV_SCHED_RR);
	assert_int_equal(cv_service_edit(lab, &s), -ESRCH);
	s.pe = 2;
	assert_int_equal(cv_service_add(lab, &s), -ENOENT);
	s.pe = 0;
	s.key.proto = IPPROTO_ICMP;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s.key.proto = IPPROTO_TCP;
	s.key.family = AF_UNIX;
	assert_int_equal(cv_service_add(lab, &s), -EAFNOSUPPORT);
	s.key.family = AF_INET;
	s.key.fwmark = 1;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s = lab_service("10.0.0.1", 81, CV_SCHED_RR);
	s.key.addr.w[1] = 1;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s = good6;
	s.netmask = 129;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s.netmask = 0;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s = lab_service("10.0.0.1", 81, CV_SCHED_RR);
	s.timeout = UINT32_MAX;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	s.timeout = 0;
	s.flags = CV_SVC_USED;
	assert_int_equal(cv_service_add(lab, &s), -EINVAL);
	assert_int_equal(cv_zero(lab, &s.key), -ESRCH);
	assert_string_equal(lab_listing(), before);
}

static void kinds_are_counted(void **state)
{
	const struct cv_settings *n = cv_settings(lab);
	struct cv_service_spec mark = { .key = { .fwmark = 7, .family = AF_INET }, .netmask = ~0U };
	struct cv_service_spec any = lab_service("10.0.0.1", 0, CV_SCHED_RR);

	any.flags = CV_SVC_PERSISTENT;
	assert_int_equal(cv_service_add(lab, &mark), 0);
	assert_int_equal(cv_service_add(lab, &any), 0);
	assert_int_equal(n->num_services, 2);
	assert_int_equal(n->num_fwmark, 1);
	assert_int_equal(n->num_anyport, 1);
	assert_int_equal(n->num_persistent, 1);

	mark.flags = CV_SVC_PERSISTENT;
	assert_int_equal(cv_service_edit(lab, &mark), 0);
	assert_int_equal(n->num_persistent, 2);
	any.flags = 0;
	assert_int_equal(cv_service_edit(lab, &any), 0);
	assert_int_equal(n->num_persistent, 1);

	assert_int_equal(cv_flush(lab), 0);
	assert_int_equal(n->num_services, 0);
	assert_int_equal(n->num_fwmark, 0);
	assert_int_equal(n->num_anyport, 0);
	assert_int_equal(n->num_persistent, 0);
}

static void edit_keeps_destinations(void **state)
{
	struct cv_service_spec s = lab_service("10.0.0.1", 80, CV_SCHED_RR);
	const struct cv_dest_spec a = lab_dest("10.1.0.1", 1), b = lab_dest("10.1.0.2", 4);
	struct cv_service_info info;

	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &a), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &b), 0);
	s.sched = CV_SCHED_WRR;
	s.flags = CV_SVC_PERSISTENT;
	s.timeout = 10;
	assert_int_equal(cv_service_edit(lab, &s), 0);
	assert_string_equal(lab_list(&s.key), "10.1.0.2 10.1.0.1");
	assert_int_equal(cv_find_service(lab, &s.key, &info), 0);
	assert_int_equal(info.spec.sched, CV_SCHED_WRR);
	assert_int_equal(info.spec.timeout, 10);
	assert_int_equal(info.num_dests, 2);
}

/*
 * All slots can be used, one more cannot, and those of deleted services are soon
 * free again (S3).
 */
static void slots_are_used_again(void **state)
{
	struct cv_service_spec s;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LAB_SERVICES; i++) {
			s = lab_service("10.0.0.1", (uint16_t)(1 + i), CV_SCHED_RR);
			assert_int_equal(cv_service_add(lab, &s), 0);
		}
		s = lab_service("10.0.0.1", 100, CV_SCHED_RR);
		assert_int_equal(cv_service_add(lab, &s), -ENOSPC);
		assert_int_equal(cv_settings(lab)->num_services, LAB_SERVICES);
		assert_int_equal(cv_flush(lab), 0);
	}
}

static void timeouts(void **state)
{
	const uint32_t *t = cv_settings(lab)->timeout;

	assert_int_equal(t[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED], 900 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT], 120 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_UDP + CV_UDP_NORMAL], 300 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_SCTP + CV_SCTP_INIT1], 4 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_SCTP + CV_SCTP_CLOSED], 61 * CV_HZ);
	assert_int_equal(cv_set_timeouts(lab, 300, 0, 7), 0);
	assert_int_equal(t[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED], 300 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT], 120 * CV_HZ);
	assert_int_equal(t[CV_TIMEOUT_UDP + CV_UDP_NORMAL], 7 * CV_HZ);
	assert_int_equal(cv_set_timeouts(lab, 1, 1U << 31, 1), -EINVAL);
	assert_int_equal(t[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED], 300 * CV_HZ);
	assert_int_equal(cv_set_timeouts(lab, 900, 120, 300), 0);
}

/* The counters are the data path's: here the test is the data path. */
static struct cv_counters *counters_of(uint32_t slot, uint32_t cpu)
{
	return &lab->counters[cv_counters_at(&lab->journal->geo, slot, cpu)];
}

static uint64_t service_conns(const struct cv_service_key *key)
{
	struct cv_service_info info;

	assert_int_equal(cv_find_service(lab, key, &info), 0);
	return info.figures.total[CV_CONNS];
}

static void figures_stay_with_the_service(void **state)
{
	const struct cv_service_spec s = lab_service("10.0.0.1", 80, CV_SCHED_RR);
	const struct cv_dest_spec a = lab_dest("10.1.0.1", 1), b = lab_dest("10.1.0.2", 1);
	uint32_t last_cpu = lab->journal->geo.ncpus - 1;

	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &a), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &b), 0);
	counters_of(lab_slot(&s.key, "10.1.0.1"), 0)->conns = 5;
	counters_of(lab_slot(&s.key, "10.1.0.1"), last_cpu)->conns += 2;
	counters_of(lab_slot(&s.key, "10.1.0.2"), 0)->conns = 10;
	assert_int_equal(service_conns(&s.key), 17);

	assert_int_equal(cv_dest_del(lab, &s.key, &a), 0);
	assert_int_equal(service_conns(&s.key), 17);
	assert_int_equal(cv_dest_add(lab, &s.key, &a), 0);
	assert_int_equal(service_conns(&s.key), 17);

	assert_int_equal(cv_zero(lab, &s.key), 0);
	assert_int_equal(service_conns(&s.key), 0);
	counters_of(lab_slot(&s.key, "10.1.0.2"), 0)->conns++;
	assert_int_equal(service_conns(&s.key), 1);
	assert_int_equal(cv_zero(lab, NULL), 0);
	assert_int_equal(service_conns(&s.key), 0);
}

/*
 * A new service does not begin with what an old one counted, even in its slot and
 * of its servers.
 */
static void figures_end_with_the_service(void **state)
{
	const struct cv_service_spec s = lab_service("10.0.0.1", 80, CV_SCHED_RR);
	const struct cv_dest_spec a = lab_dest("10.1.0.1", 1);

	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &a), 0);
	counters_of(lab_slot(&s.key, "10.1.0.1"), 0)->conns = 5;
	assert_int_equal(cv_service_del(lab, &s.key), 0);
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(service_conns(&s.key), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &a), 0);
	assert_int_equal(service_conns(&s.key), 0);
	counters_of(lab_slot(&s.key, "10.1.0.1"), 0)->conns++;
	assert_int_equal(service_conns(&s.key), 1);
}

static void rates_round_as_the_kernel(void **state)
{
	const struct cv_service_spec s = lab_service("10.0.0.1", 80, CV_SCHED_RR);
	struct cv_service_info info;
	struct cv_estimate *e;

	/* The sweeper must not take the rates that are written here. */
	lab->settings->run_estimation = 0;
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_find_service(lab, &s.key, &info), 0);
	e = &lab->svc_est[info.id];
	e->rate[CV_CONNS] = 513;
	e->rate[CV_INPKTS] = 512;
	e->rate[CV_INBYTES] = 17;
	e->rate[CV_OUTBYTES] = 16;
	assert_int_equal(cv_find_service(lab, &s.key, &info), 0);
	lab->settings->run_estimation = 1;
	assert_int_equal(info.figures.rate[CV_CONNS], 1);
	assert_int_equal(info.figures.rate[CV_INPKTS], 0);
	assert_int_equal(info.figures.rate[CV_INBYTES], 1);
	assert_int_equal(info.figures.rate[CV_OUTBYTES], 0);
}

#define CASE(f) cmocka_unit_test_setup(f, lab_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(add_is_listed),
		CASE(families_and_ports_are_apart),
		CASE(mistakes_change_nothing),
		CASE(kinds_are_counted),
		CASE(edit_keeps_destinations),
		CASE(slots_are_used_again),
		CASE(timeouts),
		CASE(figures_stay_with_the_service),
		CASE(figures_end_with_the_service),
		CASE(rates_round_as_the_kernel),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
