// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert link show, in the form of ip(8): `-d link show`, `-s link show`. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "link.h"
#include "text.h"

static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
	{ IFF_LOOPBACK, "LOOPBACK" },
	{ IFF_BROADCAST, "BROADCAST" },
	{ IFF_POINTOPOINT, "POINTOPOINT" },
	{ IFF_MULTICAST, "MULTICAST" },
	{ IFF_NOARP, "NOARP" },
	{ IFF_ALLMULTI, "ALLMULTI" },
	{ IFF_PROMISC, "PROMISC" },
	{ IFF_UP, "UP" },
	{ 1 << 16, "LOWER_UP" },
};

#define FLAG_COUNT (sizeof(flag_names) / sizeof(flag_names[0]))

/* As RFC 2863 and ip(8) name them. */
static const char *operstate(uint8_t state)
{
	static const char *const names[] = { "UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN",
					     "TESTING", "DORMANT",    "UP" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static const char *mac_text(const uint8_t mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return out;
}

/* "t1"; of a namespace without a name, its number. */
static const char *where(const struct cv_ipv_link *link, char out[NETNS_NAME])
{
	if (link->netns[0])
		return link->netns;
	snprintf(out, NETNS_NAME, "net:[%llu]", (unsigned long long)link->netns_ino);
	return out;
}

void link_print_head(const struct cv_ipv_link *link)
{
	const struct rtnl_link *l = &link->inner;
	char name[TEXT_ROOM(IFNAMSIZ)], master[TEXT_ROOM(IFNAMSIZ)], netns[TEXT_ROOM(NETNS_NAME)];
	char room[NETNS_NAME], mac[18];
	bool first = true;

	printf("%u: %s@%s: <", l->ifindex, text_plain(l->name, name, sizeof(name)),
	       text_plain(link->master, master, sizeof(master)));
	if ((l->flags & IFF_UP) && !l->carrier) {
		printf("NO-CARRIER");
		first = false;
	}
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		if (!(l->flags & flag_names[i].flag))
			continue;
		printf("%s%s", first ? "" : ",", flag_names[i].name);
		first = false;
	}
	printf("> mtu %u qdisc %s state %s", l->mtu, l->qdisc, operstate(l->operstate));
	if (!link->here)
		printf(" netns %s", text_plain(where(link, room), netns, sizeof(netns)));
	printf("\n    link/ether %s brd ff:ff:ff:ff:ff:ff\n", mac_text(l->mac, mac));
}

json_t *link_json(const struct cv_ipv_link *link)
{
	const struct rtnl_link *l = &link->inner;
	json_t *flags = json_array();
	char room[NETNS_NAME], mac[18];

	if ((l->flags & IFF_UP) && !l->carrier)
		json_array_append_new(flags, json_string("NO-CARRIER"));
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		if (l->flags & flag_names[i].flag)
			json_array_append_new(flags, json_string(flag_names[i].name));
	}
	return json_pack("{s:i,s:o,s:o,s:o,s:i,s:s,s:s,s:s,s:s,s:o}", "ifindex", (int)l->ifindex,
			 "ifname", text_json(l->name), "link", text_json(link->master), "flags",
			 flags, "mtu", (int)l->mtu, "qdisc", l->qdisc, "operstate",
			 operstate(l->operstate), "link_type", "ether", "address",
			 mac_text(l->mac, mac), "netns", text_json(where(link, room)));
}

/* ---- -d ------------------------------------------------------------------------------ */

static const char *prefix_text(const struct cv_ipv_prefix *p, char out[64])
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->family, &p->addr, addr, sizeof(addr));
	snprintf(out, 64, "%s/%u", addr, p->plen);
	return out;
}

static int print_allow(const struct cv_ipv_prefix *p, void *arg)
{
	char text[64];

	printf(" allow %s", prefix_text(p, text));
	return 0;
}

static int json_allow(const struct cv_ipv_prefix *p, void *arg)
{
	char text[64];

	json_array_append_new(arg, json_string(prefix_text(p, text)));
	return 0;
}

static void details(struct cv_ipv *v, const struct cv_ipv_link *link, json_t *to)
{
	const char *mode = cv_ipv_mode_name(cv_ipv_mode_of(link->policy));
	const char *flag = cv_ipv_flag_name(link->policy);
	bool hostreach = link->policy & CV_IPV_HOSTREACH;
	char name[TEXT_ROOM(IFNAMSIZ)];
	json_t *allows;

	if (!to) {
		printf("    ipvlan  mode %s %s hostreach %s host-end %s", mode, flag,
		       hostreach ? "on" : "off", text_plain(link->host_end, name, sizeof(name)));
		cv_ipv_each_allow(v, link->slot, print_allow, NULL);
		printf("\n");
		return;
	}
	allows = json_array();
	cv_ipv_each_allow(v, link->slot, json_allow, allows);
	json_object_set_new(to, "linkinfo",
			    json_pack("{s:s,s:{s:s,s:b,s:b,s:o,s:o}}", "info_kind", "ipvlan",
				      "info_data", "mode", mode, flag, 1, "hostreach", hostreach,
				      "host_end", text_json(link->host_end), "allow", allows));
}

/* ---- -s ------------------------------------------------------------------------------ */

static void statistics(struct cv_ipv *v, const struct cv_ipv_link *link, json_t *to)
{
	uint64_t n[CV_IPV_COUNTS];
	json_t *stats;

	cv_ipv_counts(v, link->slot, n);
	if (!to) {
		printf("    RX: %20s %14s %10s\n        %20llu %14llu %10llu\n", "bytes", "packets",
		       "clones", (unsigned long long)n[CV_IPV_RX_BYTES],
		       (unsigned long long)n[CV_IPV_RX_PACKETS],
		       (unsigned long long)n[CV_IPV_CLONES]);
		printf("    TX: %20s %14s %10s\n        %20llu %14llu %10llu\n", "bytes", "packets",
		       "local", (unsigned long long)n[CV_IPV_TX_BYTES],
		       (unsigned long long)n[CV_IPV_TX_PACKETS],
		       (unsigned long long)n[CV_IPV_TX_LOCAL]);
		printf("    dropped:");
		for (int i = CV_IPV_DROP_SOURCE; i < CV_IPV_DROP_FORWARD; i++)
			printf(" %s %llu", cv_ipv_count_name(i) + strlen("drop_"),
			       (unsigned long long)n[i]);
		printf("\n");
		return;
	}
	stats = json_object();
	for (int i = 0; i < CV_IPV_DROP_FORWARD; i++)
		json_object_set_new(stats, cv_ipv_count_name(i), json_integer((json_int_t)n[i]));
	json_object_set_new(to, "stats", stats);
}

/* ---- the walk ------------------------------------------------------------------------- */

struct walk {
	struct cv_ipv *v;
	const char *name, *master;
	uint64_t netns; /* 0: any */
	unsigned int shown;
	int (*each)(struct cv_ipv *v, const struct cv_ipv_link *link, void *arg);
	void *arg;
};

static int step(const struct cv_ipv_link *link, void *arg)
{
	struct walk *w = arg;

	if ((w->name && strcmp(w->name, link->inner.name)) ||
	    (w->master && strcmp(w->master, link->master)) ||
	    (w->netns && w->netns != link->netns_ino))
		return 0;
	w->shown++;
	return w->each(w->v, link, w->arg);
}

static int parse_walk(struct ipvlan_args *a, struct walk *w)
{
	const char *word, *value;

	while ((word = ipvlan_word(a))) {
		if (strcmp(word, "link") && strcmp(word, "master") && strcmp(word, "netns") &&
		    strcmp(word, "dev")) {
			if (w->name) {
				cmd_error(a->command, "unknown option \"%s\"", word);
				return -EINVAL;
			}
			w->name = word;
			continue;
		}
		value = ipvlan_value(a, word);
		if (!*value)
			return -EINVAL;
		*(!strcmp(word, "dev")	 ? &w->name :
		  !strcmp(word, "netns") ? &a->netns :
					   &w->master) = value;
	}
	return 0;
}

static int walk_all(struct ipvlan_args *a, struct walk *w)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	_cleanup_fd_ int fd = -1;
	int err;

	if (a->netns) {
		err = netns_open(a->netns, &fd);
		if (err)
			return ipvlan_failed(a, err);
		w->netns = netns_ino(fd);
	}
	err = cv_ipv_open(&v, CV_IPV_READ);
	if (err && err != -ENOENT)
		return ipvlan_failed(a, err);
	if (w->master && !if_nametoindex(w->master))
		return cmd_error(a->command, "Device \"%s\" does not exist.", w->master);
	w->v = v;
	if (!err)
		err = cv_ipv_each_link(v, step, w);
	if (err && err != -ENOENT)
		return ipvlan_failed(a, err);
	if (w->name && !w->shown)
		return cmd_error(a->command, "Device \"%s\" does not exist.", w->name);
	return CMD_OK;
}

int link_walk(struct ipvlan_args *a,
	      int (*each)(struct cv_ipv *v, const struct cv_ipv_link *link, void *arg), void *arg)
{
	struct walk w = { .each = each, .arg = arg };

	return parse_walk(a, &w) ? CMD_FAILED : walk_all(a, &w);
}

struct show {
	const struct ipvlan_args *a;
	json_t *array;
};

static int show_one(struct cv_ipv *v, const struct cv_ipv_link *link, void *arg)
{
	struct show *s = arg;
	json_t *to = s->array ? link_json(link) : NULL;

	if (!to)
		link_print_head(link);
	if (s->a->details)
		details(v, link, to);
	if (s->a->stats)
		statistics(v, link, to);
	if (to)
		json_array_append_new(s->array, to);
	return 0;
}

int link_show(struct ipvlan_args *a)
{
	struct show s = { a, a->json ? json_array() : NULL };
	int status = link_walk(a, show_one, &s);

	if (s.array && status == CMD_OK) {
		json_dumpf(s.array, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(s.array);
	return status;
}
