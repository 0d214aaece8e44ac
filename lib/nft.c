// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>

#include "cleanup.h"
#include "nft.h"
#include "rtnl_internal.h"
#include "why.h"

/* A message is no longer: its lengths have 16 bits. */
#define MESSAGE_MOST 65536

/* Acknowledgements of a batch that fails are many. */
#define RECEIVE_ROOM (1 << 20)

int nft_open(struct nft *out)
{
	int room = RECEIVE_ROOM, err;

	*out = (struct nft){ .nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC) };
	if (!out->nl)
		return cv_fail(-errno, "cannot open a netlink socket: %s", strerror(errno));
	setsockopt(mnl_socket_get_fd(out->nl), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (mnl_socket_bind(out->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		nft_close(out);
		return cv_fail(err, "cannot bind a netlink socket: %s", strerror(-err));
	}
	return 0;
}

void nft_close(struct nft *n)
{
	if (n->nl)
		mnl_socket_close(n->nl);
	free(n->batch);
	*n = (struct nft){};
}

/* ---- batches ---------------------------------------------------------------------- */

static size_t size_of(const struct nft *n)
{
	return n->used + (n->last ? MNL_ALIGN(n->last->nlmsg_len) : 0);
}

/* Room for two messages. Without memory the batch is void, and what is added to it goes nowhere. */
static bool make_room(struct nft *n)
{
	size_t room = n->room + 4 * MESSAGE_MOST;
	char *more;

	n->used = size_of(n);
	n->last = NULL;
	if (n->room - n->used >= 2 * MESSAGE_MOST)
		return true;
	more = realloc(n->batch, room);
	if (!more) {
		n->err = cv_plain(-ENOMEM);
		n->used = 0;
		return n->batch;
	}
	n->batch = more;
	n->room = room;
	return true;
}

static struct nlmsghdr *start(struct nft *n, uint16_t type, uint16_t flags, uint8_t family,
			      uint16_t resource)
{
	struct nfgenmsg *gen;

	if (!make_room(n))
		return NULL;
	n->last = mnl_nlmsg_put_header(n->batch + n->used);
	n->last->nlmsg_type = type;
	n->last->nlmsg_flags = NLM_F_REQUEST | flags;
	n->last->nlmsg_seq = ++n->seq;
	gen = mnl_nlmsg_put_extra_header(n->last, sizeof(*gen));
	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
	gen->res_id = htons(resource);
	return n->last;
}

/* A message of nf_tables, of the family inet. */
static struct nlmsghdr *add(struct nft *n, uint16_t type, uint16_t flags)
{
	return start(n, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

void nft_begin(struct nft *n)
{
	n->err = 0;
	n->used = 0;
	n->last = NULL;
	start(n, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

/* Answers are there when sending returns. The first error is the one that counts. */
static int read_acks(struct nft *n)
{
	char room[16384] __attribute__((aligned(8)));
	int err = 0;

	for (;;) {
		ssize_t got = recv(mnl_socket_get_fd(n->nl), room, sizeof(room), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const void *)room;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return err || errno == EAGAIN ? err : -ENOBUFS;
		if (got < 0)
			return -errno;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type == NLMSG_ERROR && !err)
				err = e->error;
		}
	}
}

int nft_commit(struct nft *n)
{
	int room;

	if (!n->err && n->last)
		n->last->nlmsg_flags |= NLM_F_ACK;
	start(n, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (n->err || !n->batch)
		return n->err ? n->err : -ENOMEM;
	room = (int)size_of(n) * 2;
	setsockopt(mnl_socket_get_fd(n->nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (mnl_socket_sendto(n->nl, n->batch, size_of(n)) < 0)
		return -errno;
	return read_acks(n);
}

/* ---- lists ------------------------------------------------------------------------ */

/* A question of nf_tables, about the family inet. */
static struct nlmsghdr *question(struct rtnl_request *q, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = rtnl_start(q, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_ACK | flags);
	struct nfgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));

	gen->nfgen_family = NFPROTO_INET;
	gen->version = NFNETLINK_V0;
	return nlh;
}

static int see_generation(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == NFTA_GEN_ID)
			*(uint32_t *)arg = ntohl(mnl_attr_get_u32(a));
	}
	return 0;
}

/* Grows with every batch that happens in this namespace. */
static int generation(struct rtnl *r, uint32_t *out)
{
	struct rtnl_request q;

	question(&q, NFT_MSG_GETGEN, 0);
	return rtnl_talk(r, &q, see_generation, out);
}

/* A batch of nothing, which waits until no other is under way (nf_tables' commit_mutex) and changes nothing. */
static int settled(struct nft *n)
{
	struct {
		struct nlmsghdr nlh;
		struct nfgenmsg gen;
	} batch[2] = {};

	for (int i = 0; i < 2; i++) {
		batch[i].nlh.nlmsg_len = sizeof(batch[i]);
		batch[i].nlh.nlmsg_type = i ? NFNL_MSG_BATCH_END : NFNL_MSG_BATCH_BEGIN;
		batch[i].nlh.nlmsg_flags = NLM_F_REQUEST;
		batch[i].gen.version = NFNETLINK_V0;
		batch[i].gen.res_id = htons(NFNL_SUBSYS_NFTABLES);
	}
	if (mnl_socket_sendto(n->nl, batch, sizeof(batch)) < 0)
		return -errno;
	return read_acks(n);
}

static int settled_generation(struct nft *n, struct rtnl *r, uint32_t *out)
{
	int err = settled(n);

	return err ? err : generation(r, out);
}

/*
 * The kernel does not mark a map's list as broken when elements come or go: its generation tells. But
 * a batch adds its elements before the new generation begins, and takes others away after that.
 */
static int ask_whole(struct nft *n, struct rtnl *r, struct rtnl_request *q, struct rtnl_answer *a)
{
	uint32_t before = 0, after = 0;
	int err;

	for (int tries = 0; tries < RTNL_LIST_TRIES; tries++) {
		err = settled_generation(n, r, &before);
		if (!err)
			err = rtnl_ask(r, q, a);
		if (!err)
			err = settled_generation(n, r, &after);
		if (err || (!a->broken && before == after))
			return err;
	}
	return rtnl_changed();
}

int nft_list(struct nft *n, uint16_t type, uint16_t flags, const char *table, const char *set,
	     int (*each)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	_cleanup_(rtnl_answer_free) struct rtnl_answer a = {};
	struct rtnl r = { n->nl, n->seq };
	struct rtnl_request q;
	struct nlmsghdr *nlh = question(&q, type, flags);
	int err;

	mnl_attr_put_strz(nlh, set ? NFTA_SET_ELEM_LIST_TABLE : NFTA_TABLE_NAME, table);
	if (set)
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	err = ask_whole(n, &r, &q, &a);
	n->seq = r.seq;
	return err ? err : rtnl_answer_each(&a, each, arg);
}

/* ---- tables, chains, maps --------------------------------------------------------- */

/* What nft(8) shows as a comment: type, length, text. */
static void put_comment(struct nlmsghdr *nlh, const char *comment)
{
	uint8_t data[64] = { 0, (uint8_t)(strlen(comment) + 1) };

	strncpy((char *)data + 2, comment, sizeof(data) - 3);
	mnl_attr_put(nlh, NFTA_TABLE_USERDATA, 2 + strlen(comment) + 1, data);
}

void nft_new_table(struct nft *n, const char *table, const char *comment)
{
	struct nlmsghdr *nlh = add(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	put_comment(nlh, comment);
}

void nft_del_table(struct nft *n, const char *table)
{
	struct nlmsghdr *nlh = add(n, NFT_MSG_DELTABLE, 0);

	if (nlh)
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
}

void nft_new_timeout(struct nft *n, const char *table, const char *name, uint32_t established)
{
	struct nlmsghdr *nlh = add(n, NFT_MSG_NEWOBJ, NLM_F_CREATE);
	struct nlattr *data, *policy;

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_CT_TIMEOUT));
	data = mnl_attr_nest_start(nlh, NFTA_OBJ_DATA);
	mnl_attr_put_u16(nlh, NFTA_CT_TIMEOUT_L3PROTO,
			 htons(NFPROTO_IPV4)); /* it serves IPv6 as well */
	mnl_attr_put_u8(nlh, NFTA_CT_TIMEOUT_L4PROTO, IPPROTO_TCP);
	policy = mnl_attr_nest_start(nlh, NFTA_CT_TIMEOUT_DATA);
	mnl_attr_put_u32(nlh, CTA_TIMEOUT_TCP_ESTABLISHED, htonl(established));
	mnl_attr_nest_end(nlh, policy);
	mnl_attr_nest_end(nlh, data);
}

void nft_new_chain(struct nft *n, const char *table, const char *chain, const char *type,
		   int32_t priority)
{
	struct nlmsghdr *nlh = add(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	struct nlattr *hook;

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(NF_INET_PRE_ROUTING));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	mnl_attr_nest_end(nlh, hook);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, type);
}

void nft_new_map(struct nft *n, const char *table, const struct nft_map *m)
{
	/* For listings: a key is in this host's byte order (1), a value in network byte order (2). */
	static const uint32_t orders[2] = { 1, 2 };
	struct nlmsghdr *nlh = add(n, NFT_MSG_NEWSET, NLM_F_CREATE);
	uint8_t data[12];

	if (!nlh)
		return;
	for (uint8_t i = 0; i < 2; i++) { /* type, length, value */
		data[6 * i] = i;
		data[6 * i + 1] = sizeof(orders[i]);
		memcpy(&data[6 * i + 2], &orders[i], sizeof(orders[i]));
	}
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, m->name);
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(NFT_SET_MAP));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_TYPE, htonl(NFT_TYPE_CLASSID));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(sizeof(uint32_t)));
	mnl_attr_put_u32(nlh, NFTA_SET_DATA_TYPE, htonl(m->data_type));
	mnl_attr_put_u32(nlh, NFTA_SET_DATA_LEN, htonl(m->data_len));
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(n->seq));
	mnl_attr_put(nlh, NFTA_SET_USERDATA, sizeof(data), data);
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(nlh, nest);
}

/* So many of them that a message has room for. */
#define ELEMENTS_MOST 512

static void put_elements(struct nlmsghdr *nlh, bool with_data, const struct nft_map *m,
			 const struct nft_element *e, size_t count)
{
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);

	for (size_t i = 0; i < count; i++) {
		struct nlattr *one = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

		put_value(nlh, NFTA_SET_ELEM_KEY, &e[i].key, sizeof(e[i].key));
		if (with_data)
			put_value(nlh, NFTA_SET_ELEM_DATA, e[i].data, m->data_len);
		mnl_attr_nest_end(nlh, one);
	}
	mnl_attr_nest_end(nlh, list);
}

void nft_elements(struct nft *n, uint16_t type, const char *table, const struct nft_map *m,
		  const struct nft_element *e, size_t count)
{
	for (size_t done = 0; done < count; done += ELEMENTS_MOST) {
		size_t some = count - done < ELEMENTS_MOST ? count - done : ELEMENTS_MOST;
		struct nlmsghdr *nlh = add(n, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

		if (!nlh)
			return;
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, m->name);
		put_elements(nlh, type == NFT_MSG_NEWSETELEM, m, e + done, some);
	}
}

/* ---- rules ------------------------------------------------------------------------ */

struct nft_rule nft_rule(struct nft *n, const char *table, const char *chain)
{
	struct nft_rule r = { .nlh = add(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND) };

	if (!r.nlh)
		return r;
	mnl_attr_put_strz(r.nlh, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(r.nlh, NFTA_RULE_CHAIN, chain);
	r.list = mnl_attr_nest_start(r.nlh, NFTA_RULE_EXPRESSIONS);
	return r;
}

void nft_rule_end(struct nft_rule *r)
{
	if (r->nlh)
		mnl_attr_nest_end(r->nlh, r->list);
}

static void begin(struct nft_rule *r, const char *name)
{
	r->expr = mnl_attr_nest_start(r->nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(r->nlh, NFTA_EXPR_NAME, name);
	r->data = mnl_attr_nest_start(r->nlh, NFTA_EXPR_DATA);
}

static void end(struct nft_rule *r)
{
	mnl_attr_nest_end(r->nlh, r->data);
	mnl_attr_nest_end(r->nlh, r->expr);
}

static void put32(struct nft_rule *r, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(r->nlh, type, htonl(value));
}

/* All of it goes through the first register; what a map holds in two parts has the second in the next. */
#define REG NFT_REG_1

void nft_meta_load(struct nft_rule *r, uint32_t key)
{
	if (!r->nlh)
		return;
	begin(r, "meta");
	put32(r, NFTA_META_KEY, key);
	put32(r, NFTA_META_DREG, REG);
	end(r);
}

void nft_meta_set(struct nft_rule *r, uint32_t key)
{
	if (!r->nlh)
		return;
	begin(r, "meta");
	put32(r, NFTA_META_KEY, key);
	put32(r, NFTA_META_SREG, REG);
	end(r);
}

void nft_compare(struct nft_rule *r, const void *value, size_t len)
{
	if (!r->nlh)
		return;
	begin(r, "cmp");
	put32(r, NFTA_CMP_SREG, REG);
	put32(r, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(r->nlh, NFTA_CMP_DATA, value, len);
	end(r);
}

void nft_and(struct nft_rule *r, const void *mask, size_t len)
{
	static const uint8_t zero[16];

	if (!r->nlh)
		return;
	begin(r, "bitwise");
	put32(r, NFTA_BITWISE_SREG, REG);
	put32(r, NFTA_BITWISE_DREG, REG);
	put32(r, NFTA_BITWISE_LEN, (uint32_t)len);
	put_value(r->nlh, NFTA_BITWISE_MASK, mask, len);
	put_value(r->nlh, NFTA_BITWISE_XOR, zero, len);
	end(r);
}

void nft_to_host(struct nft_rule *r)
{
	if (!r->nlh)
		return;
	begin(r, "byteorder");
	put32(r, NFTA_BYTEORDER_SREG, REG);
	put32(r, NFTA_BYTEORDER_DREG, REG);
	put32(r, NFTA_BYTEORDER_OP, NFT_BYTEORDER_NTOH);
	put32(r, NFTA_BYTEORDER_LEN, sizeof(uint32_t));
	put32(r, NFTA_BYTEORDER_SIZE, sizeof(uint32_t));
	end(r);
}

void nft_immediate(struct nft_rule *r, const void *value, size_t len)
{
	if (!r->nlh)
		return;
	begin(r, "immediate");
	put32(r, NFTA_IMMEDIATE_DREG, REG);
	put_value(r->nlh, NFTA_IMMEDIATE_DATA, value, len);
	end(r);
}

void nft_payload_link(struct nft_rule *r, uint32_t offset, uint32_t len)
{
	if (!r->nlh)
		return;
	begin(r, "payload");
	put32(r, NFTA_PAYLOAD_DREG, REG);
	put32(r, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_LL_HEADER);
	put32(r, NFTA_PAYLOAD_OFFSET, offset);
	put32(r, NFTA_PAYLOAD_LEN, len);
	end(r);
}

static void verdict(struct nft_rule *r, uint32_t code)
{
	struct nlattr *data, *verdict;

	begin(r, "immediate");
	put32(r, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(r->nlh, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(r->nlh, NFTA_DATA_VERDICT);
	put32(r, NFTA_VERDICT_CODE, code);
	mnl_attr_nest_end(r->nlh, verdict);
	mnl_attr_nest_end(r->nlh, data);
	end(r);
}

void nft_drop_invalid(struct nft_rule *r)
{
	const uint32_t invalid = NF_CT_STATE_INVALID_BIT;

	if (!r->nlh)
		return;
	begin(r, "ct");
	put32(r, NFTA_CT_KEY, NFT_CT_STATE);
	put32(r, NFTA_CT_DREG, REG);
	end(r);
	nft_and(r, &invalid, sizeof(invalid));
	nft_compare(r, &invalid, sizeof(invalid));
	verdict(r, NF_DROP);
}

void nft_zone_original(struct nft_rule *r)
{
	if (!r->nlh)
		return;
	begin(r, "ct");
	put32(r, NFTA_CT_KEY, NFT_CT_ZONE);
	put32(r, NFTA_CT_SREG, REG);
	mnl_attr_put_u8(r->nlh, NFTA_CT_DIRECTION, 0);
	end(r);
}

void nft_timeout(struct nft_rule *r, const char *name)
{
	if (!r->nlh)
		return;
	begin(r, "objref");
	put32(r, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_CT_TIMEOUT);
	mnl_attr_put_strz(r->nlh, NFTA_OBJREF_IMM_NAME, name);
	end(r);
}

void nft_lookup(struct nft_rule *r, const struct nft_map *m)
{
	if (!r->nlh)
		return;
	begin(r, "lookup");
	mnl_attr_put_strz(r->nlh, NFTA_LOOKUP_SET, m->name);
	put32(r, NFTA_LOOKUP_SREG, REG);
	put32(r, NFTA_LOOKUP_DREG, REG);
	end(r);
}

/* To what the map's value is: an address, and behind it a port if there is one. */
void nft_dnat(struct nft_rule *r, const struct nft_map *m)
{
	uint32_t address = m->data_len >= 16 ? 16 : 4;

	if (!r->nlh)
		return;
	begin(r, "nat");
	put32(r, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put32(r, NFTA_NAT_FAMILY, address == 16 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	put32(r, NFTA_NAT_REG_ADDR_MIN, REG);
	if (m->data_len > address)
		put32(r, NFTA_NAT_REG_PROTO_MIN, NFT_REG32_00 + address / 4);
	end(r);
}
