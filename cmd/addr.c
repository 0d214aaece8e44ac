// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert addr add|del|show: the addresses of slaves, in the words of ip-address(8). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "link.h"

static const char help[] =
	"usage: culvert addr add ADDRESS... dev NAME\n"
	"       culvert addr del ADDRESS... dev NAME\n"
	"       culvert addr show [[dev] NAME] [link DEV]\n"
	"\n"
	"options: -n NETNS     the slave of that name in that network namespace (a name, or a pid)\n"
	"         -j, -json\n"
	"\n"
	"An address belongs to one slave of a master. Those that somebody sets inside the namespace\n"
	"become the slave's while `culvert track` runs; until then they are shown as \"not-owned\".\n";

/* ---- add, del --------------------------------------------------------------------------- */

struct change {
	const char *dev;
	struct ipvlan_prefixes addrs;
};

static void cleanup_change(struct change *c)
{
	free(c->addrs.list);
}

static int parse_change(struct ipvlan_args *a, struct change *c)
{
	const char *word, *value;

	memset(c, 0, sizeof(*c));
	while ((word = ipvlan_word(a))) {
		if (!strcmp(word, "dev") || !strcmp(word, "netns")) {
			value = ipvlan_value(a, word);
			if (!*value)
				return -EINVAL;
			*(!strcmp(word, "dev") ? &c->dev : &a->netns) = value;
		} else if (ipvlan_prefix(a, &c->addrs, word)) {
			return -EINVAL;
		}
	}
	if (!c->addrs.n) {
		cmd_error(a->command, "ADDRESS is missing");
		return -EINVAL;
	}
	if (!c->dev) {
		cmd_error(a->command, "\"dev NAME\" is missing: of which slave?");
		return -EINVAL;
	}
	return 0;
}

typedef int change_fn(struct cv_ipv *v, const struct cv_ipv_link *link,
		      const struct cv_ipv_prefix *p);

/* All of them or, as far as `back` can, none. */
static int change_all(struct ipvlan_args *a, struct cv_ipv *v, const struct cv_ipv_link *link,
		      const struct change *c, change_fn *one, change_fn *back)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < c->addrs.n && !err; i++)
		err = one(v, link, &c->addrs.list[i]);
	if (!err)
		return CMD_OK;
	ipvlan_failed(a, err);
	while (i-- > 1)
		back(v, link, &c->addrs.list[i - 1]);
	return CMD_FAILED;
}

static int change(struct ipvlan_args *a, change_fn *one, change_fn *back)
{
	_cleanup_(cleanup_change) struct change c;
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	struct cv_ipv_link link;
	int err;

	if (parse_change(a, &c))
		return CMD_FAILED;
	err = cv_ipv_open(&v, CV_IPV_EDIT);
	if (err == -ENOENT)
		return cmd_error(a->command, "Cannot find device \"%s\"", c.dev);
	if (!err)
		err = cv_ipv_find(v, a->netns, c.dev, &link);
	return err ? ipvlan_failed(a, err) : change_all(a, v, &link, &c, one, back);
}

/* ---- show --------------------------------------------------------------------------------- */

struct show {
	json_t *links; /* NULL: as text */
	json_t *addrs; /* of the link that is being shown */
};

static const char *scope_name(uint8_t scope)
{
	switch (scope) {
	case RT_SCOPE_UNIVERSE:
		return "global";
	case RT_SCOPE_SITE:
		return "site";
	case RT_SCOPE_LINK:
		return "link";
	case RT_SCOPE_HOST:
		return "host";
	default:
		return "?";
	}
}

static const struct {
	uint32_t flag;
	const char *name;
} addr_flags[] = {
	{ IFA_F_TENTATIVE, "tentative" },
	{ IFA_F_DADFAILED, "dadfailed" },
	{ IFA_F_DEPRECATED, "deprecated" },
	{ IFA_F_MANAGETEMPADDR, "mngtmpaddr" },
};

#define ADDR_FLAGS (sizeof(addr_flags) / sizeof(addr_flags[0]))

static int show_addr(const struct rtnl_addr *addr, bool owned, void *arg)
{
	const char *family = addr->family == AF_INET ? "inet" : "inet6";
	struct show *s = arg;
	char text[INET6_ADDRSTRLEN];
	json_t *one;

	inet_ntop(addr->family, &addr->addr, text, sizeof(text));
	if (!s->links) {
		printf("    %s %s/%u scope %s", family, text, addr->plen, scope_name(addr->scope));
		for (unsigned int i = 0; i < ADDR_FLAGS; i++) {
			if (addr->flags & addr_flags[i].flag)
				printf(" %s", addr_flags[i].name);
		}
		printf("%s\n", owned ? "" : " not-owned");
		return 0;
	}
	one = json_pack("{s:s,s:s,s:i,s:s,s:b}", "family", family, "local", text, "prefixlen",
			addr->plen, "scope", scope_name(addr->scope), "owned", owned);
	for (unsigned int i = 0; i < ADDR_FLAGS; i++) {
		if (addr->flags & addr_flags[i].flag)
			json_object_set_new(one, addr_flags[i].name, json_true());
	}
	json_array_append_new(s->addrs, one);
	return 0;
}

static int show_link(struct cv_ipv *v, const struct cv_ipv_link *link, void *arg)
{
	struct show *s = arg;
	json_t *to;

	if (!s->links) {
		link_print_head(link);
		return cv_ipv_each_addr(v, link, show_addr, s);
	}
	to = link_json(link);
	s->addrs = json_array();
	json_object_set_new(to, "addr_info", s->addrs);
	json_array_append_new(s->links, to);
	return cv_ipv_each_addr(v, link, show_addr, s);
}

static int show(struct ipvlan_args *a)
{
	struct show s = { a->json ? json_array() : NULL, NULL };
	int status = link_walk(a, show_link, &s);

	if (s.links && status == CMD_OK) {
		json_dumpf(s.links, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(s.links);
	return status;
}

int cmd_addr(int argc, char **argv)
{
	struct ipvlan_args a;
	const char *verb;

	if (ipvlan_args_parse(&a, argc, argv))
		return CMD_FAILED;
	verb = ipvlan_verb(&a);
	if (!verb) {
		fputs(help, stdout);
		return CMD_OK;
	}
	if (ipvlan_is(verb, "show") || ipvlan_is(verb, "list") || !strcmp(verb, "ls"))
		return show(&a);
	if (ipvlan_is(verb, "add"))
		return change(&a, cv_ipv_addr_add, cv_ipv_addr_del);
	if (ipvlan_is(verb, "delete"))
		return change(&a, cv_ipv_addr_del, cv_ipv_addr_add);
	return cmd_error(a.command, "unknown command \"%s\": add, del or show", verb);
}
