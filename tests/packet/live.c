// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections whose tag says all (C9 of include/culvert/conn.h): when they come
 * to that and when they lose it, that nothing but speed tells them from others,
 * and that no packet takes another connection's tag for its own.
 */
#include "case.h"

static const struct packet syn = {}, ack = { .flags = ACK }, fin = { .flags = FIN | ACK },
			   syn6 = { .v6 = true }, ack6 = { .v6 = true, .flags = ACK },
			   udp = { .proto = IPPROTO_UDP, .payload = 18 };

#define ESTABLISHED_TIMEOUT (900 * CV_HZ)

/* The tag of the connection of a packet. */
static __u32 *tag_of(const struct packet *of)
{
	struct cv_conn_common *c = table_find(path, of);
	size_t size = of->v6 ? sizeof(struct cv_conn6) : sizeof(struct cv_conn4);

	assert_non_null(c);
	return table_tag(path, of->v6, ((char *)c - (char *)table_at(path, of->v6, 0)) / size);
}

static bool is_live(const struct packet *of)
{
	return *tag_of(of) & CV_TAG_LIVE;
}

static void say(const struct packet *p, int times)
{
	for (int i = 0; i < times; i++)
		expect_fate(path, XDP_DOOR, p, SENT);
}

#define BUSY (CV_IN_PKTS + 1) /* the packets after which it is live */

/* A service and an established connection, busy enough to be live. */
static uint32_t begin(const struct packet *first, const struct packet *next)
{
	uint32_t dest;

	path_reset(path);
	dest = simple_service(path, first->v6, first->proto);
	say(first, 1);
	say(next, BUSY - 1);
	assert_true(is_live(next));
	return dest;
}

static void becomes_live(void **state)
{
	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	say(&syn, 2);
	assert_false(is_live(&syn)); /* SYN_RECV */
	say(&ack, 1);
	assert_false(is_live(&ack)); /* this one made it ESTABLISHED, the long way */
	say(&ack, CV_IN_PKTS - 3);
	assert_false(is_live(&ack)); /* too few packets: they are counted in the entry */
	say(&ack, 1);
	assert_true(is_live(&ack));
	begin(&syn6, &ack6);
	begin(&udp, &udp);
}

/* The entry is neither needed nor touched, and yet nothing is missing from what is counted. */
static void entry_untouched(void **state)
{
	uint32_t dest = begin(&syn, &ack);
	struct cv_conn4 before, *entry = (struct cv_conn4 *)table_find(path, &ack);

	before = *entry;
	path_advance(path, 10);
	for (int i = BUSY + 1; i < 20; i++) {
		say(&ack, 1);
		assert_memory_equal(entry, &before, sizeof(before));
		assert_int_equal(path_counters(path, dest).inpkts, i);
	}
	expect_counts(path, dest, 1, 0);
	expect_audit(path);
}

/* The sweeper keeps the timer of a live one, and ends it when packets stay away. */
static void timer(void **state)
{
	uint32_t dest = begin(&syn, &ack);

	for (int i = 0; i < 20; i++) {
		path_advance(path, ESTABLISHED_TIMEOUT / 2);
		say(&ack, 1);
		path_sweep(path);
		expect_conn(path, &ack, "ESTABLISHED", 900);
	}
	assert_true(is_live(&ack));
	path_advance(path, ESTABLISHED_TIMEOUT);
	path_sweep(path);
	assert_non_null(table_find(path, &ack));
	path_advance(path, 1);
	path_sweep(path);
	assert_null(table_find(path, &ack));
	expect_counts(path, dest, 0, 0);
	expect_audit(path);
}

/* A packet that takes the long way before the sweeper came does not take it for dead. */
static void before_the_sweeper(void **state)
{
	begin(&syn, &ack);
	path_advance(path, ESTABLISHED_TIMEOUT - 1);
	say(&ack, 1);
	path_advance(path, ESTABLISHED_TIMEOUT - 1);
	say(&fin, 1);
	assert_int_equal(path_cause(path, CV_C_CONN_EXPIRED), 0);
	expect_conn(path, &fin, "FIN_WAIT", 120);
}

/* Every packet that changes the state is seen, and ends it. */
static void ends_with_the_state(void **state)
{
	uint32_t dest;

	for (int door = 0; door < DOORS; door++) {
		dest = begin(&syn, &ack);
		expect_fate(path, (enum door)door, &fin, SENT);
		assert_false(is_live(&fin));
		expect_conn(path, &fin, "FIN_WAIT", 120);
		expect_counts(path, dest, 0, 1);
		say(&ack, 3);
		assert_false(is_live(&fin));
		dest = begin(&syn, &ack);
		expect_fate(path, (enum door)door, &(struct packet){ .flags = RST }, SENT);
		expect_conn(path, &ack, "CLOSE", 10);
		assert_false(is_live(&ack));
		expect_audit(path);
	}
}

/* Nothing goes to a destination that was deleted. */
static void deleted(void **state)
{
	uint32_t dest = begin(&syn, &ack);

	path->dests[dest].flags &= ~CV_DEST_AVAILABLE;
	expect_fate(path, XDP_DOOR, &ack, DROPPED);
	path->settings->expire_nodest_conn = 1;
	expect_fate(path, XDP_DOOR, &ack, PASSED);
	assert_null(table_find(path, &ack));
	expect_audit(path);
}

/* Timers that are short are kept exactly; one that is made short is so from the next sweep on. */
static void short_timeouts(void **state)
{
	uint32_t *timeout = &path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED];

	begin(&syn, &ack);
	*timeout = CV_TAG_TIMEOUT - CV_HZ;
	say(&ack, 1);
	path_sweep(path);
	assert_false(is_live(&ack));
	expect_conn(path, &ack, "ESTABLISHED", 63);
	say(&ack, 3);
	assert_false(is_live(&ack));
	*timeout = CV_TAG_TIMEOUT;
	say(&ack, 2);
	assert_true(is_live(&ack));
}

/* One whose time is up is over, although the sweeper has not come by, and others keep its server at hand. */
static void expired(void **state)
{
	static const struct packet other = { .sport = 40001 };

	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	say(&syn, 1);
	say(&ack, 2);
	path_advance(path, ESTABLISHED_TIMEOUT + 1);
	say(&other, 1);
	path_advance(path, 1);
	say(&other, 1);
	expect_fate(path, XDP_DOOR, &ack, PASSED);
	assert_int_equal(path_cause(path, CV_C_PASS_NOTSYN), 1);
	expect_audit(path);
}

/* As long as the entry is needed, a timeout that was changed (--set) holds from the next packet on. */
static void changed_timeout(void **state)
{
	struct cv_conn_common *c;

	path_reset(path);
	simple_service(path, false, IPPROTO_TCP);
	say(&syn, 1);
	say(&ack, 2);
	c = table_find(path, &ack);
	assert_int_equal(c->timeout, ESTABLISHED_TIMEOUT);
	path->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED] = 300 * CV_HZ;
	say(&ack, 1);
	assert_false(is_live(&ack));
	assert_int_equal(c->timeout, 300 * CV_HZ);
	expect_conn(path, &ack, "ESTABLISHED", 300);
}

/* The first one's tag gets the client of the second, as if their hashes were the same. */
static void give_client(const struct packet *first, const struct packet *second, __u32 *tag)
{
	__u32 client;

	say(second, 1);
	client = *tag_of(second) & CV_TAG_CLIENT;
	for (int half = 0; half < 2; half++) {
		path_advance(path, table_find(path, second)->timeout / 2 + 1);
		say(first, 1);
	}
	path_sweep(path);
	assert_null(table_find(path, second));
	*tag = (*tag_of(first) & ~CV_TAG_CLIENT) | client;
}

static bool is_nobodys(__u32 tag)
{
	return (tag >> CV_TAG_DEST_SHIFT & CV_TAG_NODEST) == CV_TAG_NODEST && !(tag & CV_TAG_LIVE);
}

static __u32 *key_of(const struct packet *of)
{
	return &path->keys[of->v6]->key[0] + (tag_of(of) - &path->tags[of->v6]->tag[0]);
}

/*
 * Another connection has the same client's hash: from then on both are told apart
 * by their keys. (They stand in one set here, where the long way is taken.)
 */
static void twins(void **state)
{
	static const struct packet syn2 = { .sport = 40001 },
				   ack2 = { .sport = 40001, .flags = ACK };
	struct cv_conn_common *entry;
	__u32 *first;

	begin(&syn, &ack);
	first = tag_of(&ack);
	give_client(&ack, &syn2, first);
	say(&syn2, 1);
	assert_true(*first & CV_TAG_TWIN && *first & CV_TAG_LIVE);
	assert_true(*tag_of(&syn2) & CV_TAG_TWIN);
	say(&ack2, 3 * BUSY);
	expect_conn(path, &ack2, "ESTABLISHED", 900);

	/* Alone, and still a twin. */
	begin(&syn, &ack);
	*tag_of(&ack) |= CV_TAG_TWIN;
	entry = table_find(path, &ack);
	entry->timeout--; /* the long way would say */
	say(&ack, 5);
	assert_int_equal(entry->timeout, ESTABLISHED_TIMEOUT - 1);
	*key_of(&ack) ^= 1;
	say(&ack, 1);
	assert_int_equal(entry->timeout, ESTABLISHED_TIMEOUT);
}

/* The keys are the same as well: both lose the short way. */
static void same_key(void **state)
{
	static const struct packet syn2 = { .sport = 40001 },
				   ack2 = { .sport = 40001, .flags = ACK };
	__u32 *first, key;

	begin(&syn, &ack);
	say(&syn2, 1);
	key = *key_of(&syn2);
	path_advance(path, 61 * CV_HZ);
	path_sweep(path);
	first = tag_of(&ack);
	give_client(&ack, &syn2, first);
	*key_of(&ack) = key;
	say(&syn2, 1);
	assert_true(is_nobodys(*first));
	assert_true(is_nobodys(*tag_of(&syn2)));
	say(&ack2, 3 * BUSY);
	assert_false(is_live(&ack2));
	expect_conn(path, &ack2, "ESTABLISHED", 900);
}

/* The same client's connections with two virtual addresses are twins. */
static void same_client(void **state)
{
	static const struct packet other = { .dport = 81 },
				   other_ack = { .dport = 81, .flags = ACK };
	uint32_t dest = begin(&syn, &ack), dest2;

	dest2 = dest_add(path, service_add(path, &(struct service_spec){ .port = 81 }),
			 &(struct dest_spec){ .number = 2 });

	say(&other, 1);
	say(&other_ack, BUSY);
	assert_int_equal(*tag_of(&ack) & CV_TAG_CLIENT, *tag_of(&other_ack) & CV_TAG_CLIENT);
	assert_true(*tag_of(&ack) & *tag_of(&other_ack) & CV_TAG_TWIN);
	say(&ack, 5);
	say(&other_ack, 7);
	assert_int_equal(path_counters(path, dest).inpkts, BUSY + 5);
	assert_int_equal(path_counters(path, dest2).inpkts, BUSY + 8);
}

/*
 * A packet of no connection, whose client's hash is that of one that is LIVE: what
 * is for no service, or makes a connection of its own, never goes by its tag.
 */
static void strangers(void **state)
{
	static const struct packet no_service = { .dport = 81, .flags = ACK },
				   udp2 = { .proto = IPPROTO_UDP, .payload = 18, .sport = 40001 },
				   syn2 = { .sport = 40001 },
				   stray = { .sport = 40001, .flags = ACK };
	uint32_t dest = begin(&syn, &ack);

	expect_fate(path, XDP_DOOR, &no_service, PASSED);
	assert_int_equal(path_counters(path, dest).inpkts, BUSY);

	begin(&udp, &udp);
	give_client(&udp, &udp2, tag_of(&udp));
	say(&udp2, 1);
	assert_int_equal(path_cause(path, CV_C_CONN_NEW), 3);
	assert_non_null(table_find(path, &udp2));
	expect_audit(path);

	begin(&syn, &ack);
	give_client(&ack, &syn2, tag_of(&ack));
	path->settings->sloppy_tcp = 1;
	say(&stray, 1);
	assert_non_null(table_find(path, &stray));
	expect_audit(path);
}

/* Where a destination's packets have several addresses or ports, the key tells. */
static void several_addresses(void **state)
{
	static const struct packet port2 = { .flags = ACK, .dport = 81 };
	uint32_t dest = begin(&syn, &ack);

	path->dests[dest].vip_key = 0;
	say(&ack, 5);
	assert_int_equal(path_counters(path, dest).inpkts, BUSY + 5);
	expect_fate(path, XDP_DOOR, &port2, PASSED);
	*key_of(&ack) ^= 1;
	say(&ack, 1);
	assert_int_equal(table_find(path, &ack)->in_pkts, CV_IN_PKTS);
}

/* A busy connection of a destination with this index. */
static bool live_with(uint32_t index)
{
	uint32_t dest;

	path_reset(path);
	path->num_dests = index;
	dest = simple_service(path, false, IPPROTO_TCP);
	assert_int_equal(dest, index);
	say(&syn, 1);
	say(&ack, 2 * BUSY - 1);
	assert_int_equal(path_counters(path, index).inpkts, 2 * BUSY);
	expect_audit(path);
	return is_live(&ack);
}

/* All that the tag has room for, and the first that it has not: that goes by its entry. */
static void many_destinations(void **state)
{
	struct path *few = path;

	path = path_load(&(struct sizes){ .sets = 4, .max_dests = CV_TAG_NODEST + 1 });
	assert_true(live_with(0));
	assert_true(live_with(0x10000));
	assert_true(live_with(CV_TAG_NODEST - 1));
	assert_false(live_with(CV_TAG_NODEST));
	path_free(path);
	path = few;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(becomes_live),
	cmocka_unit_test(entry_untouched),
	cmocka_unit_test(timer),
	cmocka_unit_test(before_the_sweeper),
	cmocka_unit_test(ends_with_the_state),
	cmocka_unit_test(deleted),
	cmocka_unit_test(short_timeouts),
	cmocka_unit_test(twins),
	cmocka_unit_test(same_client),
	cmocka_unit_test(strangers),
	cmocka_unit_test(same_key),
	cmocka_unit_test(changed_timeout),
	cmocka_unit_test(expired),
	cmocka_unit_test(several_addresses),
	cmocka_unit_test(many_destinations),
};

PACKET_MAIN("live", (&(struct sizes){ .sets = 4 }), tests)
