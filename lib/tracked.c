// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>

#include <culvert/tracked.h>

#include "cleanup.h"
#include "culvert0.h"
#include "journal.h"
#include "nft.h"
#include "tracked.h"
#include "why.h"

#define TABLE "culvert"

/* Grows with every change of what is in it. */
#define VERSION 1

/* Of the entries of what was chosen behind netfilter, in their client's direction: "cv". */
#define ZONE 25462

/* Ends with a port of their own, and those whose packets keep theirs. */
static const struct nft_map maps[] = {
	{ "port4", NFT_TYPE_AND(NFT_TYPE_ADDR4, NFT_TYPE_PORT), 8 },
	{ "addr4", NFT_TYPE_ADDR4, 4 },
	{ "port6", NFT_TYPE_AND(NFT_TYPE_ADDR6, NFT_TYPE_PORT), 20 },
	{ "addr6", NFT_TYPE_ADDR6, 16 },
};
#define MAPS (sizeof(maps) / sizeof(maps[0]))

static uint32_t address_len(const struct nft_map *m)
{
	return m->data_len >= 16 ? 16 : 4;
}

/* Does the slot's destination belong into a map, and as what? */
static bool element_of(const struct cv *cv, uint32_t slot, const struct nft_map *m,
		       struct nft_element *out)
{
	const struct cv_dest *d = dest_at(cv, slot);
	uint32_t address = address_len(m);
	bool port = m->data_len > address;

	if ((port && !d->port) || (address == 16) != (d->owner.family == AF_INET6))
		return false;
	*out = (struct nft_element){ .key = CV_TRACKED_PREFIX | (port ? 0 : CV_TRACKED_OWN_PORT) |
					    slot };
	memcpy(out->data, &d->addr, address);
	if (port)
		memcpy(out->data + address, &d->port, sizeof(d->port));
	return true;
}

static bool wanted_in(const struct cv *cv, uint32_t slot, const struct nft_map *m,
		      struct nft_element *out)
{
	const uint32_t flags = dest_at(cv, slot)->flags;

	return (flags & (CV_DEST_USED | CV_DEST_METHOD)) == (CV_DEST_USED | CV_MASQ) &&
	       element_of(cv, slot, m, out);
}

static uint32_t established(const struct cv *cv)
{
	uint32_t seconds = cv->settings->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED] / CV_HZ;

	return seconds ? seconds : 1;
}

/* What the table says of itself: it is another if that is. */
struct comment {
	char text[64];
};

static struct comment comment(const struct cv *cv)
{
	struct comment c;

	snprintf(c.text, sizeof(c.text), "culvert: net.ipv4.vs.conntrack, %d, %u s", VERSION,
		 established(cv));
	return c;
}

static int refused(int err)
{
	return cv_fail(err, "nftables: %s", strerror(-err));
}

/* ---- the table ----------------------------------------------------------------------- */

/* Comes in by culvert0, with a destination in its Ethernet source address. */
static void rule_again(struct nft *n)
{
	const uint8_t prefix[2] = CV_TRACKED_MAC;
	const char name[16] = CULVERT0_NAME;
	const uint16_t zone = ZONE;
	struct nft_rule r = nft_rule(n, TABLE, "again");

	nft_meta_load(&r, NFT_META_IIFNAME);
	nft_compare(&r, name, sizeof(name));
	nft_payload_link(&r, 6, sizeof(prefix));
	nft_compare(&r, prefix, sizeof(prefix));
	nft_payload_link(&r, 8, sizeof(uint32_t));
	nft_to_host(&r);
	nft_meta_set(&r, NFT_META_PRIORITY);
	nft_immediate(&r, &zone, sizeof(zone));
	nft_zone_original(&r);
	nft_rule_end(&r);
}

/* `proto`: 0 where no port is named. The kernel would not ask, but nft(8) does when it reads what it has listed. */
static void rule_server(struct nft *n, const struct nft_map *m, uint8_t proto)
{
	struct nft_rule r = nft_rule(n, TABLE, "servers");

	if (proto) {
		nft_meta_load(&r, NFT_META_L4PROTO);
		nft_compare(&r, &proto, sizeof(proto));
	}
	nft_meta_load(&r, NFT_META_PRIORITY);
	nft_lookup(&r, m);
	nft_dnat(&r, m);
	nft_rule_end(&r);
}

static struct nft_rule rule_of_ours(struct nft *n, const char *chain)
{
	const uint32_t mask = CV_TRACKED_MASK, prefix = CV_TRACKED_PREFIX;
	struct nft_rule r = nft_rule(n, TABLE, chain);

	nft_meta_load(&r, NFT_META_PRIORITY);
	nft_and(&r, &mask, sizeof(mask));
	nft_compare(&r, &prefix, sizeof(prefix));
	return r;
}

/* An entry of TCP lasts as long without a packet as the connection here, and then another server may be chosen. */
static void rule_timeout(struct nft *n)
{
	struct nft_rule r = rule_of_ours(n, "servers");
	const uint8_t tcp = IPPROTO_TCP;

	nft_meta_load(&r, NFT_META_L4PROTO);
	nft_compare(&r, &tcp, sizeof(tcp));
	nft_timeout(&r, "idle_tcp");
	nft_rule_end(&r);
}

/*
 * What has no entry has no server: the host would answer it, with a reset. (IPVS sends it on, and
 * it is dropped when a second entry of the same connection is to be confirmed.)
 */
static void rule_invalid(struct nft *n)
{
	struct nft_rule r = rule_of_ours(n, "done");

	nft_drop_invalid(&r);
	nft_rule_end(&r);
}

static void rule_done(struct nft *n)
{
	struct nft_rule r = rule_of_ours(n, "done");
	const uint32_t none = 0;

	nft_immediate(&r, &none, sizeof(none));
	nft_meta_set(&r, NFT_META_PRIORITY);
	nft_rule_end(&r);
}

static void rules_servers(struct nft *n)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

	for (size_t i = 0; i < MAPS; i++) {
		bool port = maps[i].data_len > address_len(&maps[i]);

		for (size_t p = 0; port && p < sizeof(protos); p++)
			rule_server(n, &maps[i], protos[p]);
		if (!port)
			rule_server(n, &maps[i], 0);
	}
}

/* A batch that makes the table, but for its elements. */
static void begin_table(struct cv *cv, struct nft *n, bool instead)
{
	nft_begin(n);
	if (instead)
		nft_del_table(n, TABLE);
	nft_new_table(n, TABLE, comment(cv).text);
	for (size_t i = 0; i < MAPS; i++)
		nft_new_map(n, TABLE, &maps[i]);
	nft_new_timeout(n, TABLE, "idle_tcp", established(cv));
	nft_new_chain(n, TABLE, "again", "filter", NF_IP_PRI_RAW);
	rule_again(n);
	nft_new_chain(n, TABLE, "servers", "nat", NF_IP_PRI_NAT_DST - 1);
	rule_timeout(n);
	rules_servers(n);
	nft_new_chain(n, TABLE, "done", "filter", NF_IP_PRI_NAT_DST + 1);
	rule_invalid(n);
	rule_done(n);
}

enum there { NO_TABLE, OTHER_TABLE, THE_TABLE };

struct look {
	struct comment comment;
	enum there there;
};

static int see_table(const struct nlmsghdr *nlh, void *arg)
{
	struct look *l = arg;
	size_t len = strlen(l->comment.text) + 1;
	struct nlattr *a;

	l->there = OTHER_TABLE;
	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		const char *data = mnl_attr_get_payload(a);

		if (mnl_attr_get_type(a) == NFTA_TABLE_USERDATA &&
		    mnl_attr_get_payload_len(a) == 2 + len &&
		    !memcmp(data + 2, l->comment.text, len))
			l->there = THE_TABLE;
	}
	return 0;
}

static int look(const struct cv *cv, struct nft *n, enum there *there)
{
	struct look l = { .comment = comment(cv), .there = NO_TABLE };
	int err = nft_list(n, NFT_MSG_GETTABLE, 0, TABLE, NULL, see_table, &l);

	*there = l.there;
	return err == -ENOENT ? 0 : err;
}

/* ---- its elements -------------------------------------------------------------------- */

/* A map as it is: which slots' elements are right, and those that are not. */
struct seen {
	const struct cv *cv;
	const struct nft_map *m;
	uint64_t *right;
	struct nft_element *stale;
	size_t n_stale;
	int err;
};

static void cleanup_seen(struct seen *s)
{
	free(s->right);
	free(s->stale);
}

static const void *value_in(const struct nlattr *nest, uint32_t len)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) == NFTA_DATA_VALUE && mnl_attr_get_payload_len(a) == len)
			return mnl_attr_get_payload(a);
	}
	return NULL;
}

static void see_element(struct seen *s, const struct nlattr *one)
{
	uint32_t most = s->cv->journal->geo.max_dests, slot;
	struct nft_element e = {}, want;
	const struct nlattr *a;
	const void *value;

	mnl_attr_for_each_nested(a, one) {
		bool key = mnl_attr_get_type(a) == NFTA_SET_ELEM_KEY;

		if (!key && mnl_attr_get_type(a) != NFTA_SET_ELEM_DATA)
			continue;
		value = value_in(a, key ? sizeof(e.key) : s->m->data_len);
		if (value)
			memcpy(key ? (void *)&e.key : e.data, value,
			       key ? sizeof(e.key) : s->m->data_len);
	}
	slot = e.key & CV_TRACKED_DEST;
	if (slot < most && wanted_in(s->cv, slot, s->m, &want) &&
	    memcmp(&want, &e, sizeof(e)) == 0) {
		s->right[slot / 64] |= 1ULL << slot % 64;
		return;
	}
	if (!(s->n_stale & (s->n_stale + 1))) { /* 0, 1, 3, 7, ...: it is full */
		struct nft_element *more = realloc(s->stale, (2 * s->n_stale + 1) * sizeof(*more));

		if (!more) {
			s->err = cv_plain(-ENOMEM);
			return;
		}
		s->stale = more;
	}
	s->stale[s->n_stale++] = e;
}

static int see_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct seen *s = arg;
	struct nlattr *a, *one;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(one, a)
			see_element(s, one);
	}
	return s->err;
}

/* The elements of one map that are not there yet (`right`: none are). */
static void add_missing(struct cv *cv, struct nft *n, const struct nft_map *m,
			const uint64_t *right)
{
	struct nft_element some[64];
	size_t count = 0;

	for (uint32_t slot = 0; slot < cv->journal->geo.max_dests; slot++) {
		if ((right && right[slot / 64] & 1ULL << slot % 64) ||
		    !wanted_in(cv, slot, m, &some[count]))
			continue;
		if (++count == sizeof(some) / sizeof(some[0])) {
			nft_elements(n, NFT_MSG_NEWSETELEM, TABLE, m, some, count);
			count = 0;
		}
	}
	nft_elements(n, NFT_MSG_NEWSETELEM, TABLE, m, some, count);
}

/* With all that belongs into it, so that no packet finds less. */
static int make_table(struct cv *cv, struct nft *n, bool instead)
{
	int err;

	begin_table(cv, n, instead);
	for (size_t i = 0; i < MAPS; i++)
		add_missing(cv, n, &maps[i], NULL);
	err = nft_commit(n);
	return err ? refused(err) : 0;
}

static int correct_map(struct cv *cv, struct nft *n, const struct nft_map *m)
{
	size_t words = cv->journal->geo.max_dests / 64 + 1;
	_cleanup_(cleanup_seen) struct seen s = { .cv = cv,
						  .m = m,
						  .right = calloc(words, sizeof(*s.right)) };
	int err = s.right ? 0 : cv_plain(-ENOMEM);

	if (err)
		return err;
	err = nft_list(n, NFT_MSG_GETSETELEM, NLM_F_DUMP, TABLE, m->name, see_elements, &s);
	if (err)
		return s.err ? s.err : refused(err);
	nft_begin(n);
	nft_elements(n, NFT_MSG_DELSETELEM, TABLE, m, s.stale, s.n_stale);
	add_missing(cv, n, m, s.right);
	err = nft_commit(n);
	return err ? refused(err) : 0;
}

/* The table as it should be. */
static int put_up(struct cv *cv)
{
	_cleanup_(nft_close) struct nft n = {};
	enum there there;
	int err = maps_need(cv, MAPS_LIST);

	if (!err)
		err = nft_open(&n);
	if (err)
		return err;
	__atomic_store_n(&cv->journal->tracked, 1, __ATOMIC_RELEASE);
	err = look(cv, &n, &there);
	if (err)
		return refused(err);
	if (there != THE_TABLE)
		err = make_table(cv, &n, there == OTHER_TABLE);
	for (size_t i = 0; i < MAPS && there == THE_TABLE && !err; i++)
		err = correct_map(cv, &n, &maps[i]);
	return err ? err : cv->spoiled;
}

int tracked_learn(struct cv *cv, uint32_t slot)
{
	_cleanup_(nft_close) struct nft n = {};
	struct nft_element e;
	int err = 0;

	for (int tries = 0; tries < 2; tries++) {
		err = nft_open(&n);
		if (err)
			return err;
		nft_begin(&n);
		for (size_t i = 0; i < MAPS; i++) {
			if (element_of(cv, slot, &maps[i], &e))
				nft_elements(&n, NFT_MSG_NEWSETELEM, TABLE, &maps[i], &e, 1);
		}
		err = nft_commit(&n);
		nft_close(&n);
		if (!err || tries)
			break;
		/* Another's element is still there; or somebody has taken the table away. */
		err = put_up(cv);
		if (err)
			return err;
	}
	return err ? refused(err) : 0;
}

/* ---- the connections ----------------------------------------------------------------- */

/* The data path writes it once, when the connection is made. */
static void make_own(struct cv_conn_common *c)
{
	static const uint8_t conntracks[] = { CV_TRACKED, CV_RETRACKED };

	for (size_t i = 0; i < sizeof(conntracks); i++) {
		uint8_t was = conntracks[i];

		__atomic_compare_exchange_n(&c->method, &was, CV_MASQ, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
}

static void make_all_own(struct cv *cv, bool v6)
{
	uint32_t sets = v6 ? cv->journal->geo.sets6 : cv->journal->geo.sets4;

	for (uint32_t set = 0; set < sets; set++) {
		const struct cv_tags *tags = (v6 ? conn6_tags_at : conn4_tags_at)(cv, set);

		for (uint32_t way = 0; way < CV_WAYS; way++) {
			uint32_t slot = set * CV_WAYS + way;

			if (tags->tag[way] & CV_TAG_CLIENT)
				make_own(v6 ? &conn6_at(cv, slot)->c : &conn4_at(cv, slot)->c);
		}
	}
}

static int take_over(struct cv *cv)
{
	int err = maps_need(cv, MAPS_CONNS);

	for (int v6 = 0; v6 < 2 && !err; v6++)
		make_all_own(cv, v6);
	return err;
}

static int take_down(struct cv *cv)
{
	_cleanup_(nft_close) struct nft n = {};
	enum there there;
	int err = nft_open(&n);

	if (!err)
		err = look(cv, &n, &there);
	if (!err && there != NO_TABLE) {
		nft_begin(&n);
		nft_del_table(&n, TABLE);
		err = nft_commit(&n);
	}
	return err ? refused(err) : 0;
}

/* ---- all of it ----------------------------------------------------------------------- */

int tracked_check(uint8_t family)
{
	bool forwards;
	int err = culvert0_forwards(family, &forwards);

	if (err || forwards)
		return err;
	return cv_fail(
		-EOPNOTSUPP,
		"with conntrack=1 the host forwards what is masqueraded: set net.%s to 1 first",
		family == AF_INET ? "ipv4.ip_forward" : "ipv6.conf.all.forwarding");
}

int tracked_prepare(struct cv *cv)
{
	bool needs[2] = {};
	int err = maps_need(cv, MAPS_LIST);

	for (uint32_t i = 0; !err && cv->settings->num_masq && i < cv->journal->geo.max_dests;
	     i++) {
		const struct cv_dest *d = dest_at(cv, i);
		const uint32_t what = CV_DEST_USED | CV_DEST_AVAILABLE | CV_DEST_METHOD;

		if ((d->flags & what) == (CV_DEST_USED | CV_DEST_AVAILABLE | CV_MASQ))
			needs[d->owner.family == AF_INET6] = true;
	}
	for (int i = 0; i < 2 && !err; i++) {
		if (needs[i])
			err = tracked_check(i ? AF_INET6 : AF_INET);
	}
	if (err)
		return err;
	/* If it comes to nothing, whoever gives up the lock takes away what there is of it. */
	__atomic_store_n(&cv->journal->routes_due, ROUTES_ALL, __ATOMIC_RELEASE);
	return put_up(cv);
}

int tracked_settle(struct cv *cv, bool wanted)
{
	int err;

	if (wanted) {
		err = put_up(cv);
		if (!err)
			__atomic_store_n(&cv->settings->tracked, 1, __ATOMIC_RELEASE);
		return err;
	}
	if (!cv->journal->tracked)
		return 0;
	__atomic_store_n(&cv->settings->tracked, 0, __ATOMIC_RELEASE);
	err = take_over(cv);
	if (!err)
		err = take_down(cv);
	/* The kernel has waited for the packets that were under way: they may have made some more. */
	if (!err)
		err = take_over(cv);
	if (!err)
		__atomic_store_n(&cv->journal->tracked, 0, __ATOMIC_RELEASE);
	return err;
}
