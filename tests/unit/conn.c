// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The connection tables as they are listed: entries are written here as the data
 * path writes them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lab.h"

#define TABLES                                                                    \
	(MAP_BIT(MAP_CONN4_TAGS) | MAP_BIT(MAP_CONN4) | MAP_BIT(MAP_CONN6_TAGS) | \
	 MAP_BIT(MAP_CONN6))

/* The sweeper sweeps: what is to stay has long to live. */
#define LONG (600 * CV_HZ)

static int clean(void **state)
{
	assert_int_equal(maps_whole(lab, TABLES), 0);
	memset(lab->conn4_tags, 0, lab->tables[MAP_CONN4_TAGS].length);
	memset(lab->conn4, 0, lab->tables[MAP_CONN4].length);
	memset(lab->conn6_tags, 0, lab->tables[MAP_CONN6_TAGS].length);
	memset(lab->conn6, 0, lab->tables[MAP_CONN6].length);
	return 0;
}

static void put4(uint32_t slot, uint32_t ctl, uint32_t left)
{
	struct cv_conn4 *e = &lab->conn4[slot];

	lab->conn4_tags[slot / CV_WAYS].tag[slot % CV_WAYS] = 0x81;
	inet_pton(AF_INET, "10.0.0.2", &e->caddr);
	inet_pton(AF_INET, "10.0.0.100", &e->vaddr);
	inet_pton(AF_INET, "10.1.0.1", &e->daddr);
	e->c.cport = htons(40000);
	e->c.vport = htons(80);
	e->c.dport = htons(8080);
	e->c.proto = IPPROTO_TCP;
	e->c.method = CV_MASQ;
	e->c.dest = CV_NONE;
	e->c.in_pkts = 7;
	e->c.expires = cv_now(lab) + left;
	e->c.timeout = left;
	e->c.ctl = ctl;
}

static int take(const struct cv_conn_info *c, void *arg)
{
	struct cv_conn_info **at = arg;

	*(*at)++ = *c;
	return 0;
}

static size_t read_all(struct cv_conn_info *out)
{
	struct cv_conn_info *at = out;

	assert_int_equal(cv_each_conn(lab, take, &at), 0);
	return (size_t)(at - out);
}

static void fields(void **state)
{
	struct cv_conn_info c[8];

	put4(11, CV_CTL_LIVE | CV_TCP_ESTABLISHED, LONG + CV_HZ / 2);
	assert_int_equal(read_all(c), 1);
	assert_int_equal(c[0].family, AF_INET);
	assert_int_equal(c[0].dest_family, AF_INET);
	assert_int_equal(c[0].caddr.v4, lab->conn4[11].caddr);
	assert_int_equal(c[0].vaddr.v4, lab->conn4[11].vaddr);
	assert_int_equal(c[0].daddr.v4, lab->conn4[11].daddr);
	assert_int_equal(c[0].cport, htons(40000));
	assert_int_equal(c[0].vport, htons(80));
	assert_int_equal(c[0].dport, htons(8080));
	assert_int_equal(c[0].in_pkts, 7);
	assert_int_equal(c[0].method, CV_MASQ);
	assert_in_range(c[0].seconds_left, 599, 600);
	assert_false(c[0].template);
	assert_string_equal(cv_state_name(c[0].proto, c[0].state, c[0].template), "ESTABLISHED");
	assert_int_equal(cv_count_conns(lab, AF_INET), 1);
	assert_int_equal(cv_count_conns(lab, AF_INET6), 0);
}

static void only_what_is_live(void **state)
{
	struct cv_conn_info c[8];

	put4(0, CV_CTL_BUSY | CV_TCP_SYN_RECV, LONG);
	put4(1, CV_CTL_LIVE | CV_CTL_BUSY | CV_TCP_SYN_RECV, LONG);
	put4(2, 0, LONG);
	put4(3, CV_CTL_LIVE | CV_TCP_SYN_RECV, (uint32_t)-CV_HZ); /* over, not swept yet */
	put4(4, CV_CTL_LIVE | CV_TCP_SYN_RECV, LONG);
	lab->conn4_tags[0].tag[4] = 0; /* C2: cleared before the slot is free */
	put4(8 * CV_WAYS - 1, CV_CTL_LIVE | CV_TCP_SYN_RECV | 5U << CV_CTL_GEN_SHIFT, LONG);
	assert_int_equal(read_all(c), 1);
	assert_int_equal(c[0].state, CV_TCP_SYN_RECV);
}

static void templates(void **state)
{
	struct cv_conn_info c[8];

	put4(0, CV_CTL_LIVE | CV_CTL_TEMPLATE | CV_CTPL_ASSURED, LONG);
	lab->conn4[0].c.proto = IPPROTO_IP;
	lab->conn4[0].c.fwmark = 3;
	assert_int_equal(read_all(c), 1);
	assert_true(c[0].template);
	assert_int_equal(c[0].fwmark, 3);
	assert_string_equal(cv_state_name(c[0].proto, c[0].state, c[0].template), "ASSURED");
}

static void ipv6(void **state)
{
	struct cv_conn6 *e;
	struct cv_conn_info c[8];

	assert_int_equal(maps_whole(lab, TABLES), 0);
	e = &lab->conn6[3];
	lab->conn6_tags[0].tag[3] = 1;
	inet_pton(AF_INET6, "fd00::2", &e->caddr);
	inet_pton(AF_INET6, "fd00::100", &e->vaddr);
	inet_pton(AF_INET6, "fd07::11", &e->daddr);
	e->c.proto = IPPROTO_UDP;
	e->c.dest = CV_NONE;
	e->c.expires = cv_now(lab) + LONG;
	e->c.timeout = LONG;
	e->c.ctl = CV_CTL_LIVE | CV_CTL_INACTIVE;
	assert_int_equal(read_all(c), 1);
	assert_int_equal(c[0].family, AF_INET6);
	assert_memory_equal(&c[0].caddr, &e->caddr, 16);
	assert_memory_equal(&c[0].vaddr, &e->vaddr, 16);
	assert_memory_equal(&c[0].daddr, &e->daddr, 16);
	assert_string_equal(cv_state_name(c[0].proto, c[0].state, c[0].template), "UDP");
	assert_int_equal(cv_count_conns(lab, AF_INET6), 1);
}

/* A tunnel's real server may be of the other family. */
static void the_other_family(void **state)
{
	struct cv_service_spec s = lab_service("10.0.0.100", 80, CV_SCHED_RR);
	struct cv_dest_spec d = lab_dest("fd07::11", 1);
	struct cv_conn_info c[8];

	d.method = CV_TUNNEL;
	assert_int_equal(cv_service_add(lab, &s), 0);
	assert_int_equal(cv_dest_add(lab, &s.key, &d), 0);
	put4(5, CV_CTL_LIVE | CV_TCP_ESTABLISHED, LONG);
	lab->conn4[5].daddr = 0;
	lab->conn4[5].c.method = CV_TUNNEL;
	lab->conn4[5].c.dest = lab_slot(&s.key, "fd07::11");
	assert_int_equal(read_all(c), 1);
	assert_int_equal(c[0].family, AF_INET);
	assert_int_equal(c[0].dest_family, AF_INET6);
	assert_memory_equal(&c[0].daddr, &d.addr, 16);
}

static void names(void **state)
{
	static const struct {
		uint8_t proto, state;
		bool template;
		const char *name;
	} wanted[] = {
		{ IPPROTO_TCP, 0, false, "NONE" },
		{ IPPROTO_TCP, 1, false, "ESTABLISHED" },
		{ IPPROTO_TCP, 2, false, "SYN_SENT" },
		{ IPPROTO_TCP, 3, false, "SYN_RECV" },
		{ IPPROTO_TCP, 4, false, "FIN_WAIT" },
		{ IPPROTO_TCP, 5, false, "TIME_WAIT" },
		{ IPPROTO_TCP, 6, false, "CLOSE" },
		{ IPPROTO_TCP, 7, false, "CLOSE_WAIT" },
		{ IPPROTO_TCP, 8, false, "LAST_ACK" },
		{ IPPROTO_TCP, 9, false, "LISTEN" },
		{ IPPROTO_TCP, 10, false, "SYNACK" },
		{ IPPROTO_TCP, 11, false, "ERR!" },
		{ IPPROTO_UDP, 0, false, "UDP" },
		{ IPPROTO_UDP, 1, false, "ERR!" },
		{ IPPROTO_SCTP, 8, false, "ESTABLISHED" },
		{ IPPROTO_SCTP, 11, false, "S-ACK-SENT" },
		{ IPPROTO_TCP, 0, true, "NONE" },
		{ IPPROTO_TCP, 1, true, "ASSURED" },
		{ IPPROTO_IP, 0, false, "NONE" },
		{ IPPROTO_ICMP, 0, false, "ERR!" },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_string_equal(cv_state_name(wanted[i].proto, wanted[i].state,
						  wanted[i].template),
				    wanted[i].name);
	for (int i = 0; i < CV_SCHED_COUNT; i++)
		assert_int_equal(cv_sched_by_name(cv_sched_name(i)), i);
	assert_int_equal(cv_sched_by_name("nosuch"), -ENOENT);
	for (int i = 0; i <= CV_C_DROP_NOCALL; i++)
		assert_non_null(cv_cause_name(i));
}

#define CASE(f) cmocka_unit_test_setup(f, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(fields), CASE(only_what_is_live), CASE(templates),
		CASE(ipv6),   CASE(the_other_family),  cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
