// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "local.h"
#include "rtnl_internal.h"
#include "tick.h"
#include "why.h"

/* How long what the kernel said stands for a command that makes many edits, ns. */
#define FRESH_NS 1000000000ULL

/* A route of the table `local`: RTN_LOCAL or RTN_BROADCAST. */
struct local_route {
	union cv_addr addr;
	uint8_t family, length, type;
};

struct local_addrs {
	uint64_t read; /* when, ns */
	struct local_route *routes;
	size_t n, room;
};

static int add_route(struct local_addrs *l, const struct local_route *r)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct local_route *more = realloc(l->routes, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->routes = more;
		l->room = room;
	}
	l->routes[l->n++] = *r;
	return 0;
}

static int each_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct local_route r = { .family = m->rtm_family,
				 .length = m->rtm_dst_len,
				 .type = m->rtm_type };
	const struct nlattr *a;

	if (m->rtm_table != RT_TABLE_LOCAL ||
	    (m->rtm_type != RTN_LOCAL && m->rtm_type != RTN_BROADCAST))
		return 0;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		uint16_t size = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == RTA_DST && size <= sizeof(r.addr))
			memcpy(&r.addr, mnl_attr_get_payload(a), size);
	}
	return add_route(arg, &r);
}

/* The kernel filters: of a large routing table we want the local part. */
static int read_routes(struct rtnl *nl, struct local_addrs *l, uint8_t family)
{
	struct rtnl_request q;
	struct nlmsghdr *h = rtnl_start(&q, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int err;

	m->rtm_family = family;
	m->rtm_table = RT_TABLE_LOCAL;
	err = rtnl_talk(nl, &q, each_route, l);
	return err == -ENOENT ? 0 : err; /* there is no such table before the first address */
}

static int read_all(struct cv *cv)
{
	_cleanup_(rtnl_close) struct rtnl nl = {};
	int err;

	if (cv->local && tick_ns() - cv->local->read < FRESH_NS)
		return 0;
	local_forget(cv);
	err = rtnl_open(&nl, RTNL_HERE);
	if (err)
		return err;
	cv->local = calloc(1, sizeof(*cv->local));
	if (!cv->local)
		return cv_plain(-ENOMEM);
	err = read_routes(&nl, cv->local, AF_INET);
	if (!err)
		err = read_routes(&nl, cv->local, AF_INET6);
	if (err) {
		local_forget(cv);
		return cv_fail(err, "cannot read the local routes: %s", strerror(-err));
	}
	cv->local->read = tick_ns();
	return 0;
}

static bool covers(const struct local_route *r, const union cv_addr *addr)
{
	unsigned int whole = r->length / 8, bits = r->length % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	return memcmp(r->addr.b, addr->b, whole) == 0 &&
	       (!bits || !((r->addr.b[whole] ^ addr->b[whole]) & mask));
}

/* inet_addr_type() before it looks into the table: 0.0.0.0/8, 255.255.255.255, 224.0.0.0/4. */
static bool unfit4(const union cv_addr *addr)
{
	uint32_t a = ntohl(addr->v4);

	return a >> 24 == 0 || a == INADDR_BROADCAST || IN_MULTICAST(a);
}

/* Not IPV6_ADDR_UNICAST to ipv6_addr_type(), or link-local. */
static bool unfit6(const union cv_addr *addr)
{
	const struct in6_addr *a = (const struct in6_addr *)addr;

	return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_MULTICAST(a) || IN6_IS_ADDR_V4MAPPED(a) ||
	       IN6_IS_ADDR_LINKLOCAL(a);
}

int local_type(struct cv *cv, uint8_t family, const union cv_addr *addr)
{
	const struct local_route *best = NULL;
	bool unfit = family == AF_INET ? unfit4(addr) : unfit6(addr);
	int err;

	if (unfit && family == AF_INET)
		return ADDR_UNFIT;
	err = read_all(cv);
	if (err)
		return err;
	for (size_t i = 0; i < cv->local->n; i++) {
		const struct local_route *r = &cv->local->routes[i];

		if (r->family == family && covers(r, addr) && (!best || r->length > best->length))
			best = r;
	}
	if (best && best->type == RTN_LOCAL)
		return ADDR_LOCAL;
	return best || unfit ? ADDR_UNFIT : ADDR_UNICAST;
}

static int each_source(const struct nlmsghdr *h, void *arg)
{
	union cv_addr *out = arg;
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct rtmsg)) {
		uint16_t size = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == RTA_PREFSRC && size <= sizeof(*out))
			memcpy(out, mnl_attr_get_payload(a), size);
	}
	return 0;
}

int local_source(uint8_t family, const union cv_addr *addr, union cv_addr *out)
{
	_cleanup_(rtnl_close) struct rtnl nl = {};
	uint16_t size = family == AF_INET ? sizeof(addr->v4) : sizeof(*addr);
	struct rtnl_request q;
	struct nlmsghdr *h = rtnl_start(&q, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int err = rtnl_open(&nl, RTNL_HERE);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	m->rtm_family = family;
	m->rtm_dst_len = 8 * size;
	mnl_attr_put(h, RTA_DST, size, addr);
	/* Without a route there is none yet: the data path finds none either. */
	rtnl_talk(&nl, &q, each_source, out);
	return 0;
}

void local_forget(struct cv *cv)
{
	if (!cv->local)
		return;
	free(cv->local->routes);
	free(cv->local);
	cv->local = NULL;
}
