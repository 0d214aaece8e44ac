// SPDX-License-Identifier: GPL-2.0-or-later
/* Which service a packet is for, when several could be meant. */
#include "case.h"

/* Each service has one server of its own: service N has rN. */
static uint32_t numbered(struct path *p, unsigned int number, struct service_spec spec)
{
	uint32_t s = service_add(p, &spec);

	dest_add(p, s, &(struct dest_spec){ .number = number, .port = spec.port ? 0 : 8080 });
	return s;
}

#define PERSISTENT(...)                                                \
	(struct service_spec)                                          \
	{                                                              \
		.flags = CV_SVC_PERSISTENT, .timeout = 60, __VA_ARGS__ \
	}

static void expect_server(enum door door, struct packet in, unsigned int number, const char *what)
{
	now_playing("%s, %s", what, door_names[door]);
	expect_equal("server", server_of(path, door, &in), number);
}

/* ---- address, port, protocol, family ------------------------------------------------- */

static void many(void)
{
	path_reset(path);
	numbered(path, 1, (struct service_spec){ .port = 80 });
	numbered(path, 2, (struct service_spec){ .port = 443 });
	numbered(path, 3, (struct service_spec){ .port = 80, .proto = IPPROTO_UDP });
	numbered(path, 4, (struct service_spec){ .port = 80, .addr = "10.0.0.101" });
	numbered(path, 5, (struct service_spec){ .port = 80, .v6 = true });
	numbered(path, 6, (struct service_spec){ .port = 80, .v6 = true, .addr = "fd00::101" });
	numbered(path, 7, (struct service_spec){ .port = 80, .v6 = true, .proto = IPPROTO_UDP });
}

static void exact(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		many();
		expect_server(door, (struct packet){}, 1, "port 80");
		expect_server(door, (struct packet){ .dport = 443 }, 2, "port 443");
		expect_server(door, (struct packet){ .proto = IPPROTO_UDP }, 3, "UDP");
		expect_server(door, (struct packet){ .dst = "10.0.0.101" }, 4, "another address");
		expect_server(door, (struct packet){ .v6 = true }, 5, "IPv6");
		expect_server(door, (struct packet){ .v6 = true, .dst = "fd00::101" }, 6,
			      "IPv6, another");
		expect_server(door, (struct packet){ .v6 = true, .proto = IPPROTO_UDP }, 7,
			      "IPv6 UDP");
		expect_server(door, (struct packet){ .dport = 444 }, 0, "no such port");
		expect_server(door, (struct packet){ .dport = 443, .proto = IPPROTO_UDP }, 0,
			      "no such UDP");
		expect_server(door, (struct packet){ .dst = "10.0.0.102" }, 0, "no such address");
		expect_server(door, (struct packet){ .v6 = true, .dport = 443 }, 0,
			      "no such IPv6 port");
		expect_audit(path);
	}
}

/* One client port may have connections to several services at once. */
static void same_client(void **state)
{
	struct packet one = { .dport = 80 }, other = { .dport = 443 };

	for (int door = 0; door < DOORS; door++) {
		many();
		expect_server(door, one, 1, "first");
		expect_server(door, other, 2, "second");
		one.flags = other.flags = ACK;
		expect_server(door, one, 1, "first again");
		expect_server(door, other, 2, "second again");
		one.flags = other.flags = 0;
		expect_equal("connections", table_count(path, false), 2);
	}
}

/* ---- any port, FTP ---------------------------------------------------------------------- */

static void any_port(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		path_reset(path);
		numbered(path, 1, PERSISTENT(.any_port = true));
		numbered(path, 2, (struct service_spec){ .port = 80 });
		expect_server(door, (struct packet){ .dport = 80 }, 2, "the exact one first");
		expect_server(door, (struct packet){ .dport = 81 }, 1, "any other port");
		expect_server(door, (struct packet){ .dport = 65535 }, 1, "the last port");
		expect_server(door, (struct packet){ .dport = 81, .proto = IPPROTO_UDP }, 0, "UDP");
		expect_server(door, (struct packet){ .dst = "10.0.0.101" }, 0, "another address");
		expect_audit(path);
	}
}

/* A client's FTP data connections go where its control connection went. */
static void ftp(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		path_reset(path);
		numbered(path, 1, PERSISTENT(.port = 21));
		expect_server(door, (struct packet){ .dport = 21 }, 1, "control");
		expect_server(door, (struct packet){ .dport = 40001 }, 1, "passive data");
		expect_server(door, (struct packet){ .dport = 1024 }, 1,
			      "the first unprivileged port");
		expect_server(door, (struct packet){ .dport = 20 }, 1, "data");
		expect_server(door, (struct packet){ .dport = 1023 }, 0, "a privileged port");
		expect_server(door, (struct packet){ .dport = 40001, .proto = IPPROTO_UDP }, 0,
			      "UDP");
		expect_server(door, (struct packet){ .dport = 21, .sport = 20 }, 0, "from port 20");
		expect_audit(path);
	}
}

static void ftp_without_persistence(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		path_reset(path);
		numbered(path, 1, (struct service_spec){ .port = 21 });
		numbered(path, 2, PERSISTENT(.port = 443));
		expect_server(door, (struct packet){ .dport = 21 }, 1, "control");
		expect_server(door, (struct packet){ .dport = 40001 }, 0, "passive data");
	}
}

/* ---- marks: only tc knows them ------------------------------------------------------------- */

static void marks(void **state)
{
	path_reset(path);
	numbered(path, 1, (struct service_spec){ .fwmark = 7 });
	numbered(path, 2, (struct service_spec){ .port = 80 });
	numbered(path, 3, (struct service_spec){ .fwmark = 7, .v6 = true });
	expect_server(TC_DOOR, (struct packet){ .mark = 7 }, 1, "the mark first");
	expect_server(TC_DOOR, (struct packet){ .mark = 8, .sport = 2 }, 2, "another mark");
	expect_server(TC_DOOR, (struct packet){ .sport = 3 }, 2, "no mark");
	expect_server(TC_DOOR, (struct packet){ .mark = 7, .dport = 5000 }, 1,
		      "any port of a mark");
	expect_server(TC_DOOR, (struct packet){ .mark = 7, .dst = "10.0.0.200" }, 1, "any address");
	expect_server(TC_DOOR, (struct packet){ .mark = 7, .proto = IPPROTO_UDP }, 1,
		      "any protocol");
	expect_server(TC_DOOR, (struct packet){ .mark = 7, .v6 = true }, 3, "IPv6");
	expect_server(TC_DOOR, (struct packet){ .mark = 7, .flags = ACK, .sport = 9 }, 0, "no SYN");
	expect_equal("mark kept", table_find(path, &(struct packet){})->fwmark, 7);
	expect_audit(path);
}

/* ---- templates ---------------------------------------------------------------------- */

/* Is the one template there is assured? ip_vs_control_assure_ct() */
static bool assured(bool v6)
{
	uint32_t slots = v6 ? path->geo.sets6 * CV_WAYS : path->geo.sets4 * CV_WAYS;

	for (uint32_t i = 0; i < slots; i++) {
		uint32_t ctl = table_at(path, v6, i)->ctl;

		if (ctl & CV_CTL_LIVE && ctl & CV_CTL_TEMPLATE)
			return (ctl & CV_CTL_STATE) == CV_CTPL_ASSURED;
	}
	fail_msg("there is no template");
	return false;
}

/* A connection that is established assures its client's template, with sloppy_tcp by its first packet. */
static void assures(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet p = { .v6 = v6, .flags = ACK, .sport = 1001 };

		path_reset(path);
		now_playing("%s, IPv%d", door_names[door], v6 ? 6 : 4);
		numbered(path, 1, PERSISTENT(.v6 = v6, .port = 80));
		p.flags = SYN;
		expect_fate(path, door, &p, SENT);
		assert_false(assured(v6));
		path->settings->sloppy_tcp = 1;
		p.sport = 1002;
		p.flags = ACK;
		expect_fate(path, door, &p, SENT);
		assert_true(assured(v6));
		path->settings->sloppy_tcp = 0;
		expect_audit(path);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(exact),
	cmocka_unit_test(same_client),
	cmocka_unit_test(any_port),
	cmocka_unit_test(ftp),
	cmocka_unit_test(ftp_without_persistence),
	cmocka_unit_test(marks),
	cmocka_unit_test(assures),
};

PACKET_MAIN("service", NULL, tests)
