// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table at the size it is sold for: how many of --max-conns connections find
 * room, for several shapes of traffic, and what gives way when it is full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "case.h"

/* What is found is the same at every size; the long test has as many as the largest bench. */
static bool long_test(void)
{
	return getenv("CULVERT_LONG");
}

#define CONNS (long_test() ? 1U << 20 : 1U << 16)

/* ---- traffic ------------------------------------------------------------------------- */

/* The n-th client of a shape: its address and port, written straight into a built frame. */
struct shape {
	const char *what;
	bool v6;
	void (*client)(uint32_t n, uint32_t *addr, uint16_t *port);
};

static void random_clients(uint32_t n, uint32_t *addr, uint16_t *port)
{
	uint64_t x = n * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	*addr = 0x20000000 | ((uint32_t)x & 0x1fffffff);
	*port = (uint16_t)(1024 + n * 5 % 64512); /* 20 would be FTP's, which opens nothing */
}

/* A few NAT gateways, each with all of its ports. */
static void gateways(uint32_t n, uint32_t *addr, uint16_t *port)
{
	*addr = 0x64400000 + n / 64512;
	*port = (uint16_t)(1024 + n % 64512);
}

/* A network whose every address has the same port. */
static void one_port(uint32_t n, uint32_t *addr, uint16_t *port)
{
	*addr = 0x0b000000 + n;
	*port = 32768;
}

/* Ports that step by two in addresses that step by 256: what some stacks and CGNATs do. */
static void strides(uint32_t n, uint32_t *addr, uint16_t *port)
{
	*addr = 0x0c000001 + (n / 1024) * 256;
	*port = (uint16_t)(1024 + n % 1024 * 2);
}

static const struct shape shapes[] = {
	{ "random clients", false, random_clients },
	{ "gateways with all their ports", false, gateways },
	{ "one port of every address", false, one_port },
	{ "strides of two and 256", false, strides },
	{ "IPv6, random", true, random_clients },
	{ "IPv6, one port of every address", true, one_port },
};

static struct frame base;

static void begin(const struct shape *s)
{
	path_reset(path);
	simple_service(path, s->v6, IPPROTO_TCP);
	frame_build(&base,
		    &(struct packet){ .v6 = s->v6, .src = s->v6 ? "2001:db8::" : "10.0.0.2" });
}

/* Checksums are nobody's business here. */
static int send_client(const struct shape *s, uint32_t n, uint8_t flags)
{
	uint8_t *ip = base.data + ETH_LEN, *tcp = ip + (s->v6 ? 40 : 20);
	uint32_t addr;
	uint16_t port;

	s->client(n, &addr, &port);
	addr = __builtin_bswap32(addr);
	port = __builtin_bswap16(port);
	memcpy(ip + (s->v6 ? 20 : 12), &addr, 4);
	memcpy(tcp, &port, 2);
	tcp[13] = flags;
	return path_run_xdp(path, &base, NULL, 1, NULL);
}

/* ---- filling ---------------------------------------------------------------------------- */

static uint64_t cause(enum cv_cause c)
{
	return path_cause(path, c);
}

/* sloppy_tcp takes a connection that is established already: one packet each. */
static void establish(const struct shape *s, uint32_t from, uint32_t to)
{
	path->settings->sloppy_tcp = 1;
	for (uint32_t n = from; n < to; n++)
		send_client(s, n, ACK);
	path->settings->sloppy_tcp = 0;
}

static uint32_t count_established(bool v6)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < table_slots(path, v6); slot++) {
		uint32_t ctl = table_at(path, v6, slot)->ctl;

		n += ctl & CV_CTL_LIVE && (ctl & CV_CTL_STATE) == CV_TCP_ESTABLISHED;
	}
	return n;
}

/*
 * As many connections as were asked for find room but for one in a thousand, whatever
 * the traffic looks like. (Two choices of 8, four fifths full, the first kept while
 * it has four places to spare: 0.06 % by simulation with a perfect hash.)
 */
static void fill(void **state)
{
	uint32_t conns = CONNS;

	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i += long_test() ? 2 : 1) {
		uint64_t lost;

		begin(&shapes[i]);
		establish(&shapes[i], 0, conns);
		lost = cause(CV_C_DROP_FULL) + cause(CV_C_CONN_EVICTED);
		print_message("%s: %lu of %u found no room\n", shapes[i].what, (unsigned long)lost,
			      conns);
		now_playing("%s", shapes[i].what);
		expect_equal("connections", table_count(path, shapes[i].v6),
			     (long)cause(CV_C_CONN_NEW));
		if (lost > conns / 1000)
			fault("%lu of %u found no room", (unsigned long)lost, conns);
		expect_audit(path);
	}
}

/* ---- a flood of SYNs ---------------------------------------------------------------------- */

/*
 * A table with `established` connections, then `conns` SYNs that nobody answers:
 * how many of the established ones are lost.
 */
static uint32_t flood(uint32_t established, uint32_t idle_ticks)
{
	uint32_t before, lost;

	begin(&shapes[0]);
	establish(&shapes[0], 0, established);
	before = count_established(false);
	path_advance(path, idle_ticks);
	for (uint32_t n = 0; n < CONNS; n++)
		send_client(&shapes[1], n, SYN);
	lost = before - count_established(false);
	print_message(
		"idle for %u s: %u of %u established connections lost, %lu of %u SYNs dropped\n",
		idle_ticks / CV_HZ, lost, before, (unsigned long)cause(CV_C_DROP_FULL), CONNS);
	figure("attacks.syns", CONNS,
	       "SYNs that flood tables full or half full of established connections");
	figure("attacks.lost", lost, "of the established connections lost");
	expect_audit(path);
	return lost;
}

/* Established connections all live, however full it is and however long they were silent. */
static void flood_full(void **state)
{
	assert_int_equal(flood(CONNS, 0), 0);
	assert_int_equal(flood(CONNS, 800 * CV_HZ), 0);
}

static void flood_half_full(void **state)
{
	assert_int_equal(flood(CONNS / 2, 600 * CV_HZ), 0);
}

/* In the midst of a flood, new connections that are answered succeed, and stay. */
static void flood_and_newcomers(void **state)
{
	uint32_t flooding = 2 * CONNS, before, arrived = 0, lost = 0;

	begin(&shapes[0]);
	establish(&shapes[0], 0, CONNS / 2);
	before = count_established(false);
	for (uint32_t n = 0; n < flooding; n++) {
		send_client(&shapes[1], n, SYN);
		if (n % 8)
			continue;
		arrived++;
		send_client(&shapes[2], n / 8, SYN);
		lost += send_client(&shapes[2], n / 8, ACK) != XDP_REDIRECT;
		if (n % (flooding / 2048) == 0) /* 32 s in all */
			path_advance(path, 1);
	}
	print_message("%u of %u newcomers were lost\n", lost, arrived);
	assert_in_range(lost, 0, arrived / 1000);
	assert_int_equal(count_established(false), before + arrived - lost);
	expect_audit(path);
}

/* One address, every port of it: what it opens without end costs others nothing. */
static void one_port_after_another(uint32_t n, uint32_t *addr, uint16_t *port)
{
	*addr = 0x0d000001;
	*port = (uint16_t)n;
}

/*
 * One client opens connections without end, and establishes them: others are
 * established all the while, and newcomers succeed, as if it were not there.
 */
static void one_client_without_end(void **state)
{
	static const struct shape greedy = { "one client", false, one_port_after_another };
	uint32_t before, lost = 0, arrived = CONNS / 16;

	begin(&shapes[0]);
	establish(&shapes[0], 0, CONNS / 4);
	before = count_established(false);
	for (uint32_t n = 0; n < 1U << 16; n++) { /* it has no more ports than that */
		send_client(&greedy, n, SYN);
		if (n < CONNS / 4) /* as many of the default table's; the others stay half open */
			send_client(&greedy, n, ACK);
	}
	for (uint32_t n = 0; n < arrived; n++) {
		send_client(&shapes[2], n, SYN);
		lost += send_client(&shapes[2], n, ACK) != XDP_REDIRECT;
	}
	print_message("%u of %u newcomers were lost to one client\n", lost, arrived);
	expect_equal("established before", before, CONNS / 4);
	assert_in_range(lost, 0, arrived / 1000);
	assert_in_range(count_established(false), before + arrived - lost,
			before + arrived + CONNS / 4);
	expect_audit(path);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(fill),
	cmocka_unit_test(flood_full),
	cmocka_unit_test(flood_half_full),
	cmocka_unit_test(flood_and_newcomers),
	cmocka_unit_test(one_client_without_end),
};

int main(int argc, char **argv)
{
	struct sizes sizes = { .max_conns = CONNS };

	return packet_main(argc, argv, &sizes, "fill", tests, sizeof(tests) / sizeof(tests[0]));
}
