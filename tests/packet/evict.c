// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of one set: what gives way to a new connection, in which order, and
 * what never does; slots that are used again and again.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "case.h"

static struct packet numbered(uint16_t n, uint8_t flags)
{
	return (struct packet){ .sport = 1000 + n, .flags = flags };
}

static bool lives(uint16_t n)
{
	const struct packet p = numbered(n, 0);

	return table_find(path, &p) != NULL;
}

static enum fate say(uint16_t n, uint8_t flags)
{
	const struct packet p = numbered(n, flags);
	struct outcome o;
	struct frame f;

	frame_build(&f, &p);
	path_send(path, XDP_DOOR, &f, 0, &o);
	return o.fate;
}

/* ---- which one goes ------------------------------------------------------------------- */

/* Connection n into a state, by packets; the states in the order in which they give way. */
struct stage {
	const char *state;
	uint8_t flags[3];
};

static const struct stage stages[] = {
	{ "SYN_RECV", { SYN } },
	{ "CLOSE", { SYN, ACK, RST } },
	{ "TIME_WAIT", { SYN, FIN | ACK } },
	{ "FIN_WAIT", { SYN, ACK, FIN | ACK } },
	{ "ESTABLISHED", { SYN, ACK } },
};
#define STAGES (sizeof(stages) / sizeof(stages[0]))

static void reach(uint16_t n, const struct stage *s)
{
	for (unsigned int i = 0; i < 3 && s->flags[i]; i++)
		assert_int_equal(say(n, s->flags[i]), SENT);
}

/* Connection 0 in one state, the seven others in one that is worth more: 0 goes, wherever it is. */
static void check_pair(const struct stage *less, const struct stage *more, uint16_t where)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	now_playing("%s before %s", less->state, more->state);
	reach(where, less);
	for (uint16_t n = 0; n < CV_WAYS; n++) {
		if (n != where)
			reach(n, more);
	}
	expect_equal("newcomer sent", say(100, SYN), SENT);
	expect_equal("the lesser lives", lives(where), 0);
	expect_equal("connections", table_count(path, false), CV_WAYS);
	expect_equal("evicted", (long)path_cause(path, CV_C_CONN_EVICTED), 1);
	expect_audit(path);
}

static void order(void **state)
{
	for (unsigned int i = 0; i < STAGES; i++) {
		for (unsigned int k = i + 1; k < STAGES; k++) {
			if (i == 1 && k == 2) /* CLOSE and TIME_WAIT are alike */
				continue;
			check_pair(&stages[i], &stages[k], (uint16_t)(i + k) % CV_WAYS);
		}
	}
}

/* Of equals, the one whose end is nearest. */
static void oldest_first(void **state)
{
	const struct stage *time_wait = &stages[2];

	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint16_t n = 0; n < CV_WAYS; n++) {
		reach((n * 5) % CV_WAYS, time_wait);
		path_advance(path, 10);
	}
	for (uint16_t n = 0; n < CV_WAYS; n++) {
		reach(100 + n, time_wait);
		assert_false(lives((n * 5) % CV_WAYS));
		path_advance(path, 10);
	}
	expect_audit(path);
}

/*
 * Of half-open ones the older of any two: the newest is chosen one time in 64 (one
 * in 8 would be by chance), so that who answers soon is there when he does.
 */
static void newest_stays(void **state)
{
	unsigned int lost = 0;

	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint16_t n = 0; n < 4096; n++) {
		assert_int_equal(say(n, SYN), SENT);
		lost += n && !lives(n - 1);
		path_advance(path, 1);
	}
	assert_in_range(lost, 4096 / 256, 4096 / 24);
	assert_int_equal(path_cause(path, CV_C_CONN_EVICTED), 4096 - CV_WAYS);
	expect_audit(path);
}

/* The tags' word for it is not taken: what is established stays, whatever its tag says. */
static void tags_mistaken(void **state)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint16_t n = 0; n < CV_WAYS; n++)
		reach(n, &stages[n == 5 ? 1 : STAGES - 1]);
	for (uint32_t slot = 0; slot < CV_WAYS; slot++) {
		assert_false(*table_tag(path, false, slot) & CV_TAG_ASKED);
		*table_tag(path, false, slot) |= CV_TAG_ASKED;
	}
	assert_int_equal(say(100, SYN), SENT);
	assert_false(lives(5));
	expect_equal("connections", table_count(path, false), CV_WAYS);
	expect_audit(path);
}

/* What has expired gives way before what has not, and is no eviction. */
static void expired_first(void **state)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint16_t n = 0; n < CV_WAYS; n++)
		reach(n, &stages[2]); /* TIME_WAIT: 2 min */
	say(3, RST);		      /* CLOSE: 10 s */
	path_advance(path, 11 * CV_HZ);
	assert_int_equal(say(100, SYN), SENT);
	assert_false(lives(3));
	assert_int_equal(path_cause(path, CV_C_CONN_EVICTED), 0);
	assert_int_equal(path_cause(path, CV_C_CONN_EXPIRED), 1);
	expect_audit(path);
}

/* Established, however long ago: the newcomer is dropped, through either door. */
static void full(void **state)
{
	for (int door = 0; door < DOORS; door++) {
		const struct packet_case refused = { .what = "a full set",
						     .in = { .sport = 5000 },
						     .fate = DROPPED,
						     .cause = CV_C_DROP_FULL };

		path_reset(path);
		simple_service(path, false, IPPROTO_TCP);
		for (uint16_t n = 0; n < CV_WAYS; n++)
			reach(n, &stages[STAGES - 1]);
		assert_int_equal(case_play(path, (enum door)door, &refused), 0);
		path_advance(path, 890 * CV_HZ); /* of 900 that they live */
		assert_int_equal(case_play(path, (enum door)door, &refused), 0);
		expect_counts(path, 0, CV_WAYS, 0);
		expect_audit(path);
	}
}

/* UDP: idle ones go before those heard of within a minute, but all of them go. */
static void udp(void **state)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_UDP);
	for (uint16_t n = 0; n < CV_WAYS; n++) {
		expect_fate(path, TC_DOOR,
			    &(struct packet){ .proto = IPPROTO_UDP, .sport = 1000 + n }, SENT);
		path_advance(path, n == 4 ? 61 * CV_HZ : 1);
	}
	for (uint16_t n = 0; n < 2 * CV_WAYS; n++) {
		expect_fate(path, TC_DOOR,
			    &(struct packet){ .proto = IPPROTO_UDP, .sport = 2000 + n }, SENT);
		path_advance(path, 1);
	}
	assert_int_equal(table_count(path, false), CV_WAYS);
	assert_int_equal(path_cause(path, CV_C_CONN_EVICTED), 2 * CV_WAYS);
	expect_audit(path);
}

/* ---- slots that are used again --------------------------------------------------------------- */

/* The generation grows with every owner and comes round after 65536; nothing minds. */
static void generations(void **state)
{
	struct cv_conn_common *c;
	uint32_t last;

	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint16_t n = 0; n < CV_WAYS; n++)
		table_at(path, false, n)->ctl = 0xfffeU << CV_CTL_GEN_SHIFT;
	for (unsigned int round = 0; round < 4; round++) {
		for (uint16_t n = 0; n < CV_WAYS; n++)
			assert_int_equal(say(n, SYN), SENT);
		c = table_at(path, false, 0);
		last = c->ctl >> CV_CTL_GEN_SHIFT;
		assert_int_equal((uint16_t)(0xffff + round), last);
		path_advance(path, 61 * CV_HZ);
		path_sweep(path);
		assert_int_equal(c->ctl & ~CV_CTL_GEN, 0);
		expect_audit(path);
	}
}

/* A slot that someone else is at is left alone, and the packet finds another or is dropped. */
static void busy_slots(void **state)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	for (uint32_t slot = 0; slot < CV_WAYS - 1; slot++)
		table_at(path, false, slot)->ctl = CV_CTL_BUSY;
	assert_int_equal(say(0, SYN), SENT);
	assert_true(lives(0));
	assert_int_equal(say(0, ACK), SENT);
	assert_int_equal(say(1, SYN), DROPPED);
	assert_int_equal(path_cause(path, CV_C_DROP_FULL), 1);
	path_sweep(path);
	for (uint32_t slot = 0; slot < CV_WAYS - 1; slot++) {
		assert_int_equal(table_at(path, false, slot)->ctl, CV_CTL_BUSY);
		table_at(path, false, slot)->ctl = 0;
	}
	expect_audit(path);
}

/* The client's part of one tag becomes that of another. */
static void set_client(__u32 *tag, __u32 to)
{
	*tag = (*tag & ~CV_TAG_CLIENT) | (to & CV_TAG_CLIENT);
}

/* The clients' part of tags is few bits and may be alike: the key decides. */
static void same_tags(void **state)
{
	for (unsigned int round = 0; round < 50; round++) {
		path_reset(path);
		simple_service(path, false, IPPROTO_TCP);
		for (uint16_t n = 0; n < CV_WAYS; n++) {
			assert_int_equal(say((uint16_t)(round * CV_WAYS + n), SYN), SENT);
			/* From now on every entry has the newcomer's tag, which its key does not fit. */
			for (uint32_t slot = 0; slot < CV_WAYS; slot++) {
				if (*table_tag(path, false, slot))
					set_client(table_tag(path, false, slot),
						   *table_tag(path, false, 0));
			}
		}
		assert_int_equal(path_cause(path, CV_C_CONN_NEW), CV_WAYS);
		assert_int_equal(table_count(path, false), CV_WAYS);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(order),	 cmocka_unit_test(oldest_first),
	cmocka_unit_test(newest_stays),	 cmocka_unit_test(tags_mistaken),
	cmocka_unit_test(expired_first), cmocka_unit_test(full),
	cmocka_unit_test(udp),		 cmocka_unit_test(generations),
	cmocka_unit_test(busy_slots),	 cmocka_unit_test(same_tags),
};

PACKET_MAIN("evict", (&(struct sizes){ .sets = 1 }), tests)
