// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --pe sip: the Call-ID that the kernel finds in a message (ipvs_sip), in both
 * families and through both doors, and the templates that go by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <culvert/record.h>

#include "case.h"
#include "facts.h"

#define INVITE(call) "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: " call "\r\n\r\n"

static struct packet message(bool v6, const char *text, size_t len)
{
	return (struct packet){ .v6 = v6,
				.proto = IPPROTO_UDP,
				.dport = 5060,
				.text = text,
				.payload = (uint16_t)len };
}

/* A service with r1 to r3, rr. */
static uint32_t begin(bool v6, uint32_t flags)
{
	uint32_t service;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .v6 = v6,
							    .proto = IPPROTO_UDP,
							    .port = 5060,
							    .pe = 1,
							    .flags = CV_SVC_PERSISTENT | flags,
							    .timeout = 60 });
	dests_add(path, service, 3);
	return service;
}

/* The Call-IDs of all templates there are: how many; the last one's into `out`. */
static unsigned int calls(bool v6, char out[CV_CALL_MOST + 1])
{
	int map = bpf_object__find_map_fd_by_name(path->obj, "calls");
	struct cv_call_key key;
	unsigned int n = 0;
	struct cv_call call;

	for (int err = bpf_map_get_next_key(map, NULL, &key); !err;
	     err = bpf_map_get_next_key(map, &key, &key)) {
		struct cv_conn_common *c = table_at(path, v6, key.slot);

		assert_int_equal(bpf_map_lookup_elem(map, &key, &call), 0);
		expect_equal("family", key.v6, v6);
		expect_equal("a live template", c->ctl & (CV_CTL_LIVE | CV_CTL_TEMPLATE),
			     CV_CTL_LIVE | CV_CTL_TEMPLATE);
		expect_equal("the same generation", c->ctl & CV_CTL_GEN, call.generation);
		memcpy(out, call.id, sizeof(call.id));
		out[call.len] = '\0';
		n++;
	}
	return n;
}

/* ---- what is found ------------------------------------------------------------------------ */

/* JSON's text is UTF-8, the message ISO 8859-1. */
static size_t narrow(const char *utf8, char *out)
{
	size_t n = 0;

	for (const unsigned char *c = (const unsigned char *)utf8; *c; c += *c < 0x80 ? 1 : 2)
		out[n++] = (char)(*c < 0x80 ? *c : (c[0] & 3) << 6 | (c[1] & 0x3f));
	out[n] = '\0';
	return n;
}

static void find(const json_t *fact, enum door door, bool v6)
{
	const char *wanted = json_string_value(json_object_get(fact, "call_id"));
	char text[4096], call[CV_CALL_MOST + 1] = "", expected[CV_CALL_MOST + 1];
	size_t len = narrow(fact_text(fact, "message"), text);
	struct packet p = message(v6, text, len);
	unsigned int n;

	begin(v6, 0);
	now_playing("%s, IPv%d, %s", door_names[door], v6 ? 6 : 4, text);
	expect_fate(path, door, &p, wanted ? SENT : DROPPED);
	n = calls(v6, call);
	expect_equal("calls", n, wanted ? 1 : 0);
	expect_equal("no call", (long)path_cause(path, CV_C_DROP_NOCALL), wanted ? 0 : 1);
	if (wanted) {
		narrow(wanted, expected);
		assert_string_equal(call, expected);
	}
	expect_audit(path);
}

static void find_all(bool v6)
{
	json_t *facts = facts_load("ipvs_sip"), *fact;
	unsigned int played = 0;
	size_t i;

	json_array_foreach(facts, i, fact) {
		if (!fact_is(fact, "sip"))
			continue;
		played++;
		for (int door = 0; door < DOORS; door++)
			find(fact, (enum door)door, v6);
	}
	assert_true(played > 300);
	json_decref(facts);
}

static void found4(void **state)
{
	find_all(false);
}

static void found6(void **state)
{
	find_all(true);
}

/* ---- what goes by it ----------------------------------------------------------------------- */

static unsigned int sent_to(enum door door, bool v6, const char *client, uint16_t port,
			    const char *text)
{
	struct packet p = message(v6, text, strlen(text));

	p.src = client;
	p.sport = port;
	return server_of(path, door, &p);
}

/* One client's calls go to servers of their own, and each to the same one whatever port it comes from. */
static void per_call(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		const char *client = v6 ? CLIENT6 : CLIENT;
		char last[CV_CALL_MOST + 1];
		unsigned int first;

		begin(v6, 0);
		now_playing("%s, IPv%d", door_names[door], v6 ? 6 : 4);
		first = sent_to(door, v6, client, 1001, INVITE("one@a"));
		expect_equal("another call",
			     sent_to(door, v6, client, 1002, INVITE("two@a")) != first, 1);
		for (uint16_t port = 1003; port < 1010; port++)
			expect_equal("the same call",
				     sent_to(door, v6, client, port, INVITE("one@a")), first);
		/* Of a connection that there is, the Call-ID does not count. */
		expect_equal("same ports", sent_to(door, v6, client, 1001, INVITE("two@a")), first);
		expect_equal("calls", calls(v6, last), 2);
		expect_equal("connections", table_count(path, v6), 2 + 9);
		expect_audit(path);
		/* Templates end with their last connection, and what is listed of them with them. */
		path_advance(path, 400 * CV_HZ);
		path_sweep(path);
		path_advance(path, 100 * CV_HZ);
		path_sweep(path);
		expect_equal("connections", table_count(path, v6), 0);
		expect_equal("calls", calls(v6, last), 0);
	}
}

/* Another client's call is another one, even by the same name: ip_vs_sip_ct_match(). */
static void per_client(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		char last[CV_CALL_MOST + 1];

		begin(false, 0);
		now_playing("%s", door_names[door]);
		sent_to((enum door)door, false, "172.16.1.1", 1001, INVITE("one@a"));
		sent_to((enum door)door, false, "172.16.1.2", 1001, INVITE("one@a"));
		sent_to((enum door)door, false, "172.16.1.1", 1002, INVITE("one@a"));
		expect_equal("calls", calls(false, last), 2);
	}
}

/* With one-packet scheduling every packet is looked at, and only the template stays. */
static void one_packet(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		unsigned int first;

		begin(false, CV_SVC_ONEPACKET);
		now_playing("%s", door_names[door]);
		first = sent_to((enum door)door, false, CLIENT, 1001, INVITE("one@a"));
		expect_equal(
			"another",
			sent_to((enum door)door, false, CLIENT, 1001, INVITE("two@a")) != first, 1);
		expect_equal("the same",
			     sent_to((enum door)door, false, CLIENT, 1001, INVITE("one@a")), first);
		expect_equal("connections", table_count(path, false), 2);
		expect_audit(path);
	}
}

/* Of TCP nothing is ever found, and without persistence nothing is looked for. */
static void not_for(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		struct packet p = { .dport = 5060 };
		uint32_t service;

		path_reset(path);
		now_playing("%s", door_names[door]);
		service = service_add(path, &(struct service_spec){ .port = 5060,
								    .pe = 1,
								    .flags = CV_SVC_PERSISTENT,
								    .timeout = 60 });
		dest_add(path, service, &(struct dest_spec){});
		expect_fate(path, (enum door)door, &p, DROPPED);
		service = service_add(path, &(struct service_spec){
						    .proto = IPPROTO_UDP, .port = 5060, .pe = 1 });
		dest_add(path, service, &(struct dest_spec){});
		p.proto = IPPROTO_UDP;
		expect_fate(path, (enum door)door, &p, SENT);
		expect_audit(path);
	}
}

/* ---- what servers begin -------------------------------------------------------------------- */

/* As begin(), but masquerading to port 5070; the map `reals` as the library keeps it. */
static uint32_t begin_masq(bool v6, uint32_t flags)
{
	int reals = bpf_object__find_map_fd_by_name(path->obj, "reals");
	uint32_t service;

	path_reset(path);
	service = service_add(path, &(struct service_spec){ .v6 = v6,
							    .proto = IPPROTO_UDP,
							    .port = 5060,
							    .pe = 1,
							    .flags = CV_SVC_PERSISTENT | flags,
							    .timeout = 60 });
	for (unsigned int i = 1; i <= 2; i++) {
		uint32_t newest =
			1 +
			dest_add(path, service,
				 &(struct dest_spec){ .number = i, .port = 5070, .masq = true });
		struct cv_real_key key = { .addr = addr_of(server_addr(i, v6), NULL),
					   .port = htons(5070),
					   .proto = IPPROTO_UDP,
					   .family = v6 ? AF_INET6 : AF_INET,
					   .what = CV_REAL_NEWEST };

		assert_int_equal(bpf_map_update_elem(reals, &key, &newest, BPF_ANY), 0);
	}
	path->settings->num_sip = 1;
	return service;
}

static struct packet from_server(bool v6, unsigned int server, uint16_t port, const char *text)
{
	struct packet p = message(v6, text, strlen(text));

	p.src = server_addr(server, v6);
	p.sport = 5070;
	p.dst = v6 ? CLIENT6 : CLIENT;
	p.dport = port;
	return p;
}

/* Leaves as the virtual address's, byte for byte. */
static void expect_begun(enum door door, struct packet p)
{
	struct packet out = p;

	out.src = p.v6 ? VIP6 : VIP;
	out.sport = 5060;
	out.ttl = 63;
	expect_sent(path, door, &p, &out, CLIENT_MAC, UP_MAC);
}

/* A call that a server begins: ip_vs_new_conn_out(). */
static void begun(void **state)
{
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		const char *client = v6 ? CLIENT6 : CLIENT;
		char last[CV_CALL_MOST + 1];
		struct packet p;

		begin_masq(v6, 0);
		now_playing("%s, IPv%d", door_names[door], v6 ? 6 : 4);
		expect_begun(door, from_server(v6, 2, 1001, INVITE("one@r2")));
		expect_equal("calls", calls(v6, last), 1);
		assert_string_equal(last, "one@r2");
		expect_equal("connections", table_count(path, v6), 2);
		expect_equal("conns", (long)path_counters(path, 1).conns, 1);
		expect_equal("out", (long)path_counters(path, 1).outpkts, 1);
		/* What the client answers, by the connection; the call's next messages, by the template. */
		expect_equal("its server", sent_to(door, v6, client, 1001, "200 OK\r\n\r\n"), 2);
		for (uint16_t port = 1002; port < 1006; port++)
			expect_equal("its server",
				     sent_to(door, v6, client, port, INVITE("one@r2")), 2);
		expect_begun(door, from_server(v6, 2, 1001, "BYE\r\n\r\n"));
		/* Another server goes on with the call. */
		expect_begun(door, from_server(v6, 1, 1007, INVITE("one@r2")));
		expect_equal("its server", sent_to(door, v6, client, 1008, INVITE("one@r2")), 1);
		/* No Call-ID; not a server's port; for the director itself; no hop left. */
		p = from_server(v6, 1, 1010, "nothing");
		expect_fate(path, door, &p, PASSED);
		p = from_server(v6, 1, 1011, INVITE("two@r1"));
		p.sport = 5071;
		expect_fate(path, door, &p, PASSED);
		p = from_server(v6, 1, 1012, INVITE("two@r1"));
		p.ttl = 1;
		expect_fate(path, door, &p, PASSED);
		/* Only a service's own server. */
		dest_remove(path, 0);
		p = from_server(v6, 1, 1013, INVITE("two@r1"));
		expect_fate(path, door, &p, PASSED);
		path->svcs[0].pe = 0;
		p = from_server(v6, 2, 1014, INVITE("two@r2"));
		expect_fate(path, door, &p, PASSED);
		expect_audit(path);
	}
}

/* With one-packet scheduling answers leave so, too, and nothing but the template stays. */
static void begun_once(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		begin_masq(false, CV_SVC_ONEPACKET);
		now_playing("%s", door_names[door]);
		expect_begun((enum door)door, from_server(false, 1, 1001, INVITE("one@r1")));
		expect_begun((enum door)door, from_server(false, 1, 1001, INVITE("one@r1")));
		expect_equal("connections", table_count(path, false), 1);
		expect_audit(path);
	}
}

/* ---- beside others --------------------------------------------------------------------------- */

/* A template that is brought along (culvert restore) is no call's, whatever came to this CPU before. */
static void adopted(void **state)
{
	int adopt = bpf_program__fd(bpf_object__find_program_by_name(path->obj, "ctl_adopt"));

	path_stay_here();
	for (int i = 0; i < 2 * DOORS; i++) {
		enum door door = (enum door)(i % DOORS);
		bool v6 = i / DOORS;
		const struct packet syn = { .v6 = v6 };
		struct frame f = { .len = ETH_LEN + sizeof(struct cv_conn_record) }, out;
		struct cv_conn_record r = { .caddr = addr_of(v6 ? CLIENT6 : CLIENT, NULL),
					    .vaddr = addr_of(v6 ? VIP6 : VIP, NULL),
					    .vport = htons(80),
					    .dport = htons(80),
					    .proto = IPPROTO_TCP,
					    .flags = v6 ? CV_RECORD_IPV6 : 0,
					    .ctl = CV_CTL_TEMPLATE,
					    .timeout = 60 * CV_HZ,
					    .left = 60 * CV_HZ };
		uint32_t service;

		begin(v6, 0);
		now_playing("%s, IPv%d", door_names[door], v6 ? 6 : 4);
		sent_to(door, v6, v6 ? CLIENT6 : CLIENT, 1001, INVITE("one@a"));
		service = service_add(path, &(struct service_spec){ .v6 = v6,
								    .flags = CV_SVC_PERSISTENT,
								    .timeout = 60 });
		r.dest = dests_add(path, service, 3) + 1;
		memcpy(f.data + ETH_LEN, &r, sizeof(r));
		expect_equal("adopted", path_run_skb(path, adopt, &f, &out, 0), CV_ADOPTED);
		expect_equal("its server", server_of(path, door, &syn), 2);
		expect_equal("connections", table_count(path, v6), 4);
		expect_audit(path);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(found4),     cmocka_unit_test(found6),	    cmocka_unit_test(per_call),
	cmocka_unit_test(per_client), cmocka_unit_test(one_packet), cmocka_unit_test(not_for),
	cmocka_unit_test(begun),      cmocka_unit_test(begun_once), cmocka_unit_test(adopted),
};

PACKET_MAIN("sip", NULL, tests)
