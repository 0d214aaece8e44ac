// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "rtnl.h"
#include "rtnl_internal.h"
#include "why.h"

static void parse_kind(const struct nlattr *info, struct rtnl_link *out)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			strncpy(out->kind, mnl_attr_get_str(a), sizeof(out->kind) - 1);
	}
}

static void parse_link_attr(const struct nlattr *a, struct rtnl_link *out)
{
	size_t len;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		strncpy(out->name, mnl_attr_get_str(a), sizeof(out->name) - 1);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(out->mac))
			memcpy(out->mac, mnl_attr_get_payload(a), sizeof(out->mac));
		break;
	case IFLA_MTU:
		out->mtu = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK:
		out->peer = mnl_attr_get_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		out->peer_nsid = (int)mnl_attr_get_u32(a);
		break;
	case IFLA_MASTER:
		out->master = mnl_attr_get_u32(a);
		break;
	case IFLA_OPERSTATE:
		out->operstate = mnl_attr_get_u8(a);
		break;
	case IFLA_CARRIER:
		out->carrier = mnl_attr_get_u8(a);
		break;
	case IFLA_QDISC:
		strncpy(out->qdisc, mnl_attr_get_str(a), sizeof(out->qdisc) - 1);
		break;
	case IFLA_TXQLEN:
		out->txqlen = mnl_attr_get_u32(a);
		break;
	case IFLA_LINKINFO:
		parse_kind(a, out);
		break;
	case IFLA_STATS64:
		len = mnl_attr_get_payload_len(a);
		memcpy(&out->stats, mnl_attr_get_payload(a),
		       len < sizeof(out->stats) ? len : sizeof(out->stats));
		break;
	}
}

int rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *out)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->ifindex = (uint32_t)ifi->ifi_index;
	out->flags = ifi->ifi_flags;
	out->type = ifi->ifi_type;
	out->peer_nsid = RTNL_HERE;
	mnl_attr_for_each(a, nlh, sizeof(*ifi))
		parse_link_attr(a, out);
	return 0;
}

static int see_link(const struct nlmsghdr *nlh, void *arg)
{
	return rtnl_parse_link(nlh, arg) ? 0 : 1;
}

static struct ifinfomsg *start_link(struct rtnl_request *q, uint16_t type, uint16_t flags,
				    uint32_t ifindex)
{
	struct ifinfomsg *ifi;

	rtnl_start(q, type, flags);
	ifi = mnl_nlmsg_put_extra_header(q->nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return ifi;
}

static int one_link(struct rtnl *r, struct rtnl_request *q, struct rtnl_link *out)
{
	struct rtnl_link link;
	int err = rtnl_talk(r, q, see_link, &link);

	if (err < 0)
		return err;
	if (err == 0)
		return -ENODEV;
	*out = link;
	return 0;
}

int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out)
{
	struct rtnl_request q;

	if (strlen(name) >= IFNAMSIZ)
		return cv_plain(-ENODEV);
	start_link(&q, RTM_GETLINK, NLM_F_ACK, 0);
	mnl_attr_put_strz(q.nlh, IFLA_IFNAME, name);
	return one_link(r, &q, out);
}

int rtnl_link_by_index(struct rtnl *r, int nsid, uint32_t ifindex, struct rtnl_link *out)
{
	struct rtnl_request q;

	start_link(&q, RTM_GETLINK, NLM_F_ACK, ifindex);
	if (nsid != RTNL_HERE)
		mnl_attr_put_u32(q.nlh, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	return one_link(r, &q, out);
}

struct each_link {
	int (*each)(const struct rtnl_link *link, void *arg);
	void *arg;
};

static int see_each_link(const struct nlmsghdr *nlh, void *arg)
{
	struct each_link *e = arg;
	struct rtnl_link link;

	return rtnl_parse_link(nlh, &link) ? 0 : e->each(&link, e->arg);
}

int rtnl_each_link(struct rtnl *r, int (*each)(const struct rtnl_link *link, void *arg), void *arg)
{
	struct each_link e = { each, arg };
	struct rtnl_request q;

	start_link(&q, RTM_GETLINK, NLM_F_DUMP, 0);
	return rtnl_talk(r, &q, see_each_link, &e);
}

static void put_ipv6_addrgen(struct nlmsghdr *nlh, uint8_t mode)
{
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
}

static void put_ends(struct nlmsghdr *nlh, const char *name, const struct rtnl_veth *veth)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, veth->mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	if (!veth->queues)
		return;
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, veth->queues);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, veth->queues);
}

int rtnl_veth_add(struct rtnl *r, const struct rtnl_veth *veth)
{
	struct nlattr *info, *data, *peer;
	struct ifinfomsg *ifi, *peer_ifi;
	struct rtnl_request q;

	ifi = start_link(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0);
	ifi->ifi_flags = IFF_NOARP | IFF_UP;
	ifi->ifi_change = IFF_NOARP | IFF_UP;
	put_ends(q.nlh, veth->name, veth);
	info = mnl_attr_nest_start(q.nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(q.nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(q.nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(q.nlh, VETH_INFO_PEER);
	peer_ifi = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*peer_ifi));
	peer_ifi->ifi_flags = veth->noarp ? IFF_NOARP : 0;
	peer_ifi->ifi_change = IFF_NOARP;
	put_ends(q.nlh, veth->peer_name, veth);
	mnl_attr_put_u32(q.nlh, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	mnl_attr_nest_end(q.nlh, peer);
	mnl_attr_nest_end(q.nlh, data);
	mnl_attr_nest_end(q.nlh, info);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_del(struct rtnl *r, uint32_t ifindex)
{
	struct rtnl_request q;

	start_link(&q, RTM_DELLINK, NLM_F_ACK, ifindex);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_flags(struct rtnl *r, uint32_t ifindex, uint32_t flags, uint32_t mask)
{
	struct rtnl_request q;
	struct ifinfomsg *ifi = start_link(&q, RTM_NEWLINK, NLM_F_ACK, ifindex);

	ifi->ifi_flags = flags & mask;
	ifi->ifi_change = mask;
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_mac(struct rtnl *r, uint32_t ifindex, const uint8_t mac[6])
{
	struct rtnl_request q;

	start_link(&q, RTM_NEWLINK, NLM_F_ACK, ifindex);
	mnl_attr_put(q.nlh, IFLA_ADDRESS, 6, mac);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_mtu(struct rtnl *r, uint32_t ifindex, uint32_t mtu)
{
	struct rtnl_request q;

	start_link(&q, RTM_NEWLINK, NLM_F_ACK, ifindex);
	mnl_attr_put_u32(q.nlh, IFLA_MTU, mtu);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_move(struct rtnl *r, uint32_t ifindex, int netns)
{
	struct rtnl_request q;

	start_link(&q, RTM_NEWLINK, NLM_F_ACK, ifindex);
	mnl_attr_put_u32(q.nlh, IFLA_NET_NS_FD, (uint32_t)netns);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_link_addrgen(struct rtnl *r, uint32_t ifindex, uint8_t mode)
{
	struct rtnl_request q;

	start_link(&q, RTM_NEWLINK, NLM_F_ACK, ifindex);
	put_ipv6_addrgen(q.nlh, mode);
	return rtnl_talk(r, &q, NULL, NULL);
}
