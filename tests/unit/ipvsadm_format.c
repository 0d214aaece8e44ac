// SPDX-License-Identifier: GPL-2.0-or-later
/* What ipvsadm prints, byte by byte, from services and connections made here. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "ipvsadm_sort.h"
#include "ipvsadm_view.h"

/* What goes to an out, kept. */
static struct out out;

static void start(void)
{
	int fd = memfd_create("out", MFD_CLOEXEC);

	assert_true(fd >= 0);
	out_init(&out, fd);
}

/* All of it since start(); the caller frees it. */
static char *finish(void)
{
	off_t size;
	char *text;

	assert_int_equal(out_flush(&out), 0);
	size = lseek(out.fd, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(pread(out.fd, text, (size_t)size, 0), size);
	close(out.fd);
	return text;
}

static void finish_with(const char *expected)
{
	char *text = finish();

	assert_string_equal(text, expected);
	free(text);
}

static union cv_addr address(const char *text)
{
	union cv_addr a = { 0 };

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &a), 1);
	return a;
}

static uint8_t family(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

static struct cv_service_info service(uint8_t proto, const char *addr, uint16_t port)
{
	return (struct cv_service_info){
		.spec = { .key = { .addr = address(addr),
				   .port = htons(port),
				   .proto = proto,
				   .family = family(addr) },
			  .sched = CV_SCHED_WLC,
			  .netmask = family(addr) == AF_INET6 ? 128 : 0xffffffff },
	};
}

static struct cv_dest_info dest(const char *addr, uint16_t port, enum cv_method method)
{
	return (struct cv_dest_info){
		.spec = { .family = family(addr),
			  .addr = address(addr),
			  .port = htons(port),
			  .method = method,
			  .weight = 1 },
	};
}

static void test_plain_table(void **state)
{
	struct listing x = { .out = &out, .view = VIEW_PLAIN };
	struct cv_service_info s = service(IPPROTO_TCP, "10.0.0.100", 443);
	struct cv_dest_info d = dest("192.168.7.11", 8080, CV_MASQ);

	start();
	table_title(&x);
	s.spec.sched = CV_SCHED_SH;
	s.spec.flags = CV_SVC_PERSISTENT | CV_SVC_SCHED1 | CV_SVC_SCHED2;
	s.spec.timeout = 360;
	s.spec.netmask = htonl(0xffffff00);
	table_service(&x, &s);
	d.spec.weight = 2147483647;
	d.activeconns = 4294967295;
	d.inactconns = 7;
	table_dest(&x, &s, &d);

	s = service(IPPROTO_SCTP, "fd00::100", 99);
	s.spec.flags = CV_SVC_PERSISTENT | CV_SVC_ONEPACKET | CV_SVC_SCHED3;
	s.spec.timeout = 60;
	s.spec.netmask = 64;
	s.spec.pe = 1;
	table_service(&x, &s);
	d = dest("2001:db8:1111:2222:3333:4444:5555:6666", 65535, CV_TUNNEL);
	table_dest(&x, &s, &d);

	s = (struct cv_service_info){ .spec.key = { .fwmark = 7, .family = AF_INET6 } };
	table_service(&x, &s);
	finish_with(
		"Prot LocalAddress:Port Scheduler Flags\n"
		"  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
		"TCP  10.0.0.100:443 sh (sh-fallback,sh-port) persistent 360 mask 255.255.255.0\n"
		"  -> 192.168.7.11:8080            Masq    2147483647 4294967295 7         \n"
		"SCTP [fd00::100]:99 wlc (flag-3) persistent 60 mask 64 pe sip ops\n"
		"  -> [2001:db8:1111:2222:3333:4444:5555:6666]:65535 Tunnel  1      "
		"0          0         \n"
		"FWM  7 IPv6 rr\n");
}

static void test_other_tables(void **state)
{
	struct listing x = { .out = &out, .view = VIEW_THRESHOLDS };
	struct cv_service_info s = service(IPPROTO_UDP, "10.0.0.100", 53);
	struct cv_dest_info d = dest("192.168.7.12", 53, CV_TUNNEL);

	d.spec.u_threshold = 100;
	d.spec.l_threshold = 50;
	d.persistconns = 3;
	d.spec.tun_type = CV_TUN_GUE;
	d.spec.tun_port = htons(6080);
	d.spec.tun_flags = CV_TUN_REMCSUM;
	start();
	table_title(&x);
	table_dest(&x, &s, &d);
	x.view = VIEW_PERSISTENT;
	table_title(&x);
	table_dest(&x, &s, &d);
	x.view = VIEW_TUNNELS;
	table_title(&x);
	table_dest(&x, &s, &d);
	d.spec.method = CV_DROUTE;
	table_dest(&x, &s, &d);
	finish_with(
		"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n"
		"  -> RemoteAddress:Port\n"
		"  -> 192.168.7.12:53              100        50         0          0         \n"
		"Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n"
		"  -> RemoteAddress:Port\n"
		"  -> 192.168.7.12:53              1         3           0          0         \n"
		"Prot LocalAddress:Port Scheduler Flags\n"
		"  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn "
		"InActConn\n"
		"  -> 192.168.7.12:53              Tunnel  gue:6080:r+c  1      0          "
		"0         \n"
		"  -> 192.168.7.12:53              Route   n/a           1      0          "
		"0         \n");
}

static void test_large_numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *rounded, *exact;
	} cases[] = {
		{ 0, "        0", "        0" },
		{ 99999999, " 99999999", " 99999999" },
		{ 100000000, "  100000K", " 100000000" },
		{ 999999999, "  999999K", " 999999999" },
		{ 1000000000, "    1000M", " 1000000000" },
		{ 99999999999, "   99999M", " 99999999999" },
		{ 100000000000, "     100G", " 100000000000" },
		{ 99999999999999, "   99999G", " 99999999999999" },
		{ 100000000000000, "     100T", " 100000000000000" },
		{ UINT64_MAX, "18446744T", " 18446744073709551615" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cv_service_info s = service(IPPROTO_TCP, "10.0.0.1", 80);
		struct listing x = { .out = &out, .view = VIEW_STATS };
		char expected[256];

		s.figures.total[CV_INBYTES] = cases[i].n;
		start();
		table_service(&x, &s);
		x.exact = true;
		table_service(&x, &s);
		snprintf(
			expected, sizeof(expected),
			"TCP  10.0.0.1:80                         0        0        0%s        0\n"
			"TCP  10.0.0.1:80                         0        0        0%s        0\n",
			cases[i].rounded, cases[i].exact);
		finish_with(expected);
	}
}

/* Of a real server, rates of connections and packets are not rounded; all others are. */
static void test_rates(void **state)
{
	struct listing x = { .out = &out, .view = VIEW_RATE };
	struct cv_service_info s = service(IPPROTO_TCP, "10.0.0.1", 80);
	struct cv_dest_info d = dest("10.0.1.1", 80, CV_DROUTE);

	for (int i = 0; i < CV_RATES; i++)
		s.figures.rate[i] = d.figures.rate[i] = 123456789;
	start();
	table_service(&x, &s);
	table_dest(&x, &s, &d);
	finish_with(
		"TCP  10.0.0.1:80                   123456K  123456K  123456K  123456K  123456K\n"
		"  -> 10.0.1.1:80                  123456789 123456789 123456789  123456K  "
		"123456K\n");
}

static void test_rules(void **state)
{
	struct listing x = { .out = &out, .view = VIEW_RULES };
	struct cv_service_info s = service(IPPROTO_TCP, "10.0.0.1", 80);
	struct cv_dest_info d = dest("10.0.1.1", 80, CV_DROUTE);

	start();
	s.spec.flags = CV_SVC_PERSISTENT | CV_SVC_SCHED2;
	s.spec.sched = CV_SCHED_MH;
	s.spec.timeout = 300;
	s.spec.netmask = htonl(0xffff0000);
	rule_service(&x, &s);
	rule_dest(&x, &s, &d);
	d.spec.method = CV_MASQ;
	d.spec.weight = 0;
	rule_dest(&x, &s, &d);
	d.spec.method = CV_TUNNEL;
	rule_dest(&x, &s, &d);
	d.spec.tun_type = CV_TUN_GRE;
	d.spec.tun_flags = CV_TUN_CSUM;
	rule_dest(&x, &s, &d);
	d.spec.tun_type = CV_TUN_GUE;
	d.spec.tun_port = htons(6080);
	d.spec.tun_flags = 0;
	rule_dest(&x, &s, &d);
	s = service(IPPROTO_SCTP, "fd00::1", 9);
	s.spec.flags = CV_SVC_PERSISTENT;
	s.spec.timeout = 1;
	s.spec.netmask = 48;
	s.spec.pe = 1;
	rule_service(&x, &s);
	s = (struct cv_service_info){ .spec = { .key = { .fwmark = 4294967295, .family = AF_INET6 },
						.flags = CV_SVC_ONEPACKET } };
	rule_service(&x, &s);
	finish_with("-A -t 10.0.0.1:80 -s mh -p 300 -M 255.255.0.0 -b mh-port\n"
		    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 1\n"
		    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 0\n"
		    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -i -w 0 --tun-type ipip\n"
		    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -i -w 0 --tun-type gre --tun-csum\n"
		    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -i -w 0 --tun-type gue --tun-port 6080 "
		    "--tun-nocsum\n"
		    "-A --sctp-service [fd00::1]:9 -s wlc -p 1 -M 48 --pe sip\n"
		    "-A -f 4294967295 -6 -s rr -o\n");
}

static void test_connections(void **state)
{
	struct listing x = { .out = &out, .view = VIEW_PLAIN };
	struct cv_conn_info c = {
		.family = AF_INET,
		.dest_family = AF_INET,
		.proto = IPPROTO_TCP,
		.state = CV_TCP_ESTABLISHED,
		.caddr = address("10.0.0.2"),
		.vaddr = address("10.0.0.100"),
		.daddr = address("192.168.7.12"),
		.cport = htons(40000),
		.vport = htons(80),
		.dport = htons(8080),
		.seconds_left = 896,
	};

	start();
	table_connection(&x, &c);
	c.seconds_left = 5 * 60;
	c.proto = IPPROTO_IP; /* a client of a firewall mark's persistent service */
	c.template = true;
	c.state = CV_CTPL_NONE;
	c.cport = 0;
	table_connection(&x, &c);
	c.seconds_left = 100 * 60 + 9;
	c.proto = IPPROTO_ESP;
	table_connection(&x, &c);
	c.proto = IPPROTO_UDP;
	c.seconds_left = 31 * 86400;
	c.dest_family = AF_INET6;
	c.daddr = address("fd07::11");
	table_connection(&x, &c);
	x.view = VIEW_PERSISTENT;
	table_connection(&x, &c);
	c.pe_name = "sip";
	c.pe_data = "call-1@example";
	table_connection(&x, &c);
	finish_with(
		"TCP 14:56  ESTABLISHED 10.0.0.2:40000     10.0.0.100:80      192.168.7.12:8080\n"
		"IP  05:00  NONE        10.0.0.2:0         10.0.0.100:80      192.168.7.12:8080\n"
		"IP_50 100:09 NONE        10.0.0.2:0         10.0.0.100:80      192.168.7.12:8080\n"
		"UDP 44640:00 NONE        10.0.0.2:0         10.0.0.100:80      [fd07::11]:8080\n"
		"UDP 44640:00 NONE        10.0.0.2:0         10.0.0.100:80      [fd07::11]:8080\n"
		"UDP 44640:00 NONE        10.0.0.2:0         10.0.0.100:80      [fd07::11]:8080  "
		"sip                call-1@example\n");
}

static json_t *finish_json(void)
{
	char *text = finish();
	json_error_t error;
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!document)
		fail_msg("%s at %d: %s", error.text, error.position, text);
	free(text);
	return document;
}

static void test_json_documents(void **state)
{
	struct cv_service_info s = service(IPPROTO_UDP, "fd00::1", 53);
	struct cv_dest_info d = dest("10.0.1.1", 5353, CV_TUNNEL);
	json_t *document, *first, *tunnel;
	struct jsonw j;

	s.figures.total[CV_INBYTES] = INT64_MAX;
	d.spec.tun_type = CV_TUN_GRE;
	d.spec.tun_flags = CV_TUN_CSUM;
	start();
	jsonw_begin(&j, &out);
	jsonw_array(&j, "services");
	for (int i = 0; i < 2; i++) {
		json_service(&j, &s);
		json_dest(&j, &d);
		json_dest(&j, &d);
		jsonw_close(&j);
		jsonw_close(&j);
	}
	jsonw_end(&j);

	document = finish_json();
	assert_int_equal(json_array_size(json_object_get(document, "services")), 2);
	first = json_array_get(json_object_get(document, "services"), 1);
	assert_string_equal(json_string_value(json_object_get(first, "address")), "fd00::1");
	assert_int_equal(json_integer_value(json_object_get(first, "port")), 53);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(first, "stats"), "in_bytes")),
		INT64_MAX);
	assert_int_equal(json_array_size(json_object_get(first, "destinations")), 2);
	first = json_array_get(json_object_get(first, "destinations"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "family")), "ipv4");
	tunnel = json_object_get(first, "tunnel");
	assert_string_equal(json_string_value(json_object_get(tunnel, "type")), "gre");
	assert_string_equal(json_string_value(json_object_get(tunnel, "checksum")), "yes");
	json_decref(document);
}

/* Whatever bytes a string has, the document stays JSON. */
static void test_json_strings(void **state)
{
	static const struct {
		const char *raw, *read;
	} cases[] = {
		{ "plain", "plain" },
		{ "\"\\/\b\n\x01\x1f\x7f", "\"\\/\b\n\x01\x1f\x7f" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xb0",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xb0" },
		{ "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },		    /* overlong */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },		    /* cut off */
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *document;
		struct jsonw j;

		start();
		jsonw_begin(&j, &out);
		jsonw_string(&j, "s", cases[i].raw);
		jsonw_end(&j);
		document = finish_json();
		assert_string_equal(json_string_value(json_object_get(document, "s")),
				    cases[i].read);
		json_decref(document);
	}
}

static void expect_services(const char *const *from, const char *const *to, size_t n)
{
	struct cv_service_info made[8];
	const struct cv_service_info *order[8];

	for (size_t i = 0; i < n; i++) {
		made[i] = service(IPPROTO_TCP, from[i], 80);
		order[i] = &made[i];
	}
	assert_int_equal(sort_services(order, n), 0);
	for (size_t i = 0; i < n; i++) {
		struct label l;

		label_address(&l, order[i]->spec.key.family, &order[i]->spec.key.addr);
		assert_string_equal(l.text, to[i]);
	}
}

static void test_sort(void **state)
{
	/* As ipvsadm 1.31 listed them on Linux 6.1. */
	static const char *const added[] = { "10.0.0.100", "224.0.0.1", "0.0.0.0", "172.16.9.9",
					     "255.255.255.255" };
	static const char *const listed[] = { "172.16.9.9", "224.0.0.1", "255.255.255.255",
					      "0.0.0.0", "10.0.0.100" };
	/* Each of them comes before the next in ipvsadm's eyes, and the last before the first. */
	static const char *const circle[][3] = { { "10.0.0.1", "100.0.0.1", "200.0.0.1" },
						 { "100.0.0.1", "200.0.0.1", "10.0.0.1" },
						 { "200.0.0.1", "10.0.0.1", "100.0.0.1" },
						 { "200.0.0.1", "100.0.0.1", "10.0.0.1" } };
	static const char *const six[] = { "fd00::2", "10.0.0.1", "fd00::1:0", "fd00::1" };
	static const char *const six_listed[] = { "10.0.0.1", "fd00::1", "fd00::2", "fd00::1:0" };

	expect_services(added, listed, 5);
	for (int i = 0; i < 4; i++)
		expect_services(circle[i], circle[0], 3);
	expect_services(six, six_listed, 4);
}

static void test_sort_many(void **state)
{
	enum { MANY = 5000 };
	struct cv_dest_info *made = calloc(MANY, sizeof(*made));
	const struct cv_dest_info **order = calloc(MANY, sizeof(*order));

	assert_non_null(made);
	assert_non_null(order);
	for (uint32_t i = 0; i < MANY; i++) {
		made[i].spec.family = AF_INET;
		made[i].spec.addr.v4 = htonl(0x0a000000 + i * 7919 % MANY / 2);
		made[i].spec.port = htons(i * 7919 % MANY % 2);
		order[i] = &made[i];
	}
	assert_int_equal(sort_dests(order, MANY), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(ntohl(order[i]->spec.addr.v4), 0x0a000000 + i / 2);
		assert_int_equal(ntohs(order[i]->spec.port), i % 2);
	}
	free(order);
	free(made);
}

/* Hosts and ports by name: what the resolver of every machine knows. */
static void test_names(void **state)
{
	union cv_addr local = address("127.0.0.1"), nobody = address("192.0.2.77");
	struct names *names = NULL;
	struct label l;

	assert_int_equal(names_new(&names), 0);
	for (int again = 0; again < 2; again++) {
		label_endpoint(&l, names, AF_INET, &local, htons(80), IPPROTO_TCP);
		assert_string_equal(l.text, "localhost:http");
		label_endpoint(&l, names, AF_INET, &local, htons(80), IPPROTO_IP);
		assert_string_equal(l.text, "localhost:80");
		label_endpoint(&l, names, AF_INET, &nobody, htons(64999), IPPROTO_UDP);
		assert_string_equal(l.text, "192.0.2.77:64999");
	}
	names_free(&names);
	assert_null(names);
}

static void test_output_crosses_buffers(void **state)
{
	char line[1001];
	char *text;

	memset(line, 'x', sizeof(line) - 1);
	line[1000] = '\0';
	start();
	for (int i = 0; i < 200; i++)
		out_text(&out, line);
	out_left_number(&out, -12, 5);
	out_right_number(&out, 7, 40);
	text = finish();
	assert_int_equal(strlen(text), 200045);
	assert_int_equal(strspn(text, "x"), 200000);
	assert_string_equal(text + 200000, "-12                                         7");
	free(text);
}

static void test_output_fails(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(full >= 0);
	out_init(&out, full);
	out_text(&out, "x");
	assert_int_equal(out_flush(&out), -ENOSPC);
	out_text(&out, "x");
	assert_int_equal(out_flush(&out), -ENOSPC);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_table),
		cmocka_unit_test(test_other_tables),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_json_documents),
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_sort_many),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_output_crosses_buffers),
		cmocka_unit_test(test_output_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
