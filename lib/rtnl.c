// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

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

/* The errno of a refusal, with the kernel's own words where there are some. */
static int refusal(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	const char *text = NULL;
	size_t off = sizeof(*e);

	if (e->error == 0)
		return 0;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += mnl_nlmsg_get_payload_len(&e->msg);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, off, find_text, &text);
	return text ? cv_fail(e->error, "%s", text) : cv_plain(e->error);
}

/* One answer's worth of messages. 1: there is more to come. */
static int consume(struct rtnl *r, const char *room, int len, rtnl_each_fn each, void *arg,
		   int *stopped)
{
	const struct nlmsghdr *nlh = (const void *)room;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != r->seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return refusal(nlh);
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (each && !*stopped)
			*stopped = each(nlh, arg);
	}
	return 1;
}

int rtnl_talk(struct rtnl *r, struct rtnl_request *q, rtnl_each_fn each, void *arg)
{
	char room[32768] __attribute__((aligned(8)));
	int stopped = 0, err;
	ssize_t len;

	q->nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->nl, q->nlh, q->nlh->nlmsg_len) < 0)
		return cv_fail(-errno, "netlink: %s", strerror(errno));
	do {
		len = mnl_socket_recvfrom(r->nl, room, sizeof(room));
		if (len < 0) {
			if (errno == EINTR)
				continue;
			return cv_fail(-errno, "netlink: %s", strerror(errno));
		}
		err = consume(r, room, (int)len, each, arg, &stopped);
	} while (len < 0 || err > 0);
	return err ? err : stopped;
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
