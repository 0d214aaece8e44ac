// SPDX-License-Identifier: GPL-2.0-or-later
/* What is a packet of a service, and what passes untouched because it is none. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>

#include "case.h"

static void web_service(struct path *p)
{
	simple_service(p, false, IPPROTO_TCP);
	simple_service(p, false, IPPROTO_UDP);
	simple_service(p, true, IPPROTO_TCP);
	simple_service(p, true, IPPROTO_UDP);
}

#define SEND(text, ...)                                                                       \
	{                                                                                     \
		.what = text, .in = __VA_ARGS__, .fate = SENT, .cause = CV_C_SENT, .conns = 1 \
	}
#define PASS(text, why, ...)                                                  \
	{                                                                     \
		.what = text, .in = __VA_ARGS__, .fate = PASSED, .cause = why \
	}

/* ---- well-formed, for a service ---------------------------------------------------- */

static const struct packet_case ours[] = {
	SEND("TCP SYN", {}),
	SEND("TCP SYN, don't fragment", { .df = true }),
	SEND("UDP", { .proto = IPPROTO_UDP, .payload = 4 }),
	SEND("UDP, empty", { .proto = IPPROTO_UDP }),
	SEND("TCP SYN with data", { .payload = 1000 }),
	SEND("an odd number of bytes", { .payload = 7 }),
	SEND("traffic class", { .tos = 0xb9 }),
	SEND("padded by Ethernet", { .pad = 6 }),
	SEND("the longest padding", { .proto = IPPROTO_UDP, .pad = 18 }),
	SEND("one word of options", { .options = 1 }),
	SEND("ten words of options", { .options = 10 }),
	SEND("options, UDP", { .options = 10, .proto = IPPROTO_UDP, .payload = 3 }),
	SEND("from far away", { .src = "172.16.33.44", .sport = 1 }),
	SEND("largest port", { .sport = 65535 }),
	SEND("TTL 2", { .ttl = 2 }),
	SEND("TTL 255", { .ttl = 255 }),
	SEND("IPv6 TCP SYN", { .v6 = true }),
	SEND("IPv6 UDP", { .v6 = true, .proto = IPPROTO_UDP, .payload = 5 }),
	SEND("IPv6 traffic class", { .v6 = true, .tos = 0xb9 }),
	SEND("IPv6 hop limit 2", { .v6 = true, .ttl = 2 }),
	SEND("IPv6 padded", { .v6 = true, .proto = IPPROTO_UDP, .pad = 9 }),
	SEND("IPv6 hop-by-hop options", { .v6 = true, .ext = "H" }),
	SEND("IPv6 destination options", { .v6 = true, .ext = "D" }),
	SEND("IPv6 routing header", { .v6 = true, .ext = "R" }),
	SEND("IPv6 three extension headers", { .v6 = true, .ext = "HRD" }),
	SEND("IPv6 long destination options", { .v6 = true, .ext = "L" }),
};

static void sent(void **state)
{
	cases_play(path, web_service, CASES(ours));
}

/* ---- other traffic ------------------------------------------------------------------ */

static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 0x99 };

static const struct packet_case others[] = {
	PASS("another address", CV_C_PASS_NOSERVICE, { .dst = "10.0.0.1" }),
	PASS("another port", CV_C_PASS_NOSERVICE, { .dport = 81 }),
	PASS("the virtual address as a source", CV_C_PASS_NOSERVICE,
	     { .src = VIP, .dst = CLIENT, .sport = 80 }),
	PASS("UDP to a TCP port", CV_C_PASS_NOSERVICE, { .proto = IPPROTO_UDP, .dport = 8080 }),
	PASS("ICMP", CV_C_PASS_OTHER, { .proto = IPPROTO_ICMP }),
	PASS("IGMP", CV_C_PASS_OTHER, { .proto = IPPROTO_IGMP }),
	PASS("ESP", CV_C_PASS_OTHER, { .proto = IPPROTO_ESP }),
	PASS("a protocol that does not exist", CV_C_PASS_OTHER, { .proto = 253 }),
	PASS("ICMPv6", CV_C_PASS_OTHER, { .v6 = true, .proto = IPPROTO_ICMPV6 }),
	PASS("IPv6, another address", CV_C_PASS_NOSERVICE, { .v6 = true, .dst = "fd00::1" }),
	PASS("IPv6, another port", CV_C_PASS_NOSERVICE, { .v6 = true, .dport = 81 }),
	PASS("IPv6 no next header", CV_C_PASS_OTHER, { .v6 = true, .ext = "N" }),
	PASS("a VLAN tag in the frame", CV_C_PASS_OTHER, { .vlan = 5 }),
	PASS("a VLAN tag, IPv6", CV_C_PASS_OTHER, { .v6 = true, .vlan = 5 }),
	PASS("a priority tag", CV_C_PASS_OTHER, { .vlan = 0x6000 }),
	PASS("TCP without SYN", CV_C_PASS_NOTSYN, { .flags = ACK }),
	PASS("TCP RST", CV_C_PASS_NOTSYN, { .flags = RST }),
	PASS("TCP FIN", CV_C_PASS_NOTSYN, { .flags = FIN | ACK }),
	PASS("TCP without flags", CV_C_PASS_NOTSYN, { .no_flags = true }),
	PASS("IPv6 TCP without SYN", CV_C_PASS_NOTSYN, { .v6 = true, .flags = ACK }),
};

static void passed(void **state)
{
	cases_play(path, web_service, CASES(others));
}

/* Frames for other stations on the wire are not even counted: they are not for this host. */
static void for_others(void **state)
{
	static const struct packet in[] = { { .dmac = other_mac },
					    { .v6 = true, .dmac = other_mac } };
	struct outcome o;
	struct frame f;

	for (unsigned int i = 0; i < 2 * DOORS; i++) {
		path_reset(path);
		web_service(path);
		frame_build(&f, &in[i / DOORS]);
		path_send(path, (enum door)(i % DOORS), &f, 0, &o);
		assert_int_equal(o.fate, PASSED);
		assert_int_equal(frame_differs(&f, &o.out, 0), -1);
		assert_int_equal(table_count(path, false) + table_count(path, true), 0);
	}
}

/* ---- malformed ------------------------------------------------------------------------ */

/* IPv4: 0 version and length, 2-3 total length. IPv6: 0 version, 4-5 payload length, 6 next header. */
static const struct packet_case malformed[] = {
	PASS("IPv4 in name only", CV_C_PASS_MALFORMED, { .patch = { { 0, 0x65 } } }),
	PASS("IPv4 header of 16 bytes", CV_C_PASS_MALFORMED, { .patch = { { 0, 0x44 } } }),
	PASS("IPv4 header longer than the packet", CV_C_PASS_MALFORMED,
	     { .patch = { { 0, 0x4f } } }),
	PASS("IPv4 total length over the frame's", CV_C_PASS_MALFORMED, { .patch = { { 3, 41 } } }),
	PASS("IPv4 total length far over the frame's", CV_C_PASS_MALFORMED,
	     { .patch = { { 2, 0xff } } }),
	PASS("IPv4 total length 0", CV_C_PASS_MALFORMED,
	     { .patch = { { 3, 0 }, { 2, 0 } }, .pad = 1 }),
	PASS("IPv4 total length under its header's", CV_C_PASS_MALFORMED,
	     { .patch = { { 3, 19 } } }),
	PASS("TCP header not within the packet, but padding behind it", CV_C_PASS_MALFORMED,
	     { .patch = { { 3, 39 } } }),
	PASS("TCP header of 8 bytes, padding behind it", CV_C_PASS_MALFORMED,
	     { .patch = { { 3, 28 } } }),
	PASS("UDP header of 4 bytes, padding behind it", CV_C_PASS_MALFORMED,
	     { .proto = IPPROTO_UDP, .patch = { { 3, 24 } }, .pad = 4 }),
	PASS("options over the total length", CV_C_PASS_MALFORMED,
	     { .options = 2, .patch = { { 3, 27 } } }),
	PASS("options, TCP header not within the packet", CV_C_PASS_MALFORMED,
	     { .options = 2, .patch = { { 3, 47 } } }),
	PASS("IPv6 in name only", CV_C_PASS_MALFORMED, { .v6 = true, .patch = { { 0, 0x45 } } }),
	PASS("IPv6 payload length over the frame's", CV_C_PASS_MALFORMED,
	     { .v6 = true, .patch = { { 5, 21 } } }),
	PASS("IPv6 payload length 0", CV_C_PASS_MALFORMED,
	     { .v6 = true, .patch = { { 5, 0 }, { 4, 0 } }, .pad = 1 }),
	PASS("IPv6 TCP header not within the packet", CV_C_PASS_MALFORMED,
	     { .v6 = true, .patch = { { 5, 19 } } }),
	PASS("IPv6 UDP header not within the packet", CV_C_PASS_MALFORMED,
	     { .v6 = true, .proto = IPPROTO_UDP, .patch = { { 5, 7 } } }),
	PASS("IPv6 extension header over the packet's end", CV_C_PASS_MALFORMED,
	     { .v6 = true, .ext = "H", .patch = { { 41, 0xff } } }),
	PASS("IPv6 extension headers, TCP header not within the packet", CV_C_PASS_MALFORMED,
	     { .v6 = true, .ext = "H", .patch = { { 5, 27 } } }),
};

/* Sources that no single host has: the stack drops those packets, and culvert leaves them to it. */
static const struct packet_case martians[] = {
	PASS("from multicast", CV_C_PASS_MALFORMED, { .src = "224.0.0.5" }),
	PASS("from the end of multicast", CV_C_PASS_MALFORMED, { .src = "239.255.255.255" }),
	PASS("from the broadcast address", CV_C_PASS_MALFORMED, { .src = "255.255.255.255" }),
	PASS("from nowhere", CV_C_PASS_MALFORMED, { .src = "0.0.0.0" }),
	PASS("from this network", CV_C_PASS_MALFORMED, { .src = "0.1.2.3" }),
	PASS("from loopback", CV_C_PASS_MALFORMED, { .src = "127.0.0.1" }),
	PASS("from loopback, UDP", CV_C_PASS_MALFORMED,
	     { .src = "127.9.9.9", .proto = IPPROTO_UDP }),
	PASS("from IPv6 multicast", CV_C_PASS_MALFORMED, { .v6 = true, .src = "ff02::5" }),
	PASS("from ::", CV_C_PASS_MALFORMED, { .v6 = true, .src = "::" }),
	PASS("from ::1", CV_C_PASS_MALFORMED, { .v6 = true, .src = "::1" }),
	SEND("from the last unicast address", { .src = "223.255.255.255" }),
	SEND("from the first unicast address", { .src = "1.0.0.0" }),
	SEND("from class E, where networks grow", { .src = "240.0.0.0" }),
	SEND("from the end of class E", { .src = "255.255.255.254" }),
	SEND("from next to loopback", { .src = "128.0.0.1" }),
	SEND("from ::2", { .v6 = true, .src = "::2" }),
	SEND("from 0:1::", { .v6 = true, .src = "0:1::" }),
};

static void passed_martians(void **state)
{
	cases_play(path, web_service, CASES(martians));
}

static void passed_malformed(void **state)
{
	cases_play(path, web_service, CASES(malformed));
}

/* The same, but of connections that are established, which XDP sends by a shorter way. */
static void established(struct path *p)
{
	static const struct packet open[] = {
		{},
		{ .flags = ACK },
		{ .proto = IPPROTO_UDP },
		{ .v6 = true },
		{ .v6 = true, .flags = ACK },
		{ .v6 = true, .proto = IPPROTO_UDP },
	};

	web_service(p);
	for (unsigned int i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		expect_fate(p, XDP_DOOR, &open[i], SENT);
}

static void of_connections(const struct packet_case *cases, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct packet_case c = cases[i];

		if (c.cause == CV_C_PASS_NOTSYN || c.in.src || c.in.sport)
			continue;
		c.conns = 0;
		if (!c.in.no_flags && !c.in.flags)
			c.in.flags = ACK;
		cases_play(path, established, &c, 1);
	}
}

static void established_sent(void **state)
{
	of_connections(CASES(ours));
}

/* tc's straight way: the server's MAC addresses are there when the program is through. */
static void established_by_tc(void **state)
{
	static const struct packet live[] = {
		{ .flags = ACK },
		{ .proto = IPPROTO_UDP, .payload = 12 },
		{ .v6 = true, .flags = ACK },
		{ .v6 = true, .proto = IPPROTO_UDP, .payload = 12 },
	};

	for (unsigned int i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
		struct frame in, out;
		uint8_t mac[6];

		path_reset(path);
		established(path);
		frame_build(&in, &live[i]);
		server_mac(1, mac);
		assert_int_equal(path_run_tc(path, &in, &out, 0, 1, NULL), TC_ACT_REDIRECT);
		assert_memory_equal(out.data, mac, 6);
		assert_memory_equal(out.data + 6, REAL_MAC, 6);
		/* One of several packets in one buffer goes the way that looks at them. */
		assert_int_equal(path_run_tc_gso(path, &in, &out, 2, 100), TC_ACT_REDIRECT);
		assert_memory_equal(out.data, in.data, 12);
	}
}

static void established_passed(void **state)
{
	of_connections(CASES(malformed));
}

/*
 * Whatever a frame is cut to, it passes as it is. (BPF_PROG_TEST_RUN gives tc
 * none without a whole IP header.)
 */
static void check_cut(struct frame *f, bool v6)
{
	uint32_t whole = ETH_LEN + (v6 ? 40 : 20);
	struct frame out;

	assert_int_equal(path_run_xdp(path, f, &out, 1, NULL), XDP_PASS);
	assert_int_equal(frame_differs(f, &out, 0), -1);
	if (f->len < whole)
		return;
	assert_int_equal(path_run_tc(path, f, &out, 0, 1, NULL), TC_ACT_UNSPEC);
	assert_int_equal(frame_differs(f, &out, 0), -1);
}

static void passed_cut(void **state)
{
	static const struct packet whole[] = {
		{ .payload = 3 },
		{ .proto = IPPROTO_UDP, .payload = 3 },
		{ .options = 10 },
		{ .v6 = true, .payload = 3 },
		{ .v6 = true, .proto = IPPROTO_UDP, .payload = 3 },
		{ .v6 = true, .ext = "HRL" },
	};

	path_reset(path);
	web_service(path);
	for (unsigned int i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		struct frame f;

		for (frame_build(&f, &whole[i]); --f.len >= ETH_LEN;)
			check_cut(&f, whole[i].v6);
	}
	assert_int_equal(table_count(path, false) + table_count(path, true), 0);
}

/* The one header checksum whose change by a hop carries over: 0xfeff becomes 0. */
static void checksum_carries(void **state)
{
	char src[32];
	struct packet_case c = { .what = "checksum 0xfeff",
				 .in = { .src = src },
				 .fate = SENT,
				 .cause = CV_C_SENT,
				 .conns = 1 };
	unsigned int found = 0;
	struct frame f;

	for (unsigned int i = 0; i < 65536 && !found; i++) {
		snprintf(src, sizeof(src), "10.77.%u.%u", i >> 8, i & 255);
		frame_build(&f, &c.in);
		if (f.data[ETH_LEN + 10] != 0xfe || f.data[ETH_LEN + 11] != 0xff)
			continue;
		found++;
		cases_play(path, web_service, &c, 1);
	}
	assert_int_equal(found, 1);
}

/* ---- nothing to do ---------------------------------------------------------------------- */

/* Without any service, nothing is looked at or counted. */
static void no_service_at_all(void **state)
{
	struct outcome o;
	struct frame f;

	path_reset(path);
	frame_build(&f, &(struct packet){});
	for (int door = 0; door < DOORS; door++) {
		path_send(path, (enum door)door, &f, 0, &o);
		assert_int_equal(o.fate, PASSED);
		assert_int_equal(frame_differs(&f, &o.out, 0), -1);
	}
	for (unsigned int i = 0; i < CV_C_COUNT; i++)
		assert_int_equal(path_cause(path, (enum cv_cause)i), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sent),
	cmocka_unit_test(passed),
	cmocka_unit_test(for_others),
	cmocka_unit_test(passed_malformed),
	cmocka_unit_test(passed_martians),
	cmocka_unit_test(established_sent),
	cmocka_unit_test(established_by_tc),
	cmocka_unit_test(established_passed),
	cmocka_unit_test(checksum_carries),
	cmocka_unit_test(passed_cut),
	cmocka_unit_test(no_service_at_all),
};

PACKET_MAIN("parse", NULL, tests)
