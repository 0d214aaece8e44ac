// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Masquerading and tunnels by the tag alone (C9 of include/culvert/conn.h): the same
 * bytes go out as by the long way, in both directions, and nothing goes by a tag
 * that is not its own or does not say how.
 */
#include <string.h>

#include "case.h"

#define BUSY (CV_IN_PKTS + 1) /* the packets after which a connection is live */

/* What there is of one connection: its service's kind, and the packets of both its ends. */
struct kind {
	const char *name;
	bool v6, outer_v6;
	uint8_t proto;
	bool masq;
	uint8_t tun_type;
};

static const struct kind kinds[] = {
	{ "NAT, IPv4, TCP", .proto = IPPROTO_TCP, .masq = true },
	{ "NAT, IPv6, TCP", .v6 = true, .outer_v6 = true, .proto = IPPROTO_TCP, .masq = true },
	{ "NAT, IPv4, UDP", .proto = IPPROTO_UDP, .masq = true },
	{ "NAT, IPv6, UDP", .v6 = true, .outer_v6 = true, .proto = IPPROTO_UDP, .masq = true },
	{ "IPIP, 4 in 4", .proto = IPPROTO_TCP },
	{ "IPIP, 6 in 4", .v6 = true, .proto = IPPROTO_TCP },
	{ "IPIP, 4 in 6", .outer_v6 = true, .proto = IPPROTO_UDP },
	{ "IPIP, 6 in 6", .v6 = true, .outer_v6 = true, .proto = IPPROTO_TCP },
	{ "GUE, 4 in 4", .proto = IPPROTO_TCP, .tun_type = CV_TUN_GUE },
	{ "GUE, 6 in 6", .v6 = true, .outer_v6 = true, .proto = IPPROTO_TCP,
	  .tun_type = CV_TUN_GUE },
	{ "GRE, 4 in 4", .proto = IPPROTO_TCP, .tun_type = CV_TUN_GRE },
	{ "GRE, 6 in 6", .v6 = true, .outer_v6 = true, .proto = IPPROTO_TCP,
	  .tun_type = CV_TUN_GRE },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct packet request(const struct kind *k)
{
	return (struct packet){ .v6 = k->v6,
				.proto = k->proto,
				.dport = 8001,
				.df = !k->v6,
				.flags = k->proto == IPPROTO_TCP ? ACK : 0,
				.payload = 18,
				.tos = 0x28 };
}

static struct packet answer(const struct kind *k)
{
	struct packet p = request(k);

	p.src = server_addr(1, k->v6);
	p.sport = 8080;
	p.dst = k->v6 ? CLIENT6 : CLIENT;
	p.dport = 40000;
	return p;
}

static struct packet translated(const struct kind *k, struct packet p, bool back)
{
	if (back) {
		p.src = k->v6 ? VIP6 : VIP;
		p.sport = 8001;
	} else {
		p.dst = server_addr(1, k->v6);
		p.dport = 8080;
	}
	p.ttl = 63;
	return p;
}

static struct cv_conn_common *entry_of(const struct kind *k)
{
	struct packet c = request(k);

	return table_find(path, &c);
}

static __u32 *tag_of(const struct kind *k)
{
	size_t size = k->v6 ? sizeof(struct cv_conn6) : sizeof(struct cv_conn4);
	struct cv_conn_common *c = entry_of(k);

	assert_non_null(c);
	return table_tag(path, k->v6, ((char *)c - (char *)table_at(path, k->v6, 0)) / size);
}

/* One of the client's packets, and what came out. */
static struct frame send_one(const struct packet *p)
{
	struct outcome o;
	struct frame f;

	frame_build(&f, p);
	path_send(path, XDP_DOOR, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	return o.out;
}

/* A connection that is live, and the last packet that went out by the long way. */
static uint32_t begin(const struct kind *k, struct frame *out)
{
	struct packet c = request(k), syn = c;
	uint32_t service, dest;
	struct frame last;

	path_reset(path);
	now_playing("%s", k->name);
	service = service_add(
		path, &(struct service_spec){ .v6 = k->v6, .proto = k->proto, .port = 8001 });
	dest = dest_add(path, service,
			&(struct dest_spec){ .addr = server_addr(1, k->outer_v6),
					     .port = k->masq ? 8080 : 0,
					     .masq = k->masq,
					     .method = CV_TUNNEL });
	path->dests[dest].tun_type = k->tun_type;
	path->dests[dest].tun_port = htons(6080);
	syn.flags = SYN;
	send_one(k->proto == IPPROTO_TCP ? &syn : &c);
	for (int i = 1; i < BUSY; i++)
		last = send_one(&c);
	assert_true(*tag_of(k) & CV_TAG_LIVE);
	if (out)
		*out = last;
	return dest;
}

/* (An IPv4 header in front of an IPv6 packet has an id that is made up.) */
static void same_bytes(const struct kind *k, struct frame *want, const struct frame *got)
{
	if (k->v6 && !k->outer_v6)
		frame_take_id(want, got);
	if (frame_differs(want, got, 0) < 0)
		return;
	frame_print("expected", want);
	frame_print("out", got);
	fault("differs from byte %d on", frame_differs(want, got, 0));
}

/* The entry is neither needed nor touched, what goes out is the same, and nothing is missing from what is counted. */
static void same_by_tag(void **state)
{
	for (unsigned int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		struct packet c = request(k);
		struct frame want, got;
		uint32_t dest = begin(k, &want);
		struct cv_conn_common before = *entry_of(k);

		path_advance(path, 10);
		for (int n = BUSY + 1; n < 20; n++) {
			got = send_one(&c);
			same_bytes(k, &want, &got);
			assert_memory_equal(entry_of(k), &before, sizeof(before));
			assert_int_equal(path_counters(path, dest).inpkts, n);
		}
		assert_int_equal(path_cause(path, CV_C_SENT), 19);
		expect_audit(path);
	}
}

/* Both directions by the same device, in turns. */
static void there_and_back(void **state)
{
	uint8_t mac[6];

	server_mac(1, mac);
	for (unsigned int i = 0; i < KINDS && kinds[i].masq; i++) {
		const struct kind *k = &kinds[i];
		uint32_t dest = begin(k, NULL);
		struct packet c = request(k), s = answer(k), to_s = translated(k, c, false),
			      to_c = translated(k, s, true);
		struct cv_conn_common before = *entry_of(k);

		for (int n = 1; n < 10; n++) {
			path_advance(path, 5);
			expect_sent(path, XDP_DOOR, &s, &to_c, CLIENT_MAC, UP_MAC);
			expect_sent(path, XDP_DOOR, &c, &to_s, mac, REAL_MAC);
			assert_memory_equal(entry_of(k), &before, sizeof(before));
			assert_int_equal(path_counters(path, dest).outpkts, n);
			assert_int_equal(path_counters(path, dest).inpkts, BUSY + n);
		}
		expect_audit(path);
	}
}

/* Answers alone keep it alive. */
static void answers_keep_it(void **state)
{
	for (unsigned int i = 0; i < KINDS && kinds[i].masq; i++) {
		const struct kind *k = &kinds[i];
		struct packet s = answer(k);

		begin(k, NULL);
		for (int n = 0; n < 20; n++) {
			path_advance(path, 200 * CV_HZ);
			path->dests[0].neigh_seen = path->clock->now;
			send_one(&s);
			path_sweep(path);
			assert_non_null(entry_of(k));
		}
		path_advance(path, 901 * CV_HZ);
		path_sweep(path);
		assert_null(entry_of(k));
	}
}

/* What changes the state takes the long way, whichever end it comes from. */
static void ends(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct packet fin = answer(&kinds[i]), data = answer(&kinds[i]);

		begin(&kinds[i], NULL);
		fin.flags = FIN | ACK;
		send_one(&fin);
		assert_false(*tag_of(&kinds[i]) & CV_TAG_LIVE);
		assert_int_equal(entry_of(&kinds[i])->ctl & CV_CTL_STATE, CV_TCP_FIN_WAIT);
		send_one(&data);
		expect_audit(path);
	}
}

/*
 * A destination whose method was changed: its connections keep theirs, which their
 * entries say; and nothing becomes live there any more.
 */
static void another_method(void **state)
{
	static const enum cv_method methods[] = { CV_MASQ, CV_TUNNEL, CV_DROUTE };

	for (unsigned int i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];

		for (int m = 0; m < 3; m++) {
			struct packet c = request(k);
			struct frame want, got;
			uint32_t dest = begin(k, &want), in_pkts;
			__u32 *flags = &path->dests[dest].flags;

			if ((*flags & CV_DEST_METHOD) == methods[m])
				continue;
			*flags = (*flags & ~CV_DEST_METHOD) | methods[m] | CV_DEST_MIXED;
			for (int n = 0; n < 3; n++) {
				got = send_one(&c);
				same_bytes(k, &want, &got);
			}
			/* One that begins now goes by the new method, and never by its tag. */
			c.sport = 50000;
			for (int n = 0; n < 2 * BUSY && methods[m] == CV_DROUTE; n++) {
				c.flags = n || k->proto != IPPROTO_TCP ? c.flags : SYN;
				send_one(&c);
				c.flags = k->proto == IPPROTO_TCP ? ACK : 0;
			}
			if (methods[m] != CV_DROUTE)
				continue;
			in_pkts = table_find(path, &c)->in_pkts;
			assert_int_equal(in_pkts, CV_IN_PKTS);
			path_advance(path, 5);
			send_one(&c);
			assert_int_equal(table_find(path, &c)->expires,
					 path->clock->now + table_find(path, &c)->timeout);
		}
	}
}

/*
 * What a server sends to somebody else, by itself, passes as it is, be the client's
 * hash that of a live connection; so does what another server sends to its client.
 */
static void not_an_answer(void **state)
{
	for (unsigned int i = 0; i < KINDS && kinds[i].masq; i++) {
		const struct kind *k = &kinds[i];
		struct packet other = request(k), s = answer(k);
		__u32 client, *tag;

		begin(k, NULL);
		other.sport = 40001;
		other.flags = k->proto == IPPROTO_TCP ? SYN : 0;
		send_one(&other);
		tag = table_tag(path, k->v6, 0);
		client = 0;
		for (uint32_t slot = 0; slot < table_slots(path, k->v6); slot++)
			if (&tag[slot] != tag_of(k) && tag[slot])
				client = tag[slot] & CV_TAG_CLIENT;
		path_advance(path, 400 * CV_HZ);
		path->dests[0].neigh_seen = path->clock->now;
		send_one(&s);
		path_sweep(path);
		assert_null(table_find(path, &other));
		*tag_of(k) = (*tag_of(k) & ~CV_TAG_CLIENT) | client;
		s.dport = 40001;
		expect_fate(path, XDP_DOOR, &s, PASSED);

		begin(k, NULL);
		s = answer(k);
		s.src = server_addr(2, k->v6);
		expect_fate(path, XDP_DOOR, &s, PASSED);
		s = answer(k);
		s.sport = 8081;
		expect_fate(path, XDP_DOOR, &s, PASSED);
	}
}

/* A packet that the straight way leaves alone, on a connection that has it: the same as on any other. */
static void exceptions(void **state)
{
	const struct kind *ipip = &kinds[4];
	struct packet p, plain;
	const struct packet_case over = {
		.what = "too big",
		.in = { .dport = 8001, .flags = ACK, .df = true, .payload = 1441 },
		.fate = SENT,
		.cause = CV_C_ANSWERED,
		.error = { 3, 4, 1480 }
	};
	const struct packet_case last_hop = { .what = "TTL",
					      .in = { .dport = 8001, .flags = ACK, .ttl = 1 },
					      .fate = SENT,
					      .cause = CV_C_ANSWERED,
					      .error = { 11, 0, 0 } };

	for (const struct kind *udp = &kinds[2]; udp < &kinds[4]; udp++) { /* without a checksum */
		const uint16_t at = udp->v6 ? 46 : 26;

		begin(udp, NULL);
		p = request(udp);
		plain = translated(udp, p, false);
		p.patch[0] = (struct patch){ at, 0 };
		p.patch[1] = (struct patch){ at + 1, 0 };
		expect_sent(path, XDP_DOOR, &p, &plain, NULL, NULL);
		p = answer(udp);
		plain = translated(udp, p, true);
		p.patch[0] = (struct patch){ at, 0 };
		p.patch[1] = (struct patch){ at + 1, 0 };
		expect_sent(path, XDP_DOOR, &p, &plain, NULL, NULL);
	}
	begin(ipip, NULL);
	assert_int_equal(case_play(path, XDP_DOOR, &over), 0);
	assert_int_equal(case_play(path, XDP_DOOR, &last_hop), 0);
	path->dests[0].tun_type = CV_TUN_GRE;
	path->dests[0].tun_flags = CV_TUN_CSUM;
	p = request(ipip);
	send_one(&p);
	assert_int_equal(path_cause(path, CV_C_PASS_TO_TC), 3);
}

/* Whether a persistent client of UDP is one, its server's answers say: its entry has to hear of them. */
static void persistent_udp(void **state)
{
	const struct kind *k = &kinds[2];
	struct packet c = request(k), s = answer(k);
	uint32_t service;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .proto = IPPROTO_UDP,
							    .port = 8001,
							    .flags = CV_SVC_PERSISTENT,
							    .timeout = 300 });
	dest_add(path, service, &(struct dest_spec){ .number = 1, .port = 8080, .masq = true });
	for (int i = 0; i < 2 * BUSY; i++)
		send_one(&c);
	assert_false(*tag_of(k) & CV_TAG_LIVE);
	send_one(&s);
	assert_true(table_at(path, false, entry_of(k)->control)->ctl & CV_CTPL_ASSURED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(same_by_tag),	   cmocka_unit_test(there_and_back),
	cmocka_unit_test(answers_keep_it), cmocka_unit_test(ends),
	cmocka_unit_test(another_method),  cmocka_unit_test(not_an_answer),
	cmocka_unit_test(exceptions),	   cmocka_unit_test(persistent_udp),
};

PACKET_MAIN("live_methods", (&(struct sizes){ .sets = 4 }), tests)
