// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "cleanup.h"
#include "netns.h"
#include "rtnl.h"
#include "rtnl_internal.h"
#include "why.h"

int rtnl_open(struct rtnl *out, int netns)
{
	struct netns_visit visit;
	struct mnl_socket *nl;
	int on = 1, err;

	err = netns_enter(&visit, netns);
	if (err)
		return err;
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	err = nl ? 0 : -errno;
	netns_leave(&visit);
	if (err)
		return cv_fail(err, "cannot open a netlink socket: %s", strerror(-err));
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(nl);
		return cv_fail(err, "cannot bind a netlink socket: %s", strerror(-err));
	}
	out->nl = nl;
	out->seq = 0;
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->nl)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

struct nlmsghdr *rtnl_start(struct rtnl_request *q, uint16_t type, uint16_t flags)
{
	memset(q, 0, sizeof(*q));
	q->nlh = mnl_nlmsg_put_header(q->room);
	q->nlh->nlmsg_type = type;
	q->nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return q->nlh;
}

static int find_text(const struct nlattr *attr, void *arg)
{
	const char **text = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static int with_text(const struct nlmsghdr *nlh, int err, size_t off)
{
	const char *text = NULL;

	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, off, find_text, &text);
	return text ? cv_fail(err, "%s", text) : cv_plain(err);
}

/* The errno of a refusal, with the kernel's own words where there are some. */
static int refusal(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t off = sizeof(*e);

	if (e->error == 0)
		return 0;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += mnl_nlmsg_get_payload_len(&e->msg);
	return with_text(nlh, e->error, off);
}

/* A list that the kernel could not tell to its end says so in its last message. */
static int done(const struct nlmsghdr *nlh)
{
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(err))
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	return err < 0 ? with_text(nlh, err, MNL_ALIGN(sizeof(err))) : 0;
}

void rtnl_answer_free(struct rtnl_answer *a)
{
	free(a->messages);
}

static int keep(struct rtnl_answer *a, const struct nlmsghdr *nlh)
{
	size_t len = MNL_ALIGN(nlh->nlmsg_len);
	char *more = realloc(a->messages, a->used + len);

	if (!more)
		return cv_plain(-ENOMEM);
	a->messages = more;
	memset(more + a->used + nlh->nlmsg_len, 0, len - nlh->nlmsg_len);
	memcpy(more + a->used, nlh, nlh->nlmsg_len);
	a->used += len;
	return 0;
}

/* One datagram. 1: there is more to come. */
static int consume(struct rtnl *r, const char *room, int len, struct rtnl_answer *a)
{
	const struct nlmsghdr *nlh = (const void *)room;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		int err;

		if (nlh->nlmsg_seq != r->seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			a->broken = true;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return refusal(nlh);
		if (nlh->nlmsg_type == NLMSG_DONE)
			return done(nlh);
		err = keep(a, nlh);
		if (err)
			return err;
	}
	return 1;
}

int rtnl_ask(struct rtnl *r, struct rtnl_request *q, struct rtnl_answer *a)
{
	char room[32768] __attribute__((aligned(8)));
	ssize_t len;
	int err;

	a->used = 0;
	a->broken = false;
	q->nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->nl, q->nlh, q->nlh->nlmsg_len) < 0)
		return cv_fail(-errno, "netlink: %s", strerror(errno));
	do {
		len = mnl_socket_recvfrom(r->nl, room, sizeof(room));
		if (len < 0 && errno != EINTR)
			return cv_fail(-errno, "netlink: %s", strerror(errno));
		err = len < 0 ? 1 : consume(r, room, (int)len, a);
	} while (err > 0);
	return err;
}

int rtnl_changed(void)
{
	return cv_fail(-EAGAIN, "netlink: what was to be listed has changed %d times meanwhile",
		       RTNL_LIST_TRIES);
}

int rtnl_answer_each(const struct rtnl_answer *a, rtnl_each_fn each, void *arg)
{
	int left = (int)a->used, stopped = 0;

	for (const struct nlmsghdr *nlh = (const void *)a->messages;
	     !stopped && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		stopped = each(nlh, arg);
	return stopped;
}

int rtnl_talk(struct rtnl *r, struct rtnl_request *q, rtnl_each_fn each, void *arg)
{
	_cleanup_(rtnl_answer_free) struct rtnl_answer a = {};
	int err;

	for (int tries = 0; tries < RTNL_LIST_TRIES; tries++) {
		err = rtnl_ask(r, q, &a);
		if (err || !a.broken)
			break;
	}
	if (!err && a.broken)
		err = rtnl_changed();
	return err || !each ? err : rtnl_answer_each(&a, each, arg);
}

struct one_nsid {
	int id;
};

static int see_nsid(const struct nlmsghdr *nlh, void *arg)
{
	struct one_nsid *one = arg;
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct rtgenmsg)) {
		if (mnl_attr_get_type(a) == NETNSA_NSID)
			one->id = (int)mnl_attr_get_u32(a);
	}
	return 0;
}

int rtnl_nsid(struct rtnl *r, int netns)
{
	struct one_nsid one = { -1 };
	struct rtnl_request q;
	struct rtgenmsg *gen;
	int err;

	rtnl_start(&q, RTM_GETNSID, NLM_F_ACK);
	gen = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*gen));
	gen->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(q.nlh, NETNSA_FD, (uint32_t)netns);
	err = rtnl_talk(r, &q, see_nsid, &one);
	if (err)
		return err;
	return one.id < 0 ? -ENOENT : one.id;
}
