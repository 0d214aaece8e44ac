// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules and routes that lead to culvert0: what should be there against what is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "cleanup.h"
#include "culvert0.h"
#include "why.h"

/* A growing array of rules or of routes. */
struct list {
	void *items;
	size_t size, n, room;
};

static void cleanup_list(struct list *l)
{
	free(l->items);
}

static void *list_at(const struct list *l, size_t i)
{
	return (char *)l->items + i * l->size;
}

static int list_add(struct list *l, const void *item)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		void *more = realloc(l->items, room * l->size);

		if (!more)
			return cv_plain(-ENOMEM);
		l->items = more;
		l->room = room;
	}
	memcpy(list_at(l, l->n++), item, l->size);
	return 0;
}

/* ---- rules ------------------------------------------------------------------ */

#define RULES                                    \
	{                                        \
		.size = sizeof(struct rtnl_rule) \
	}

static struct rtnl_rule local_rule(uint8_t family, uint32_t preference, uint8_t protocol)
{
	return (struct rtnl_rule){ .family = family,
				   .action = FR_ACT_TO_TBL,
				   .protocol = protocol,
				   .preference = preference,
				   .table = RT_TABLE_LOCAL };
}

static bool same_rule(const struct rtnl_rule *a, const struct rtnl_rule *b)
{
	return a->action == b->action && a->preference == b->preference && a->table == b->table &&
	       a->target == b->target && a->mark == b->mark && a->plen == b->plen &&
	       a->ipproto == b->ipproto && strcmp(a->iif, b->iif) == 0;
}

static int rule_order(const void *pa, const void *pb)
{
	const struct rtnl_rule *a = pa, *b = pb;

	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->action != b->action)
		return a->action < b->action ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->mark != b->mark)
		return a->mark < b->mark ? -1 : 1;
	if (a->plen != b->plen)
		return a->plen < b->plen ? -1 : 1;
	if (a->ipproto != b->ipproto)
		return a->ipproto < b->ipproto ? -1 : 1;
	if (memcmp(a->ports, b->ports, sizeof(a->ports)) != 0)
		return memcmp(a->ports, b->ports, sizeof(a->ports));
	if (memcmp(&a->to, &b->to, sizeof(a->to)) != 0)
		return memcmp(&a->to, &b->to, sizeof(a->to));
	return strcmp(a->iif, b->iif);
}

static bool in_sorted(const struct list *l, const struct rtnl_rule *rule)
{
	return l->n && bsearch(rule, l->items, l->n, l->size, rule_order);
}

/* R5 */
static int lead_flows(const struct culvert0_wants *w, const struct culvert0_names *attached,
		      struct list *out)
{
	struct rtnl_rule rule = { .family = w->family,
				  .action = FR_ACT_TO_TBL,
				  .protocol = RTNL_PROTO_CULVERT,
				  .table = CULVERT0_TABLE_MARKS,
				  .plen = w->family == AF_INET ? 32 : 128 };
	int err = 0;

	for (size_t i = 0; i < w->n_flows * attached->n && !err; i++) {
		const struct culvert0_flow *flow = &w->flows[i / attached->n];

		rule.to = flow->to;
		rule.ipproto = flow->ipproto;
		memcpy(rule.ports, flow->ports, sizeof(rule.ports));
		memcpy(rule.iif, attached->names[i % attached->n], IFNAMSIZ);
		err = list_add(out, &rule);
	}
	return err;
}

/* In the order in which they must stand. */
static int wanted_rules(const struct culvert0_wants *w, const struct culvert0_names *guards,
			const struct culvert0_names *attached, struct list *out)
{
	struct rtnl_rule rule = local_rule(w->family, 1, RTNL_PROTO_CULVERT);
	int err;

	if (!w->n_marks && !w->n_addrs)
		return 0;
	err = list_add(out, &rule);
	rule = (struct rtnl_rule){ .family = w->family,
				   .action = FR_ACT_GOTO,
				   .protocol = RTNL_PROTO_CULVERT,
				   .target = 1,
				   .iif = CULVERT0_NAME };
	if (!err)
		err = list_add(out, &rule);
	for (size_t i = 0; i < guards->n && !err; i++) {
		rule = (struct rtnl_rule){ .family = w->family,
					   .action = FR_ACT_BLACKHOLE,
					   .protocol = RTNL_PROTO_CULVERT,
					   .preference = 1 };
		memcpy(rule.iif, guards->names[i], IFNAMSIZ);
		err = list_add(out, &rule);
	}
	rule = (struct rtnl_rule){ .family = w->family,
				   .action = FR_ACT_TO_TBL,
				   .protocol = RTNL_PROTO_CULVERT,
				   .table = CULVERT0_TABLE_OWN,
				   .iif = "lo" };
	if (!err && w->n_addrs)
		err = list_add(out, &rule);
	rule.table = CULVERT0_TABLE_MARKS;
	memset(rule.iif, 0, sizeof(rule.iif));
	for (size_t i = 0; i < w->n_marks && !err; i++) {
		rule.mark = w->marks[i];
		err = list_add(out, &rule);
	}
	return err ? err : lead_flows(w, attached, out);
}

struct seen_rules {
	struct list ours;
	bool local; /* the table `local` is looked up at 0, as the kernel sets it */
	int err;
};

static int see_rule(const struct rtnl_rule *rule, void *arg)
{
	struct seen_rules *seen = arg;
	struct rtnl_rule local = local_rule(rule->family, 0, rule->protocol);

	if (rule->protocol == RTNL_PROTO_CULVERT)
		seen->err = list_add(&seen->ours, rule);
	else if (!rule->others && same_rule(rule, &local))
		seen->local = true;
	return seen->err;
}

static int delete_rule(struct rtnl *nl, const struct rtnl_rule *rule)
{
	int err = rtnl_rule_del(nl, rule);

	return err == -ENOENT ? 0 : err;
}

/* Those that `keep` does not have; that of the table `local` last. */
static int delete_rules(struct rtnl *nl, const struct list *ours, const struct list *keep)
{
	const struct rtnl_rule *last = NULL;
	int err = 0;

	for (size_t i = 0; i < ours->n && !err; i++) {
		const struct rtnl_rule *rule = list_at(ours, i);

		if (in_sorted(keep, rule))
			continue;
		if (rule->table == RT_TABLE_LOCAL)
			last = rule;
		else
			err = delete_rule(nl, rule);
	}
	return err || !last ? err : delete_rule(nl, last);
}

static int add_rules(struct rtnl *nl, const struct list *wanted, const struct list *there)
{
	int err = 0;

	for (size_t i = 0; i < wanted->n && !err; i++) {
		const struct rtnl_rule *rule = list_at(wanted, i);

		if (!in_sorted(there, rule))
			err = rtnl_rule_add(nl, rule);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

/* Rules at 0 that would stand before the one that leads past them, which somebody took away. */
static int clear_disorder(struct rtnl *nl, struct list *ours)
{
	int err = 0;

	for (size_t i = 0; i < ours->n; i++) {
		if (((struct rtnl_rule *)list_at(ours, i))->action == FR_ACT_GOTO)
			return 0;
	}
	for (size_t i = 0; i < ours->n && !err; i++) {
		const struct rtnl_rule *rule = list_at(ours, i);

		if (!rule->preference)
			err = delete_rule(nl, rule);
	}
	ours->n = 0;
	return err;
}

static int settle_rules(struct rtnl *nl, uint8_t family, const struct list *wanted,
			struct seen_rules *seen)
{
	const struct rtnl_rule usual = local_rule(family, 0, RTPROT_KERNEL);
	_cleanup_(cleanup_list) struct list sorted = RULES;
	int err = 0;

	for (size_t i = 0; i < wanted->n && !err; i++)
		err = list_add(&sorted, list_at(wanted, i));
	if (!err && wanted->n)
		err = clear_disorder(nl, &seen->ours);
	if (err)
		return err;
	if (sorted.n)
		qsort(sorted.items, sorted.n, sorted.size, rule_order);
	if (seen->ours.n)
		qsort(seen->ours.items, seen->ours.n, seen->ours.size, rule_order);
	if (!wanted->n && seen->ours.n && !seen->local)
		err = rtnl_rule_add(nl, &usual);
	if (!err)
		err = add_rules(nl, wanted, &seen->ours);
	if (!err)
		err = delete_rules(nl, &seen->ours, &sorted);
	if (!err && wanted->n && seen->local)
		err = delete_rule(nl, &usual);
	return err;
}

/* ---- routes ----------------------------------------------------------------- */

#define ROUTES                                    \
	{                                         \
		.size = sizeof(struct rtnl_route) \
	}

static int see_route(const struct rtnl_route *route, void *arg)
{
	struct list *l = arg;

	if (route->protocol != RTNL_PROTO_CULVERT && route->table != RT_TABLE_LOCAL)
		return 0;
	return list_add(l, route);
}

static int addr_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(union cv_addr));
}

static int route_order(const void *pa, const void *pb)
{
	const struct rtnl_route *a = pa, *b = pb;

	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/*
 * Where the virtual address is the director's own, its route in the table
 * `local` says by which source the director's packets go there.
 */
static void set_source(const struct list *local, struct rtnl_route *route)
{
	const struct rtnl_route *found =
		local->n ? bsearch(route, local->items, local->n, local->size, route_order) : NULL;

	if (found && found->plen == route->plen)
		route->source = found->source;
}

static int add_routes(struct rtnl *nl, const struct culvert0_wants *w, uint32_t ifindex,
		      const struct list *there, const struct list *local)
{
	struct rtnl_route route = { .family = w->family,
				    .table = CULVERT0_TABLE_OWN,
				    .plen = w->family == AF_INET ? 32 : 128,
				    .ifindex = ifindex };
	int err = 0;

	for (size_t i = 0; i < w->n_addrs && !err; i++) {
		const struct rtnl_route *old;

		route.addr = w->addrs[i];
		memset(&route.source, 0, sizeof(route.source));
		if (w->family == AF_INET)
			set_source(local, &route);
		old = there->n ? bsearch(&route, there->items, there->n, there->size, route_order) :
				 NULL;
		if (!old || old->ifindex != ifindex ||
		    memcmp(&old->source, &route.source, sizeof(route.source)) != 0)
			err = rtnl_table_add(nl, &route);
		/* An address that the kernel does not route to needs no route. */
		if (err == -EINVAL)
			err = 0;
	}
	return err;
}

static int delete_routes(struct rtnl *nl, const struct culvert0_wants *w, const struct list *there)
{
	int err = 0;

	for (size_t i = 0; i < there->n && !err; i++) {
		const struct rtnl_route *route = list_at(there, i);

		if (!w->n_addrs ||
		    !bsearch(&route->addr, w->addrs, w->n_addrs, sizeof(*w->addrs), addr_order))
			err = rtnl_table_del(nl, route);
		if (err == -ESRCH)
			err = 0;
	}
	return err;
}

/* The default route of the table for marks, while there is one. */
static int settle_marks(struct rtnl *nl, const struct culvert0_wants *w, uint32_t ifindex)
{
	const struct rtnl_route route = { .family = w->family,
					  .table = CULVERT0_TABLE_MARKS,
					  .ifindex = ifindex };
	int err = w->n_marks ? rtnl_table_add(nl, &route) : rtnl_table_del(nl, &route);

	return err == -ESRCH && !w->n_marks ? 0 : err;
}

static int settle_routes(struct rtnl *nl, const struct culvert0_wants *w, uint32_t ifindex)
{
	_cleanup_(cleanup_list) struct list own = ROUTES, local = ROUTES;
	int err = rtnl_each_route(nl, w->family, CULVERT0_TABLE_OWN, see_route, &own);

	if (!err && w->n_addrs && w->family == AF_INET)
		err = rtnl_each_route(nl, w->family, RT_TABLE_LOCAL, see_route, &local);
	if (err)
		return err;
	if (own.n)
		qsort(own.items, own.n, own.size, route_order);
	if (local.n)
		qsort(local.items, local.n, local.size, route_order);
	err = settle_marks(nl, w, ifindex);
	if (!err)
		err = add_routes(nl, w, ifindex, &own, &local);
	return err ? err : delete_routes(nl, w, &own);
}

int culvert0_route(struct rtnl *nl, uint8_t family, const union cv_addr *addr, uint32_t ifindex,
		   bool wanted)
{
	union cv_addr one = *addr;
	const struct culvert0_wants w = { .family = family, .addrs = &one, .n_addrs = 1 };
	_cleanup_(cleanup_list) struct list none = ROUTES, local = ROUTES;
	const struct rtnl_route route = { .family = family,
					  .table = CULVERT0_TABLE_OWN,
					  .plen = family == AF_INET ? 32 : 128,
					  .addr = one,
					  .ifindex = ifindex };
	int err;

	if (!wanted) {
		err = rtnl_table_del(nl, &route);
		return err == -ESRCH ? 0 : err;
	}
	err = family == AF_INET ? rtnl_each_route(nl, family, RT_TABLE_LOCAL, see_route, &local) :
				  0;
	if (err)
		return err;
	if (local.n)
		qsort(local.items, local.n, local.size, route_order);
	return add_routes(nl, &w, ifindex, &none, &local);
}

/* ---- both ------------------------------------------------------------------- */

int culvert0_rules(struct rtnl *nl, const struct culvert0_wants *w, uint32_t ifindex,
		   const struct culvert0_names *guards, const struct culvert0_names *attached)
{
	_cleanup_(cleanup_list) struct list wanted = RULES;
	struct seen_rules seen = { .ours = RULES };
	int err = rtnl_each_rule(nl, w->family, see_rule, &seen);

	if (!err)
		err = wanted_rules(w, guards, attached, &wanted);
	/* Routes first, where rules are to lead to them. */
	if (!err && wanted.n)
		err = settle_routes(nl, w, ifindex);
	if (!err)
		err = settle_rules(nl, w->family, &wanted, &seen);
	cleanup_list(&seen.ours);
	return err;
}
