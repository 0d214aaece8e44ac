// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy rules, and the routes of the tables that they lead to. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "rtnl.h"
#include "rtnl_internal.h"
#include "why.h"

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- rules ----------------------------------------------------------------------- */

static void parse_rule_attr(const struct nlattr *a, struct rtnl_rule *out)
{
	switch (mnl_attr_get_type(a)) {
	case FRA_PRIORITY:
		out->preference = mnl_attr_get_u32(a);
		break;
	case FRA_TABLE:
		out->table = mnl_attr_get_u32(a);
		break;
	case FRA_GOTO:
		out->target = mnl_attr_get_u32(a);
		break;
	case FRA_FWMARK:
		out->mark = mnl_attr_get_u32(a);
		break;
	case FRA_PROTOCOL:
		out->protocol = mnl_attr_get_u8(a);
		break;
	case FRA_IIFNAME:
		strncpy(out->iif, mnl_attr_get_str(a), sizeof(out->iif) - 1);
		break;
	case FRA_DST:
		memcpy(&out->to, mnl_attr_get_payload(a),
		       mnl_attr_get_payload_len(a) < sizeof(out->to) ? mnl_attr_get_payload_len(a) :
								       sizeof(out->to));
		break;
	case FRA_IP_PROTO:
		out->ipproto = mnl_attr_get_u8(a);
		break;
	case FRA_DPORT_RANGE:
		memcpy(out->ports, mnl_attr_get_payload(a), sizeof(out->ports));
		break;
	case FRA_FWMASK:
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_PAD:
		break;
	default:
		out->others = true;
	}
}

struct each_rule {
	int (*each)(const struct rtnl_rule *rule, void *arg);
	void *arg;
};

static int see_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	struct rtnl_rule rule = { .family = h->family, .action = h->action, .table = h->table };
	struct each_rule *e = arg;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWRULE)
		return 0;
	rule.plen = h->dst_len;
	rule.others = h->src_len || h->tos || h->flags & FIB_RULE_INVERT;
	mnl_attr_for_each(a, nlh, sizeof(*h))
		parse_rule_attr(a, &rule);
	return e->each(&rule, e->arg);
}

int rtnl_each_rule(struct rtnl *r, uint8_t family,
		   int (*each)(const struct rtnl_rule *rule, void *arg), void *arg)
{
	struct each_rule e = { each, arg };
	struct rtnl_request q;
	struct fib_rule_hdr *h;

	rtnl_start(&q, RTM_GETRULE, NLM_F_DUMP);
	h = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*h));
	h->family = family;
	return rtnl_talk(r, &q, see_rule, &e);
}

static int rule(struct rtnl *r, uint16_t type, uint16_t flags, const struct rtnl_rule *rule)
{
	struct rtnl_request q;
	struct fib_rule_hdr *h;

	rtnl_start(&q, type, flags | NLM_F_ACK);
	h = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*h));
	h->family = rule->family;
	h->action = rule->action;
	h->table = RT_TABLE_UNSPEC;
	h->dst_len = rule->plen;
	mnl_attr_put_u32(q.nlh, FRA_PRIORITY, rule->preference);
	mnl_attr_put_u8(q.nlh, FRA_PROTOCOL, rule->protocol);
	if (rule->action == FR_ACT_TO_TBL)
		mnl_attr_put_u32(q.nlh, FRA_TABLE, rule->table);
	if (rule->action == FR_ACT_GOTO)
		mnl_attr_put_u32(q.nlh, FRA_GOTO, rule->target);
	if (rule->mark)
		mnl_attr_put_u32(q.nlh, FRA_FWMARK, rule->mark);
	if (rule->iif[0])
		mnl_attr_put_strz(q.nlh, FRA_IIFNAME, rule->iif);
	if (rule->plen)
		mnl_attr_put(q.nlh, FRA_DST, addr_size(rule->family), &rule->to);
	if (rule->ipproto)
		mnl_attr_put_u8(q.nlh, FRA_IP_PROTO, rule->ipproto);
	if (rule->ports[0])
		mnl_attr_put(q.nlh, FRA_DPORT_RANGE, sizeof(rule->ports), rule->ports);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *new)
{
	return rule(r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, new);
}

int rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *old)
{
	return rule(r, RTM_DELRULE, 0, old);
}

/* ---- routes ---------------------------------------------------------------------- */

struct each_route {
	int (*each)(const struct rtnl_route *route, void *arg);
	void *arg;
};

static int see_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	struct rtnl_route route = { .family = m->rtm_family,
				    .plen = m->rtm_dst_len,
				    .table = m->rtm_table,
				    .protocol = m->rtm_protocol };
	struct each_route *e = arg;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	mnl_attr_for_each(a, nlh, sizeof(*m)) {
		uint16_t len = mnl_attr_get_payload_len(a), type = mnl_attr_get_type(a);

		if (type == RTA_DST && len <= sizeof(route.addr))
			memcpy(&route.addr, mnl_attr_get_payload(a), len);
		else if (type == RTA_PREFSRC && len <= sizeof(route.source))
			memcpy(&route.source, mnl_attr_get_payload(a), len);
		else if (type == RTA_TABLE)
			route.table = mnl_attr_get_u32(a);
		else if (type == RTA_OIF)
			route.ifindex = mnl_attr_get_u32(a);
	}
	return e->each(&route, e->arg);
}

int rtnl_each_route(struct rtnl *r, uint8_t family, uint32_t table,
		    int (*each)(const struct rtnl_route *route, void *arg), void *arg)
{
	struct each_route e = { each, arg };
	struct rtnl_request q;
	struct rtmsg *m;
	int err;

	rtnl_start(&q, RTM_GETROUTE, NLM_F_DUMP);
	m = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*m));
	m->rtm_family = family;
	mnl_attr_put_u32(q.nlh, RTA_TABLE, table);
	err = rtnl_talk(r, &q, see_route, &e);
	return err == -ENOENT ? 0 : err; /* there is no such table yet */
}

static int route(struct rtnl *r, uint16_t type, uint16_t flags, const struct rtnl_route *route)
{
	static const union cv_addr none;
	struct rtnl_request q;
	struct rtmsg *m;

	rtnl_start(&q, type, flags | NLM_F_ACK);
	m = mnl_nlmsg_put_extra_header(q.nlh, sizeof(*m));
	m->rtm_family = route->family;
	m->rtm_dst_len = route->plen;
	m->rtm_protocol = RTNL_PROTO_CULVERT;
	m->rtm_scope = route->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(q.nlh, RTA_TABLE, route->table);
	if (route->plen)
		mnl_attr_put(q.nlh, RTA_DST, addr_size(route->family), &route->addr);
	mnl_attr_put_u32(q.nlh, RTA_OIF, route->ifindex);
	if (memcmp(&route->source, &none, sizeof(none)) != 0)
		mnl_attr_put(q.nlh, RTA_PREFSRC, addr_size(route->family), &route->source);
	return rtnl_talk(r, &q, NULL, NULL);
}

int rtnl_table_add(struct rtnl *r, const struct rtnl_route *new)
{
	return route(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, new);
}

int rtnl_table_del(struct rtnl *r, const struct rtnl_route *old)
{
	return route(r, RTM_DELROUTE, 0, old);
}
