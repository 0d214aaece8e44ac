// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AH and ESP go the way of the ISAKMP connection (UDP, port 500 to port 500) of
 * the same client and virtual address, without ports to look at or to rewrite;
 * without one they are the stack's.
 */
#include <string.h>

#include "case.h"

#ifndef IPPROTO_ESP
#define IPPROTO_ESP 50
#endif

static struct packet from_client(bool v6, uint8_t proto)
{
	return (struct packet){
		.v6 = v6, .proto = proto, .sport = 500, .dport = 500, .payload = 40
	};
}

static struct packet from_server(bool v6, uint8_t proto)
{
	struct packet p = from_client(v6, proto);

	p.src = server_addr(1, v6);
	p.dst = v6 ? CLIENT6 : CLIENT;
	return p;
}

/* What goes out is `in` with other addresses (NULL: the same) and one hop less. */
static void expect_out(enum door door, struct packet in, const char *src, const char *dst)
{
	struct frame f, want;
	struct outcome o;
	int at;

	frame_build(&f, &in);
	path_send(path, door, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	in.src = src ? src : in.src;
	in.dst = dst ? dst : in.dst;
	in.ttl = 63;
	frame_build(&want, &in);
	at = frame_differs(&want, &o.out, 12);
	if (at >= 0)
		fault("differs from byte %d on", at);
}

static uint32_t begin(enum door door, bool v6, const struct dest_spec *server)
{
	uint32_t service;

	path_reset(path);
	now_playing("%s, IPv%d", door_names[door], v6 ? 6 : 4);
	service = service_add(
		path, &(struct service_spec){ .v6 = v6, .proto = IPPROTO_UDP, .port = 500 });
	return dest_add(path, service, server);
}

static void direct(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet esp = from_client(v6, IPPROTO_ESP), ah = from_client(v6, IPPROTO_AH),
			      ike = from_client(v6, IPPROTO_UDP);

		begin(door, v6, &(struct dest_spec){});
		expect_fate(path, door, &esp, PASSED);
		expect_fate(path, door, &ike, SENT);
		path_advance(path, 200 * CV_HZ);
		path->dests[0].neigh_seen = path->clock->now;
		expect_out(door, esp, NULL, NULL);
		if (v6) /* AH is an extension header there, to IPVS */
			expect_fate(path, door, &ah, PASSED);
		else
			expect_out(door, ah, NULL, NULL);
		/* The packets keep the connection alive, as many as come. */
		expect_conn(path, &ike, "UDP", 300);
		path_advance(path, 200 * CV_HZ);
		expect_fate(path, door, &esp, SENT);
		expect_equal("counted", (long)path_counters(path, 0).inpkts, v6 ? 3 : 4);
		path_advance(path, 400 * CV_HZ);
		expect_fate(path, door, &esp, PASSED);
		expect_audit(path);
	}
}

/* Of another client, or beside port 500, there is no connection that it belongs to. */
static void unrelated(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet esp = from_client(v6, IPPROTO_ESP),
			      ike = from_client(v6, IPPROTO_UDP);

		begin(door, v6, &(struct dest_spec){});
		ike.sport = 4500;
		expect_fate(path, door, &ike, SENT);
		expect_fate(path, door, &esp, PASSED);
		ike.sport = 500;
		expect_fate(path, door, &ike, SENT);
		esp.src = v6 ? "2001:db8::9" : "172.16.0.9";
		expect_fate(path, door, &esp, PASSED);
	}
}

static void masq(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet ike = from_client(v6, IPPROTO_UDP);

		begin(door, v6, &(struct dest_spec){ .masq = true, .port = 500 });
		expect_fate(path, door, &ike, SENT);
		expect_out(door, from_client(v6, IPPROTO_ESP), NULL, server_addr(1, v6));
		expect_out(door, from_server(v6, IPPROTO_ESP), v6 ? VIP6 : VIP, NULL);
		expect_equal("in", (long)path_counters(path, 0).inpkts, 2);
		expect_equal("out", (long)path_counters(path, 0).outpkts, 1);
		expect_audit(path);
	}
}

/* Its server left: as with other packets of a connection. */
static void gone(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		struct packet esp = from_client(false, IPPROTO_ESP),
			      ike = from_client(false, IPPROTO_UDP);
		uint32_t dest = begin((enum door)door, false, &(struct dest_spec){});

		expect_fate(path, (enum door)door, &ike, SENT);
		dest_remove(path, dest);
		expect_fate(path, (enum door)door, &esp, DROPPED);
		path->settings->expire_nodest_conn = 1;
		expect_fate(path, (enum door)door, &esp, PASSED);
		expect_equal("connections", table_count(path, false), 0);
		expect_audit(path);
	}
}

/* What an ICMP error about the packet from `src` to `dst` becomes: the same about one from `to_src` to `to_dst`. */
static void expect_error(enum door door, struct packet about, const char *src, const char *dst,
			 const char *to_src, const char *to_dst)
{
	const struct icmp_error e =
		about.v6 ? (struct icmp_error){ 1, 4, 0 } : (struct icmp_error){ 3, 3, 0 };
	struct frame in, want;
	struct outcome o;
	int at;

	about.src = src;
	about.dst = dst;
	frame_build(&in, &about);
	frame_error(&in, e);
	path_send(path, door, &in, 0, &o);
	about.src = to_src;
	about.dst = to_dst;
	frame_build(&want, &about);
	frame_error(&want, e);
	frame_routed(&want, NULL, NULL);
	expect_equal("sent", o.fate, SENT);
	at = frame_differs(&want, &o.out, 12);
	if (at >= 0)
		fault("the error differs from byte %d on", at);
}

/* ICMP errors, from the client's side and from the server's: there are no ports to rewrite. */
static void errors(void **state)
{
	for (int i = 0; i < 4 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS & 1;
		struct packet about = from_client(v6, i / DOORS < 2 ? IPPROTO_ESP : IPPROTO_AH),
			      ike = from_client(v6, IPPROTO_UDP);
		const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP,
			   *real = server_addr(1, v6);

		if (v6 && about.proto == IPPROTO_AH) /* an extension header to IPVS */
			continue;
		begin(door, v6, &(struct dest_spec){ .masq = true, .port = 500 });
		path->settings->schedule_icmp = 1;
		expect_fate(path, door, &ike, SENT);
		expect_error(door, about, vip, client, real, client);
		expect_error(door, about, client, real, client, vip);
		expect_equal("in", (long)path_counters(path, 0).inpkts, 2);
		expect_equal("out", (long)path_counters(path, 0).outpkts, 1);
		expect_audit(path);

		begin(door, v6, &(struct dest_spec){});
		expect_fate(path, door, &ike, SENT);
		expect_error(door, about, vip, client, vip, client);
		expect_audit(path);
	}
}

/* About one that is of no connection: not even schedule_icmp makes one of it. */
static void errors_unrelated(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		struct packet about = from_server(v6, IPPROTO_ESP);
		struct outcome o;
		struct frame in;

		begin(door, v6, &(struct dest_spec){});
		path->settings->schedule_icmp = 1;
		about.src = v6 ? VIP6 : VIP;
		frame_build(&in, &about);
		frame_error(&in,
			    v6 ? (struct icmp_error){ 1, 4, 0 } : (struct icmp_error){ 3, 3, 0 });
		path_send(path, door, &in, 0, &o);
		expect_equal("passed", o.fate, PASSED);
		expect_equal("connections", table_count(path, v6), 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(direct), cmocka_unit_test(unrelated), cmocka_unit_test(masq),
	cmocka_unit_test(gone),	  cmocka_unit_test(errors),    cmocka_unit_test(errors_unrelated),
};

PACKET_MAIN("ipsec", NULL, tests)
