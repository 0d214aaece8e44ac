// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses and host routes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "rtnl.h"
#include "rtnl_internal.h"

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static void parse_addr_attr(const struct nlattr *a, struct rtnl_addr *out)
{
	const struct ifa_cacheinfo *info;
	size_t len = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case IFA_ADDRESS:
		/* Of a point-to-point device this is the other side's; IFA_LOCAL then follows. */
		if (len <= sizeof(out->addr) && !out->addr.q[0] && !out->addr.q[1])
			memcpy(&out->addr, mnl_attr_get_payload(a), len);
		break;
	case IFA_LOCAL:
		if (len <= sizeof(out->addr))
			memcpy(&out->addr, mnl_attr_get_payload(a), len);
		break;
	case IFA_FLAGS:
		out->flags = mnl_attr_get_u32(a);
		break;
	case IFA_CACHEINFO:
		info = mnl_attr_get_payload(a);
		if (len >= sizeof(*info)) {
			out->valid = info->ifa_valid;
			out->preferred = info->ifa_prefered;
		}
		break;
	}
}

int rtnl_parse_addr(const struct nlmsghdr *nlh, struct rtnl_addr *out)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_DELADDR)
		return -EINVAL;
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->family = ifa->ifa_family;
	out->plen = ifa->ifa_prefixlen;
	out->scope = ifa->ifa_scope;
	out->flags = ifa->ifa_flags;
	out->ifindex = ifa->ifa_index;
	mnl_attr_for_each(a, nlh, sizeof(*ifa))
		parse_addr_attr(a, out);
	return 0;
}

static void start_addr(struct rtnl_request *q, uint16_t type, uint16_t flags,
		       const struct rtnl_addr *addr)
{
	struct ifaddrmsg *ifa;

	rtnl_start(q, type, flags);
	ifa = mnl_nlmsg_put_extra_header(q->nlh, sizeof(*ifa));
	ifa->ifa_family = addr->family;
	ifa->ifa_prefixlen = addr->plen;
	ifa->ifa_scope = addr->scope;
	ifa->ifa_index = addr->ifindex;
	mnl_attr_put(q->nlh, IFA_LOCAL, addr_size(addr->family), &addr->addr);
	mnl_attr_put(q->nlh, IFA_ADDRESS, addr_size(addr->family), &addr->addr);
}

int rtnl_addr_add(struct rtnl *r, const struct rtnl_addr *addr)
{
	struct rtnl_request q;

	start_addr(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, addr);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_addr_del(struct rtnl *r, const struct rtnl_addr *addr)
{
	struct rtnl_request q;

	start_addr(&q, RTM_DELADDR, NLM_F_ACK, addr);
	return rtnl_talk(r, &q, NULL, NULL);
}

struct each_addr {
	int (*each)(const struct rtnl_addr *addr, void *arg);
	void *arg;
	uint32_t ifindex;
};

static int see_each_addr(const struct nlmsghdr *nlh, void *arg)
{
	struct each_addr *e = arg;
	struct rtnl_addr addr;

	if (rtnl_parse_addr(nlh, &addr) || (e->ifindex && addr.ifindex != e->ifindex))
		return 0;
	return e->each(&addr, e->arg);
}

int rtnl_each_addr(struct rtnl *r, int nsid, uint32_t ifindex,
		   int (*each)(const struct rtnl_addr *addr, void *arg), void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct each_addr e = { each, arg, ifindex };
	int err = 0;

	for (unsigned int i = 0; i < 2 && !err; i++) {
		struct rtnl_request q;
		struct ifaddrmsg *ifa;

		rtnl_start(&q, RTM_GETADDR, NLM_F_DUMP);
		ifa = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*ifa));
		ifa->ifa_family = families[i];
		ifa->ifa_index = ifindex;
		if (nsid != RTNL_HERE)
			mnl_attr_put_u32(q.nlh, IFA_TARGET_NETNSID, (uint32_t)nsid);
		err = rtnl_talk(r, &q, see_each_addr, &e);
	}
	return err;
}

static int route(struct rtnl *r, uint16_t type, uint16_t flags, uint8_t family,
		 const union cv_addr *addr, uint32_t ifindex)
{
	struct rtnl_request q;
	struct rtmsg *rtm;

	rtnl_start(&q, type, flags | NLM_F_ACK);
	rtm = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*rtm));
	rtm->rtm_family = family;
	rtm->rtm_dst_len = (uint8_t)(addr_size(family) * 8);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTNL_PROTO_CULVERT;
	rtm->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put(q.nlh, RTA_DST, addr_size(family), addr);
	mnl_attr_put_u32(q.nlh, RTA_OIF, ifindex);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_route_add(struct rtnl *r, uint8_t family, const union cv_addr *addr, uint32_t ifindex)
{
	return route(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, family, addr, ifindex);
}

int rtnl_route_del(struct rtnl *r, uint8_t family, const union cv_addr *addr, uint32_t ifindex)
{
	return route(r, RTM_DELROUTE, 0, family, addr, ifindex);
}
