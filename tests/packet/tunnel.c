// SPDX-License-Identifier: GPL-2.0-or-later
/* IP in IP, byte for byte, whatever the two families are; and what routers say of any tunnel. */
#include <string.h>

#include "case.h"

static uint32_t begin(bool v6, bool outer_v6)
{
	uint32_t service;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .v6 = v6 });
	now_playing("IPv%d in IPv%d", v6 ? 6 : 4, outer_v6 ? 6 : 4);
	return dest_add(path, service,
			&(struct dest_spec){ .addr = server_addr(1, outer_v6),
					     .method = CV_TUNNEL });
}

static void check(enum door door, const struct packet *in, bool outer_v6)
{
	struct frame f, want;
	struct outcome o;
	uint8_t mac[6];

	frame_build(&f, in);
	want = f;
	frame_routed(&want, NULL, NULL);
	frame_tunnel(&want, server_addr(0, outer_v6), server_addr(1, outer_v6));
	path_send(path, door, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	if (door == XDP_DOOR && !o.handed_on) {
		server_mac(1, mac);
		memcpy(want.data, mac, 6);
		memcpy(want.data + 6, REAL_MAC, 6);
	}
	if (!outer_v6 && in->v6)
		frame_take_id(&want, &o.out);
	if (frame_differs(&want, &o.out, o.handed_on || door == TC_DOOR ? ETH_LEN : 0) >= 0) {
		frame_print("expected", &want);
		frame_print("out", &o.out);
		fault("differs from byte %d on", frame_differs(&want, &o.out, 0));
	}
}

static void every_family(void **state)
{
	for (int i = 0; i < 4 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS % 2, outer_v6 = i / DOORS / 2;
		struct packet p = { .v6 = v6, .df = !v6, .payload = 3 };

		begin(v6, outer_v6);
		check(door, &p, outer_v6);
		p.flags = ACK;
		p.payload = 1200;
		check(door, &p, outer_v6);
		p.ttl = 2;
		p.payload = 0;
		check(door, &p, outer_v6);
		expect_equal("packets", (long)path_counters(path, 0).inpkts, 3);
		expect_audit(path);
	}
}

/* What does not fit with its new header is answered with what would have. */
static void too_big(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		const struct packet_case fits = { .what = "fits",
						  .in = { .df = true, .payload = 1440 },
						  .fate = SENT,
						  .cause = CV_C_SENT,
						  .conns = 1 };
		const struct packet_case over = { .what = "too big",
						  .in = { .df = true, .payload = 1441, .sport = 2 },
						  .fate = SENT,
						  .cause = CV_C_ANSWERED,
						  .conns = 1,
						  .error = { 3, 4, 1480 } };

		begin(false, false);
		check((enum door)door, &fits.in, false);
		assert_int_equal(case_play(path, (enum door)door, &over), 0);
	}
}

/* ---- what routers behind the director say ------------------------------------------------ */

static const struct kind {
	const char *name;
	uint8_t type, flags;
	uint32_t overhead;
} kinds[] = {
	{ "IPIP", CV_TUN_IPIP, 0, 20 },
	{ "GUE", CV_TUN_GUE, 0, 32 },
	{ "GUE with a checksum", CV_TUN_GUE, CV_TUN_CSUM, 32 },
	{ "GRE", CV_TUN_GRE, 0, 24 },
	{ "GRE with a checksum", CV_TUN_GRE, CV_TUN_CSUM, 28 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void begin_kind(const struct kind *k)
{
	begin(false, false);
	now_playing("%s", k->name);
	path->dests[0].tun_type = k->type;
	path->dests[0].tun_flags = k->flags;
	path->dests[0].tun_port = htons(6080);
}

/* A client's packet goes out, and comes back in an error about it. */
static struct frame error_about(const struct packet *p, struct icmp_error e)
{
	struct outcome o;
	struct frame f;

	frame_build(&f, p);
	path_send(path, TC_DOOR, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	memcpy(o.out.data, f.data, ETH_LEN);
	frame_error(&o.out, e);
	return o.out;
}

/* The client hears of it as if the virtual address had had the trouble, about its own packet. */
static void expect_told(enum door door, const struct packet *p, const struct frame *error,
			struct icmp_error e)
{
	struct frame want;
	struct outcome o;

	frame_build(&want, p);
	frame_routed(&want, NULL, NULL);
	frame_error(&want, e);
	path_send(path, door, error, 0, &o);
	expect_equal("told", o.fate, SENT);
	frame_take_id(&want, &o.out);
	if (frame_differs(&want, &o.out, ETH_LEN) >= 0) {
		frame_print("expected", &want);
		frame_print("out", &o.out);
		fault("differs from byte %d on", frame_differs(&want, &o.out, ETH_LEN));
	}
}

static void told(void **state)
{
	static const struct icmp_error errors[] = { { 3, 1, 0 }, { 3, 3, 0 }, { 11, 0, 0 } };

	for (size_t i = 0; i < KINDS * 3; i++) {
		const struct packet p = { .df = true, .payload = 10 };
		struct icmp_error e = errors[i % 3];
		struct frame error;

		begin_kind(&kinds[i / 3]);
		error = error_about(&p, e);
		for (int door = 0; door < DOORS; door++)
			expect_told((enum door)door, &p, &error, e);
		/* Of another kind of tunnel, it is not one that the director sent. */
		path->dests[0].tun_type = (kinds[i / 3].type + 1) % 3;
		path_send(path, TC_DOOR, &error, 0, &(struct outcome){});
		expect_equal("not ours",
			     (long)(path_cause(path, CV_C_PASS_OTHER) +
				    path_cause(path, CV_C_PASS_NOSERVICE)),
			     1);
	}
}

/* Another director's, which this one forwards: it is not for an address of ours. */
static void elsewhere(void **state)
{
	const struct packet p = { .df = true, .payload = 10 };
	const struct icmp_error e = { 3, 1, 0 };

	for (size_t i = 0; i < KINDS * DOORS; i++) {
		struct frame error;
		struct outcome o;
		uint16_t *to, word;

		begin_kind(&kinds[i / DOORS]);
		error = error_about(&p, e);
		expect_told(TC_DOOR, &p, &error, e);
		/* Its two halves change places, which leaves the checksum right. */
		to = (uint16_t *)(error.data + ETH_LEN + 16);
		word = to[0];
		to[0] = to[1];
		to[1] = word;
		path_send(path, (enum door)(i % DOORS), &error, 0, &o);
		expect_equal("left alone", o.fate, PASSED);
		expect_equal("told", (long)path_cause(path, CV_C_ANSWERED), 1);
	}
}

/* The largest packet that goes through, of a connection of its own; one that is larger is told so. */
static void expect_mtu(uint32_t mtu, uint16_t sport)
{
	for (int door = 0; door < DOORS; door++) {
		const struct packet_case fits = {
			.what = "fits",
			.in = { .df = true, .payload = (uint16_t)(mtu - 40), .sport = sport },
			.fate = SENT,
			.cause = CV_C_SENT,
			.conns = 1
		};
		const struct packet_case over = { .what = "too big",
						  .in = { .df = true,
							  .payload = (uint16_t)(mtu - 39),
							  .sport = (uint16_t)(sport + 1) },
						  .fate = SENT,
						  .cause = CV_C_ANSWERED,
						  .conns = 1,
						  .error = { 3, 4, (uint16_t)mtu } };

		expect_fate(path, (enum door)door, &fits.in, SENT);
		assert_int_equal(case_play(path, (enum door)door, &over), 0);
		sport += 2;
	}
}

/* The way is narrower than its first link: what comes next is measured by that, for ten minutes. */
static void narrow(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct packet p = { .df = true, .payload = 10 };
		const uint32_t overhead = kinds[i].overhead;
		struct frame error;

		begin_kind(&kinds[i]);
		expect_mtu(1500 - overhead, 1);
		error = error_about(&p, (struct icmp_error){ 3, 4, 1400 });
		path_send(path, TC_DOOR, &error, 0, &(struct outcome){});
		expect_mtu(1400 - overhead, 101);
		path_advance(path, 2 * CV_HZ); /* the route is looked up again */
		expect_mtu(1400 - overhead, 201);
		/* Never less than 552; and a larger one changes nothing. */
		for (uint16_t mtu = 0; mtu < 1300; mtu += 1200) {
			error = error_about(&p, (struct icmp_error){ 3, 4, mtu });
			path_send(path, TC_DOOR, &error, 0, &(struct outcome){});
		}
		expect_mtu(552 - overhead, 301);
		path_advance(path, 601 * CV_HZ);
		expect_mtu(1500 - overhead, 401);
	}
}

/* What the client hears first: what was known, less an IP header. */
static void told_first(void **state)
{
	const struct packet p = { .df = true, .payload = 10 };
	struct frame error;

	begin_kind(&kinds[0]);
	error = error_about(&p, (struct icmp_error){ 3, 4, 1400 });
	path->dests[0].nh[path->dests[0].nh_cur & 1].mtu = 1500;
	expect_told(TC_DOOR, &p, &error, (struct icmp_error){ 3, 4, 1480 });
}

/* A client that lets its packets be cut hears nothing of that, but of everything else. */
static void may_be_cut(void **state)
{
	const struct packet p = { .df = false, .payload = 10 };

	for (size_t i = 0; i < KINDS * DOORS; i++) {
		const struct kind *k = &kinds[i / DOORS];
		enum door door = (enum door)(i % DOORS);
		struct frame error;
		struct outcome o;

		begin_kind(k);
		error = error_about(&p, (struct icmp_error){ 3, 4, 1400 });
		path_send(path, door, &error, 0, &o);
		expect_equal("told", o.fate, DROPPED);
		expect_equal("causes", (long)path_cause(path, CV_C_DROP_TOOBIG), 1);
		expect_mtu(1400 - k->overhead, 101);
		begin_kind(k);
		error = error_about(&p, (struct icmp_error){ 3, 1, 0 });
		expect_told(door, &p, &error, (struct icmp_error){ 3, 1, 0 });
	}
}

/* What the client is told counts as a packet from the server, as long as what it is about. */
static void counted(void **state)
{
	const struct packet p = { .df = true, .payload = 10 };
	struct frame error;

	begin_kind(&kinds[0]);
	error = error_about(&p, (struct icmp_error){ 3, 1, 0 });
	expect_told(TC_DOOR, &p, &error, (struct icmp_error){ 3, 1, 0 });
	expect_equal("packets", (long)path_counters(path, 0).outpkts, 1);
	expect_equal("bytes", (long)path_counters(path, 0).outbytes, 20 + 20 + 10);
}

/* No more errors than the director itself would send: fifty at once. */
static void limited(void **state)
{
	const struct packet p = { .df = true, .payload = 10 };
	const struct icmp_error e = { 3, 1, 0 };
	struct frame error;
	struct outcome o;
	unsigned int n;

	begin_kind(&kinds[0]);
	error = error_about(&p, e);
	for (n = 0; n < 200; n++) {
		path_send(path, TC_DOOR, &error, 0, &o);
		if (o.fate != SENT)
			break;
	}
	assert_true(n >= 50 && n <= 50 * path->geo.ncpus);
	expect_equal("causes", (long)path_cause(path, CV_C_DROP_NOROUTE), 1);
	path_advance(path, 1);
	expect_told(TC_DOOR, &p, &error, e);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_family), cmocka_unit_test(too_big), cmocka_unit_test(told),
	cmocka_unit_test(told_first),	cmocka_unit_test(narrow),  cmocka_unit_test(may_be_cut),
	cmocka_unit_test(counted),	cmocka_unit_test(limited), cmocka_unit_test(elsewhere),
};

PACKET_MAIN("tunnel", NULL, tests)
