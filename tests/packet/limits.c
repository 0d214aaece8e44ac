// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that cannot go on: TTL, MTU, no server; and the ICMP errors that say so, byte for byte. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "case.h"
#include "facts.h"

#define UNREACHABLE4    \
	{               \
		3, 3, 0 \
	}
#define UNREACHABLE6    \
	{               \
		1, 4, 0 \
	}
#define EXCEEDED4        \
	{                \
		11, 0, 0 \
	}
#define EXCEEDED6       \
	{               \
		3, 0, 0 \
	}

#define ANSWER(text, why, ...)                                                         \
	{                                                                              \
		.what = text, .in = __VA_ARGS__, .fate = SENT, .cause = CV_C_ANSWERED, \
		.error = why                                                           \
	}

/* ---- no server --------------------------------------------------------------------- */

static void all_of_weight_0(struct path *p)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (int i = 0; i < 4; i++) {
		uint32_t s = service_add(p, &(struct service_spec){ .v6 = i / 2,
								    .proto = protos[i % 2] });

		dest_add(p, s, &(struct dest_spec){ .weight = WEIGHT_ZERO });
	}
}

static void no_destination(struct path *p)
{
	service_add(p, &(struct service_spec){});
	service_add(p, &(struct service_spec){ .v6 = true });
	service_add(p, &(struct service_spec){ .proto = IPPROTO_UDP });
	service_add(p, &(struct service_spec){ .v6 = true, .proto = IPPROTO_UDP });
}

static const struct packet_case refused[] = {
	ANSWER("TCP", UNREACHABLE4, { .df = true }),
	ANSWER("UDP", UNREACHABLE4, { .proto = IPPROTO_UDP, .payload = 4, .df = true }),
	ANSWER("UDP, empty", UNREACHABLE4, { .proto = IPPROTO_UDP }),
	ANSWER("an odd number of bytes", UNREACHABLE4, { .proto = IPPROTO_UDP, .payload = 11 }),
	ANSWER("with TOS", UNREACHABLE4, { .tos = 0x1c }),
	ANSWER("with DSCP", UNREACHABLE4, { .tos = 0xb8 }),
	ANSWER("padded by Ethernet", UNREACHABLE4,
	       { .proto = IPPROTO_UDP, .payload = 1, .pad = 17 }),
	ANSWER("options", UNREACHABLE4, { .options = 3 }),
	ANSWER("the longest that is quoted whole", UNREACHABLE4, { .payload = 548 - 40 }),
	ANSWER("one byte longer", UNREACHABLE4, { .payload = 549 - 40 }),
	ANSWER("a large one", UNREACHABLE4, { .payload = 1460 }),
	ANSWER("from far away", UNREACHABLE4, { .src = "172.16.1.2" }),
	ANSWER("IPv6 TCP", UNREACHABLE6, { .v6 = true }),
	ANSWER("IPv6 UDP", UNREACHABLE6, { .v6 = true, .proto = IPPROTO_UDP, .payload = 4 }),
	ANSWER("IPv6, an odd number of bytes", UNREACHABLE6, { .v6 = true, .payload = 33 }),
	ANSWER("IPv6, extension headers", UNREACHABLE6, { .v6 = true, .ext = "HD" }),
	ANSWER("IPv6, padded by Ethernet", UNREACHABLE6, { .v6 = true, .pad = 3 }),
	ANSWER("IPv6, the longest that is quoted whole", UNREACHABLE6,
	       { .v6 = true, .payload = 1232 - 60 }),
	ANSWER("IPv6, one byte longer", UNREACHABLE6, { .v6 = true, .payload = 1233 - 60 }),
	ANSWER("IPv6, a large one", UNREACHABLE6, { .v6 = true, .payload = 1440 }),
};

static void no_server(void **state)
{
	cases_play(path, no_destination, CASES(refused));
	cases_play(path, all_of_weight_0, CASES(refused));
}

/* Nobody is answered who is the director itself, or a broadcast address of its. */
static const struct packet_case unanswerable[] = {
	{ .what = "from the uplink's broadcast address",
	  .in = { .src = "10.0.0.255" },
	  .fate = DROPPED,
	  .cause = CV_C_DROP_NODEST },
	{ .what = "from the virtual address",
	  .in = { .src = VIP },
	  .fate = DROPPED,
	  .cause = CV_C_DROP_NODEST },
	{ .what = "from the IPv6 virtual address",
	  .in = { .v6 = true, .src = VIP6 },
	  .fate = DROPPED,
	  .cause = CV_C_DROP_NODEST },
};

static void no_answer(void **state)
{
	cases_play(path, no_destination, CASES(unanswerable));
}

/* ---- TTL ------------------------------------------------------------------------------ */

static void both_families(struct path *p)
{
	simple_service(p, false, IPPROTO_TCP);
	simple_service(p, false, IPPROTO_UDP);
	simple_service(p, true, IPPROTO_TCP);
	simple_service(p, true, IPPROTO_UDP);
}

#define EXPIRE(text, why, ...)                                                         \
	{                                                                              \
		.what = text, .in = __VA_ARGS__, .fate = SENT, .cause = CV_C_ANSWERED, \
		.error = why, .conns = 1                                               \
	}

/* The connection is made all the same: IPVS looks at the TTL when it sends. */
static const struct packet_case ttl_cases[] = {
	EXPIRE("TTL 1", EXCEEDED4, { .ttl = 1, .df = true }),
	EXPIRE("TTL 0", EXCEEDED4, { .ttl = TTL_ZERO }),
	EXPIRE("TTL 1, UDP", EXCEEDED4, { .ttl = 1, .proto = IPPROTO_UDP, .payload = 9 }),
	EXPIRE("TTL 1, options", EXCEEDED4, { .ttl = 1, .options = 1 }),
	EXPIRE("hop limit 1", EXCEEDED6, { .v6 = true, .ttl = 1 }),
	EXPIRE("hop limit 0", EXCEEDED6, { .v6 = true, .ttl = TTL_ZERO }),
	EXPIRE("hop limit 1, UDP", EXCEEDED6, { .v6 = true, .ttl = 1, .proto = IPPROTO_UDP }),
	EXPIRE("hop limit 1, extension headers", EXCEEDED6, { .v6 = true, .ttl = 1, .ext = "R" }),
};

static void ttl(void **state)
{
	cases_play(path, both_families, CASES(ttl_cases));
}

/* ---- MTU ------------------------------------------------------------------------------- */

/* What the kernel was seen to do with UDP packets of a size over a link of an MTU (direct routing). */
static struct packet_case mtu_case(const json_t *fact)
{
	const json_t *arrives = json_array_get(fact_get(fact, "arrives"), 0);
	bool v6 = fact_number(fact, "ip") == 6;
	struct packet_case c = {
		.what = "of a size over an MTU", .fate = SENT, .cause = CV_C_SENT, .conns = 1
	};

	c.in = (struct packet){ .v6 = v6,
				.proto = IPPROTO_UDP,
				.df = !v6 && json_is_true(fact_get(fact, "df")),
				.payload = (uint16_t)(fact_number(fact, "size") - (v6 ? 48 : 28)) };
	if (strncmp(fact_text(arrives, "proto"), "icmp", 4) == 0) {
		c.cause = CV_C_ANSWERED;
		c.error = (struct icmp_error){ (uint8_t)fact_number(arrives, "type"),
					       (uint8_t)fact_number(arrives, "code"),
					       (uint16_t)fact_number(arrives, "mtu") };
	}
	return c;
}

static void mtu(void **state)
{
	json_t *facts = facts_load("ipvs"), *fact;
	unsigned int played = 0, wrong = 0;
	size_t i;

	json_array_foreach(facts, i, fact) {
		struct packet_case c;

		/* One packet, whole: what the kernel cuts up is another matter. */
		if (!fact_is(fact, "mtu") || strcmp(fact_text(fact, "method"), "g") != 0 ||
		    json_array_size(fact_get(fact, "arrives")) != 1)
			continue;
		played++;
		c = mtu_case(fact);
		world_ip("link set real0 mtu %d", fact_number(fact, "mtu"));
		for (int door = 0; door < DOORS; door++) {
			path_reset(path);
			both_families(path);
			wrong += case_play(path, (enum door)door, &c);
		}
	}
	world_ip("link set real0 mtu 1500");
	assert_int_equal(wrong, 0);
	assert_true(played >= 20);
}

/* RFC 791, 3.1: an option without the bit "copied" stands in the first fragment only. The last is what comes out here. */
static void options_of_fragments(void **state)
{
	static const uint8_t in[8] = { 0x88, 4, 1, 1, 0x1e, 4, 1, 1 };
	static const uint8_t last[8] = { 0x88, 4, 1, 1, 1, 1, 1, 1 };
	const struct packet p = {
		.proto = IPPROTO_UDP,
		.payload = 1400,
		.options = 2,
		.patch = { { 20, in[0] }, { 21, in[1] }, { 24, in[4] }, { 25, in[5] } }
	};
	const uint8_t *ip;
	struct outcome o;
	struct frame f;

	world_ip("link set real0 mtu 1300");
	path_reset(path);
	both_families(path);
	frame_build(&f, &p);
	ip = f.data + ETH_LEN;
	assert_memory_equal(ip + 20, in, sizeof(in));
	path_send(path, TC_DOOR, &f, 0, &o);
	world_ip("link set real0 mtu 1500");
	expect_equal("sent", o.fate, SENT);
	ip = o.out.data + ETH_LEN;
	expect_equal("header", ip[0], 0x47);
	expect_equal("offset", (ip[6] << 8 | ip[7]) * 8, (1300 - 28) / 8 * 8);
	assert_memory_equal(ip + 20, last, sizeof(last));
}

/* A GSO packet is judged by what it will be cut into. */
static void mtu_of_gso(void **state)
{
	struct frame in, out;

	path_reset(path);
	both_families(path);
	frame_build(&in, &(struct packet){ .payload = 2800, .df = true });
	assert_int_equal(path_run_tc_gso(path, &in, &out, 2, 1400), TC_ACT_REDIRECT);
	assert_int_equal(out.len, in.len);
	assert_int_equal(path_cause(path, CV_C_SENT), 1);
	/* With segments that are too large it comes in once more, segment by segment. */
	assert_int_equal(path_run_tc_gso(path, &in, &out, 2, 1480), TC_ACT_SHOT);
	assert_int_equal(path_cause(path, CV_C_SENT), 1);
	assert_int_equal(path_cause(path, CV_C_FRAGMENT), 1);
}

/* ---- how many errors ---------------------------------------------------------------------- */

/* net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst: fifty at once, a thousand a second. */
static void error_rate(void **state)
{
	const struct packet_case answered = ANSWER("error", UNREACHABLE4, {});
	unsigned int n;
	struct outcome o;
	struct frame f;

	path_reset(path);
	no_destination(path);
	frame_build(&f, &answered.in);
	for (n = 0; n < 200; n++) {
		path_send(path, TC_DOOR, &f, 0, &o);
		if (o.fate != SENT)
			break;
	}
	/* This process may move between CPUs, and each has its own credit. */
	assert_true(n >= 50 && n <= 50 * path->geo.ncpus);
	assert_int_equal(o.fate, DROPPED);
	assert_int_equal(path_cause(path, CV_C_DROP_NODEST), 1);
	path_advance(path, 1);
	assert_int_equal(case_play(path, TC_DOOR, &answered), 0);
}

/* But whoever learns the MTU by them is told each time. */
static void mtu_is_always_told(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct outcome o;
		struct frame f;

		path_reset(path);
		both_families(path);
		frame_build(&f, &(struct packet){ .v6 = v6, .df = !v6, .payload = 1600 });
		for (unsigned int n = 0; n < 200 * path->geo.ncpus; n++) {
			path_send(path, TC_DOOR, &f, 0, &o);
			expect_equal("told", o.fate, SENT);
		}
		expect_equal("told", (long)path_cause(path, CV_C_ANSWERED), 200 * path->geo.ncpus);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(no_server),
	cmocka_unit_test(no_answer),
	cmocka_unit_test(ttl),
	cmocka_unit_test(mtu),
	cmocka_unit_test(mtu_of_gso),
	cmocka_unit_test(error_rate),
	cmocka_unit_test(mtu_is_always_told),
	cmocka_unit_test(options_of_fragments),
};

PACKET_MAIN("limits", NULL, tests)
