// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who knows the source does not know the key. Packets that all fall into one set
 * under one key, found by trying, are spread under any other; and packets made
 * so that they collide under a weaker hash (the same low bits, the same high
 * bits, sums and differences that cancel) are spread under every key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "case.h"

#define SETS 256
#define SLOTS (SETS * CV_WAYS)
#define MANY 512 /* a quarter of the table: spread, they all find room */
#define KEYS 6

static struct frame base[2];

struct client {
	uint32_t addr;
	uint16_t port;
};

static int send_client(struct path *p, bool v6, const struct client *c)
{
	uint8_t *ip = base[v6].data + ETH_LEN;
	uint32_t addr = __builtin_bswap32(c->addr);
	uint16_t port = __builtin_bswap16(c->port);

	memcpy(ip + (v6 ? 20 : 12), &addr, 4);
	memcpy(ip + (v6 ? 40 : 20), &port, 2);
	return path_run_xdp(p, &base[v6], NULL, 1, NULL);
}

static void begin(struct path *p)
{
	path_reset(p);
	for (int v6 = 0; v6 < 2; v6++) {
		simple_service(p, v6, IPPROTO_TCP);
		frame_build(&base[v6], &(struct packet){ .v6 = v6,
							 .flags = ACK,
							 .src = v6 ? "2001:db8::" : "10.0.0.2" });
	}
	p->settings->sloppy_tcp = 1; /* established at once: nothing gives way to them */
}

/* How many of the clients found room. */
static uint32_t sent(struct path *p, bool v6, const struct client *c, uint32_t n)
{
	begin(p);
	for (uint32_t i = 0; i < n; i++)
		send_client(p, v6, &c[i]);
	return table_count(p, v6);
}

/* The most connections that a set holds. */
static uint32_t fullest(const struct path *p, bool v6)
{
	uint32_t most = 0;

	for (uint32_t set = 0; set < SETS; set++) {
		uint32_t n = 0;

		for (uint32_t way = 0; way < CV_WAYS; way++)
			n += !!(table_at(p, v6, set * CV_WAYS + way)->ctl & CV_CTL_LIVE);
		most = n > most ? n : most;
	}
	return most;
}

static struct client random_client(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (struct client){ 0x20000000 | (uint32_t)(*state >> 36), (uint16_t)(*state >> 16) };
}

/* Clients whose home is set 0 under the key of p: each alone in an empty table shows where it stands. */
static void find_colliding(struct path *p, bool v6, struct client *out, uint32_t n)
{
	uint64_t state = 7;

	begin(p);
	for (uint32_t found = 0; found < n;) {
		struct client c = random_client(&state);

		send_client(p, v6, &c);
		for (uint32_t way = 0; way < CV_WAYS; way++) {
			if (*table_tag(p, v6, way) && found < n) {
				out[found++] = c;
				break;
			}
		}
		memset(p->tags[v6], 0, SETS * sizeof(struct cv_tags));
		memset(p->conns[v6], 0,
		       SLOTS * (v6 ? sizeof(struct cv_conn6) : sizeof(struct cv_conn4)));
	}
	memset(p->dests, 0, p->geo.max_dests * sizeof(*p->dests));
}

static void another_key(uint64_t state)
{
	struct sizes sizes = { .sets = SETS, .key = { 0 } };

	for (int i = 0; i < 4; i++) {
		random_client(&state);
		sizes.key[i] = state * 0x9e3779b97f4a7c15ULL | (i != 2);
		state = state * 6364136223846793005ULL + 1;
	}
	if (path)
		path_free(path);
	path = path_load(&sizes);
}

#define COLLIDING 64

/* Under the key that it was aimed at, an attack fills the set (and what second choices leave); under others none. */
static void aimed_at_a_key(void **state)
{
	struct client aimed[2][COLLIDING];

	another_key(1);
	for (int v6 = 0; v6 < 2; v6++) {
		find_colliding(path, v6, aimed[v6], COLLIDING);
		sent(path, v6, aimed[v6], COLLIDING);
		assert_in_range(fullest(path, v6), CV_WAYS - 3,
				CV_WAYS); /* four places are left for second choices */
	}
	for (uint64_t key = 2; key < 2 + KEYS; key++) {
		another_key(key * 0x1234567);
		for (int v6 = 0; v6 < 2; v6++) {
			now_playing("key %lu, IPv%d", (unsigned long)key, v6 ? 6 : 4);
			expect_equal("sent", sent(path, v6, aimed[v6], COLLIDING), COLLIDING);
			assert_in_range(fullest(path, v6), 1, 4);
		}
	}
}

/* Shapes that weak hashes fold onto themselves. */
static struct client shaped(unsigned int shape, uint32_t n)
{
	switch (shape) {
	case 0: /* the low bits are the same */
		return (struct client){ 0x20000001 + (n << 16), 1024 };
	case 1: /* only the port's high byte differs, and the address's */
		return (struct client){ 0x20000000 + (n / 64 << 24), (uint16_t)(n % 64 << 10) };
	case 2: /* sums of address and port are equal */
		return (struct client){ 0x21000000 + n, (uint16_t)(30000 - n) };
	case 3: /* their exclusive or is */
		return (struct client){ 0x22000000 ^ n, (uint16_t)(n ^ 0x5555) };
	case 4: /* steps of a Fibonacci hash */
		return (struct client){ 0x20000000 | n * 0x9e3779b1U >> 3, 4000 };
	default: /* powers of two, in pairs */
		return (struct client){ 0x24000000 ^ 1U << n % 24 ^ 1U << n / 24 % 24,
					(uint16_t)(1024 + n / 576) };
	}
}

static void aimed_at_any_key(void **state)
{
	static struct client c[MANY];

	for (uint64_t key = 2; key < 2 + KEYS / 2; key++) {
		another_key(key * 0x7654321);
		for (unsigned int i = 0; i < 2 * 6; i++) {
			for (uint32_t n = 0; n < MANY; n++)
				c[n] = shaped(i / 2, n);
			now_playing("key %lu, shape %u, IPv%d", (unsigned long)key, i / 2,
				    i % 2 ? 6 : 4);
			if (i / 2 == 5) /* pairs of powers of two come twice */
				sent(path, i % 2, c, MANY);
			else
				expect_equal("connections", sent(path, i % 2, c, MANY), MANY);
			expect_equal("dropped", (long)path_cause(path, CV_C_DROP_FULL), 0);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(aimed_at_a_key),
	cmocka_unit_test(aimed_at_any_key),
};

int main(void)
{
	return cmocka_run_group_tests_name("collide", tests, NULL, NULL);
}
