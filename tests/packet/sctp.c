// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SCTP: every cell of IPVS's tables that packets can reach, as the kernel had
 * them (ipvs_sctp_table), for both directions, masq and direct routing, with and
 * without sloppy_sctp, through both doors; what opens a connection and what does
 * not; and masquerading byte for byte, with checksums computed from scratch.
 */
#include <stdio.h>
#include <string.h>

#include "cells.h"

/* ---- states --------------------------------------------------------------------------- */

static const char *settings(const json_t *fact, struct talk *t)
{
	static char text[32];
	int sloppy = fact_number(fact, "sloppy_sctp");

	t->proto = IPPROTO_SCTP;
	path->settings->sloppy_sctp = (uint32_t)sloppy;
	snprintf(text, sizeof(text), "sloppy_sctp %d", sloppy);
	return text;
}

static void states4(void **state)
{
	cells_play("ipvs_sctp_table", "sctp_table", (13 * 2 + 6 + 4) * 22, settings, false);
}

static void states6(void **state)
{
	cells_play("ipvs_sctp_table", "sctp_table", (13 * 2 + 6 + 4) * 22, settings, true);
}

/* The counts that go with them: an association counts as active while it is established. */
static void counts(void **state)
{
	static const struct {
		const char *step;
		unsigned int active, inactive;
	} steps[] = {
		{ "c:INIT", 0, 1 },
		{ "s:INIT_ACK", 0, 1 },
		{ "c:COOKIE_ECHO", 0, 1 },
		{ "s:COOKIE_ACK", 1, 0 },
		{ "c:DATA", 1, 0 },
		{ "s:SACK", 1, 0 },
		{ "c:SHUTDOWN", 0, 1 },
		{ "s:SHUTDOWN_ACK", 0, 1 },
		{ "c:SHUTDOWN_COMPLETE", 0, 1 },
	};

	for (int i = 0; i < 2 * DOORS; i++) {
		struct talk t = { .door = (enum door)(i % DOORS),
				  .v6 = i / DOORS,
				  .proto = IPPROTO_SCTP,
				  .method = 'm' };

		path_reset(path);
		talk_begin(&t);
		for (unsigned int s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			now_playing("%s, IPv%d, %s", door_names[t.door], t.v6 ? 6 : 4,
				    steps[s].step);
			expect_equal("sent on", talk_say(&t, steps[s].step), SENT);
			expect_counts(path, t.first_dest, steps[s].active, steps[s].inactive);
		}
		expect_audit(path);
	}
}

/* ---- what opens a connection ------------------------------------------------------------ */

static void opening(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		struct packet p = {
			.v6 = i / DOORS, .proto = IPPROTO_SCTP, .chunks = "DATA", .payload = 5
		};

		path_reset(path);
		simple_service(path, p.v6, IPPROTO_SCTP);
		now_playing("%s, IPv%d", door_names[door], p.v6 ? 6 : 4);
		expect_fate(path, door, &p, PASSED);
		p.chunks = "COOKIE_ECHO";
		expect_fate(path, door, &p, PASSED);
		expect_equal("not INIT", (long)path_cause(path, CV_C_PASS_NOTSYN), 2);
		p.chunks = "INIT";
		p.dport = 81;
		expect_fate(path, door, &p, PASSED);
		p.dport = 80;
		path->settings->sloppy_sctp = 1;
		p.chunks = "NO_CHUNK";
		expect_fate(path, door, &p, PASSED);
		p.chunks = "ABORT";
		expect_fate(path, door, &p, PASSED);
		p.chunks = "DATA";
		expect_fate(path, door, &p, SENT);
		expect_conn(path, &p, "ESTABLISHED", 900);
		expect_audit(path);
	}
}

/* An INIT from the ports of an association that is over begins another: conn_reuse_mode 1. */
static void again(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		struct talk t = { .door = (enum door)(i % DOORS),
				  .v6 = i / DOORS,
				  .proto = IPPROTO_SCTP,
				  .method = 'g',
				  .servers = 2 };
		unsigned int first;

		path_reset(path);
		talk_begin(&t);
		now_playing("%s, IPv%d", door_names[t.door], t.v6 ? 6 : 4);
		talk_say(&t, "c:INIT");
		first = t.server;
		talk_say(&t, "c:INIT");
		expect_equal("the same", t.server, first);
		expect_conn(path, &t.client, "INIT", 61);
		talk_say(&t, "c:ABORT");
		expect_conn(path, &t.client, "CLOSED", 61);
		talk_say(&t, "c:INIT");
		expect_equal("another", t.server, 3 - first);
		expect_conn(path, &t.client, "INIT1", 4);
		expect_audit(path);
	}
}

/* ---- masquerading ----------------------------------------------------------------------- */

static void check(enum door door, const struct packet *in, struct packet out, const uint8_t *dmac,
		  const uint8_t *smac)
{
	out.ttl = 63;
	expect_sent(path, door, in, &out, dmac, smac);
}

/* To r1's port and back, in packets of every kind of length; without a change of port the same. */
static void masq(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 2, 3, 4, 7, 28, 200, 243, 244, 245, 1000, 1443 };
	uint8_t mac[6];

	server_mac(1, mac);
	for (int i = 0; i < 8 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS & 1, sum = i / DOORS & 2, same_port = i / DOORS & 4;
		uint16_t port = same_port ? 8001 : 8080;
		struct packet c = { .v6 = v6,
				    .proto = IPPROTO_SCTP,
				    .dport = 8001,
				    .no_sum = !sum },
			      s = c, out;
		uint32_t service;

		path_reset(path);
		now_playing("%s, IPv%d, port %u, %s checksum", door_names[door], v6 ? 6 : 4, port,
			    sum ? "with its" : "without a");
		service =
			service_add(path, &(struct service_spec){
						  .v6 = v6, .proto = IPPROTO_SCTP, .port = 8001 });
		dest_add(path, service, &(struct dest_spec){ .masq = true, .port = port });
		s.src = server_addr(1, v6);
		s.dst = v6 ? CLIENT6 : CLIENT;
		s.sport = port;
		s.dport = 40000;
		out = c;
		out.dst = s.src;
		out.dport = port;
		check(door, &c, out, mac, REAL_MAC);
		for (unsigned int n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
			c.chunks = s.chunks = "DATA";
			c.payload = s.payload = v6 && lengths[n] > 1400 ? 1423 : lengths[n];
			out = c;
			out.dst = s.src;
			out.dport = port;
			check(door, &c, out, mac, REAL_MAC);
			out = s;
			out.src = v6 ? VIP6 : VIP;
			out.sport = 8001;
			check(door, &s, out, CLIENT_MAC, UP_MAC);
		}
		expect_audit(path);
	}
}

/* A packet whose checksum is 0, and rightly so: 1 in 2^32, found by solving for four bytes of it. */
static void checksum_zero(void **state)
{
	struct packet c = { .proto = IPPROTO_SCTP, .dport = 8001, .chunks = "DATA", .payload = 12 };
	uint32_t basis[32], sum, wanted, four = 0, l4 = ETH_LEN + 20;
	struct talk t = { .proto = IPPROTO_SCTP, .method = 'm' };
	struct frame f;

	frame_build(&f, &c);
	memset(f.data + l4 + 8, 0, 4);
	memset(f.data + l4 + 16, 0, 4);
	wanted = sum = crc32c(f.data + l4, f.len - l4);
	/* Each of the 32 bits changes the checksum by a value of its own: Gauss, on the go. */
	uint32_t which[32] = {};
	memset(basis, 0, sizeof(basis));
	for (int bit = 0; bit < 32; bit++) {
		uint32_t change, made_of = 1U << bit;

		memcpy(f.data + l4 + 16, &made_of, 4);
		change = crc32c(f.data + l4, f.len - l4) ^ sum;
		for (int top = 31; top >= 0; top--) {
			if (!(change >> top & 1))
				continue;
			if (!basis[top]) {
				basis[top] = change;
				which[top] = made_of;
				break;
			}
			change ^= basis[top];
			made_of ^= which[top];
		}
	}
	for (int top = 31; top >= 0; top--) {
		if (wanted >> top & 1) {
			wanted ^= basis[top];
			four ^= which[top];
		}
	}
	memcpy(f.data + l4 + 16, &four, 4);
	assert_int_equal(crc32c(f.data + l4, f.len - l4), 0);
	for (int door = 0; door < DOORS; door++) {
		struct outcome o;

		path_reset(path);
		t.door = (enum door)door;
		talk_begin(&t);
		now_playing("%s", door_names[door]);
		talk_say(&t, "c:INIT");
		path_send(path, (enum door)door, &f, 0, &o);
		expect_equal("sent", o.fate, SENT);
		memcpy(&sum, o.out.data + l4 + 8, 4);
		memset(o.out.data + l4 + 8, 0, 4);
		assert_int_not_equal(sum, 0);
		assert_int_equal(sum, crc32c(o.out.data + l4, o.out.len - l4));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(states4),	 cmocka_unit_test(states6), cmocka_unit_test(counts),
	cmocka_unit_test(opening),	 cmocka_unit_test(again),   cmocka_unit_test(masq),
	cmocka_unit_test(checksum_zero),
};

PACKET_MAIN("sctp", NULL, tests)
