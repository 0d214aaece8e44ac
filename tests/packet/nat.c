// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Masquerading, byte for byte: what comes out is the packet as it would have been
 * built for the other address and port, checksums computed from scratch.
 */
#include <linux/if_ether.h>
#include <linux/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "talk.h"

static struct packet request(bool v6, uint8_t proto)
{
	return (struct packet){ .v6 = v6, .proto = proto, .dport = 8001, .payload = 5 };
}

/* The request as the real server gets it, or the answer as the client does. */
static struct packet to_server(struct packet p)
{
	p.dst = server_addr(1, p.v6);
	p.dport = 8080;
	p.ttl = 63;
	return p;
}

static struct packet answer(bool v6, uint8_t proto)
{
	return (struct packet){ .v6 = v6,
				.proto = proto,
				.src = server_addr(1, v6),
				.sport = 8080,
				.dst = v6 ? CLIENT6 : CLIENT,
				.dport = 40000,
				.flags = SYN | ACK,
				.payload = 8 };
}

static struct packet to_client(struct packet p)
{
	p.src = p.v6 ? VIP6 : VIP;
	p.sport = 8001;
	p.ttl = 63;
	return p;
}

static void check(enum door door, struct packet in, struct packet out, const uint8_t *dmac,
		  const uint8_t *smac)
{
	expect_sent(path, door, &in, &out, dmac, smac);
}

static void begin(enum door door, bool v6, uint8_t proto)
{
	struct talk t = { .door = door, .v6 = v6, .proto = proto, .method = 'm' };

	path_reset(path);
	talk_begin(&t);
	now_playing("IPv%d, protocol %u, %s", v6 ? 6 : 4, proto, door_names[door]);
}

/* ---- there and back ---------------------------------------------------------------------- */

static void there_and_back(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t mac[6];

	server_mac(1, mac);
	for (int i = 0; i < 4 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS % 2;
		uint8_t proto = protos[i / DOORS / 2];
		struct packet c = request(v6, proto), s = answer(v6, proto);
		struct cv_counters n;

		begin(door, v6, proto);
		check(door, c, to_server(c), mac, REAL_MAC);
		check(door, s, to_client(s), CLIENT_MAC, UP_MAC);
		c.flags = s.flags = ACK;
		c.payload = 0;
		c.tos = s.tos = 0x28;
		c.df = s.df = !v6;
		check(door, c, to_server(c), mac, REAL_MAC);
		check(door, s, to_client(s), CLIENT_MAC, UP_MAC);
		n = path_counters(path, 0);
		expect_equal("in", (long)n.inpkts, 2);
		expect_equal("out", (long)n.outpkts, 2);
		expect_equal("connections", (long)n.conns, 1);
		expect_audit(path);
	}
}

/* What a router of the client's says about a packet that left for it. */
static void expect_relayed(const struct packet *left, bool v6)
{
	const struct icmp_error host =
		v6 ? (struct icmp_error){ 1, 3, 0 } : (struct icmp_error){ 3, 1, 0 };
	struct packet p = *left;
	struct outcome o;
	struct frame f;

	p.dmac = NULL;
	frame_build(&f, &p);
	frame_error(&f, host);
	path_send(path, TC_DOOR, &f, 0, &o);
	expect_equal("relayed", o.fate, SENT);
}

/*
 * A server that is taken out goes on answering, and hears of what becomes of it; neither is counted:
 * ip_vs_out_stats(), ip_vs_in_stats().
 */
static void answers_of_the_removed(void **state)
{
	uint8_t mac[6];

	server_mac(1, mac);
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet c = request(v6, IPPROTO_TCP), s = answer(v6, IPPROTO_TCP);

		begin(door, v6, IPPROTO_TCP);
		check(door, c, to_server(c), mac, REAL_MAC);
		dest_remove(path, 0);
		check(door, s, to_client(s), CLIENT_MAC, UP_MAC);
		expect_equal("out", (long)path_counters(path, 0).outpkts, 0);
		s = to_client(s);
		expect_relayed(&s, v6);
		expect_equal("in", (long)path_counters(path, 0).inpkts, 1);
	}
}

/* Options and extension headers are tc's, and come to the same. */
static void with_options(void **state)
{
	uint8_t mac[6];

	server_mac(1, mac);
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		struct packet p = request(i / DOORS, IPPROTO_TCP);

		p.options = i / DOORS ? 0 : 3;
		p.ext = i / DOORS ? "HD" : NULL;
		begin(door, i / DOORS, IPPROTO_TCP);
		check(door, p, to_server(p), mac, REAL_MAC);
	}
}

/* Its checksum comes out as 0, which would mean that it has none. */
static bool checksum_is_nothing(const struct packet *p)
{
	struct frame f;

	frame_build(&f, p);
	return memcmp(f.data + ETH_HLEN + (p->v6 ? 40 : 20) + offsetof(struct udphdr, check),
		      "\xff\xff", 2) == 0;
}

/* Any payload, so that the checksums take many values (in the long form all), and 0 in any case. */
static void many_checksums(void **state)
{
	uint8_t mac[6];

	server_mac(1, mac);
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		unsigned int nothing = 0;

		begin(door, i / DOORS, IPPROTO_UDP);
		for (unsigned int n = 3; n < 3 * 65536; n++) {
			struct packet p = request(i / DOORS, IPPROTO_UDP), out;
			unsigned int port = n / 3;

			p.sport = (uint16_t)port;
			p.payload = (uint16_t)(n % 3);
			out = to_server(p);
			if (port == 20) /* FTP's, from which no client comes: ip_vs_schedule() */
				continue;
			if (checksum_is_nothing(&out))
				nothing++;
			else if (p.payload != port % 3 ||
				 (port % 97 != 1 && !getenv("CULVERT_LONG")))
				continue;
			check(door, p, out, mac, REAL_MAC);
			if (port % 97 == 1) { /* there is not room for all of them at once */
				path_advance(path, 301 * CV_HZ);
				path_sweep(path);
				path->dests[0].neigh_seen = path->clock->now;
			}
		}
		assert_true(nothing > 0);
	}
}

/* UDP without a checksum: whoever sends it, it gets one, as udp_dnat_handler() and udp_snat_handler() give it. */
static void no_checksum(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		const uint16_t at = v6 ? 46 : 26;
		struct packet c = request(v6, IPPROTO_UDP), s = answer(v6, IPPROTO_UDP);
		const struct packet client = to_client(s);

		begin(door, v6, IPPROTO_UDP);
		c.patch[0] = s.patch[0] = (struct patch){ at, 0 };
		c.patch[1] = s.patch[1] = (struct patch){ at + 1, 0 };
		check(door, c, to_server(request(v6, IPPROTO_UDP)), NULL, NULL);
		check(door, s, client, NULL, NULL);
	}
}

/* An answer of nobody's, or one that came too late, is the stack's. */
static void not_an_answer(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		struct packet c = request(false, IPPROTO_TCP), s = answer(false, IPPROTO_TCP);

		begin((enum door)door, false, IPPROTO_TCP);
		expect_fate(path, (enum door)door, &s, PASSED);
		expect_fate(path, (enum door)door, &c, SENT);
		s.sport = 8081;
		expect_fate(path, (enum door)door, &s, PASSED);
		s.sport = 8080;
		s.src = server_addr(2, 0);
		expect_fate(path, (enum door)door, &s, PASSED);
		s.src = server_addr(1, 0);
		expect_fate(path, (enum door)door, &s, SENT);
		path_advance(path, 1000 * CV_HZ);
		expect_fate(path, (enum door)door, &s, PASSED);
		expect_audit(path);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(there_and_back), cmocka_unit_test(with_options),
	cmocka_unit_test(many_checksums), cmocka_unit_test(no_checksum),
	cmocka_unit_test(not_an_answer),  cmocka_unit_test(answers_of_the_removed),
};

PACKET_MAIN("nat", NULL, tests)
