// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert link add|set|del|show: slaves, in the words of ip-link(8). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "ipvlan_args.h"
#include "link.h"

static const char help[] =
	"usage: culvert link add link DEV [name] NAME type ipvlan [mode l2|l3|l3s] [bridge|private|vepa]\n"
	"                    [hostreach on|off] [netns NETNS] [addr ADDRESS]... [allow PREFIX]... [up]\n"
	"       culvert link set [dev] NAME [up|down] [netns NETNS] [mode l2|l3|l3s] [bridge|private|vepa]\n"
	"                    [hostreach on|off] [allow PREFIX] [disallow PREFIX]\n"
	"       culvert link del [dev] NAME\n"
	"       culvert link show [[dev] NAME] [link DEV]\n"
	"\n"
	"options: -n NETNS        the slave of that name in that network namespace (a name, or a pid)\n"
	"         -d, -details    more about each; -s, -statistics: its counters; -j, -json\n"
	"\n"
	"Mode, flag and hostreach belong to the master (DEV): they change for all its slaves at once.\n";

/* What `add` and `set` were asked for. */
struct request {
	const char *name, *link, *netns;
	int mode, flag, hostreach, up; /* CV_IPV_KEEP: not said */
	bool type;
	struct ipvlan_prefixes addrs, allows, disallows;
};

static void cleanup_request(struct request *r)
{
	free(r->addrs.list);
	free(r->allows.list);
	free(r->disallows.list);
}

static int parse_mode(const struct ipvlan_args *a, const char *word)
{
	for (int mode = 0; mode < CV_IPV_MODES; mode++) {
		if (!strcmp(word, cv_ipv_mode_name(mode)))
			return mode;
	}
	cmd_error(a->command, "argument of \"mode\" must be either \"l2\", \"l3\" or \"l3s\"");
	return -EINVAL;
}

static int parse_on_off(const struct ipvlan_args *a, const char *keyword, const char *word)
{
	if (!strcmp(word, "on") || !strcmp(word, "off"))
		return !strcmp(word, "on");
	cmd_error(a->command, "argument of \"%s\" must be \"on\" or \"off\"", keyword);
	return -EINVAL;
}

static int flag_of(const char *word)
{
	if (!strcmp(word, "bridge"))
		return 0;
	if (!strcmp(word, "private"))
		return CV_IPV_PRIVATE;
	return !strcmp(word, "vepa") ? (int)CV_IPV_VEPA : -1;
}

/* A word that concerns the master. 1: it is none of those. */
static int policy_word(struct ipvlan_args *a, struct request *r, const char *word)
{
	const char *value;

	if (!strcmp(word, "mode")) {
		value = ipvlan_value(a, word);
		r->mode = *value ? parse_mode(a, value) : -EINVAL;
		return r->mode < 0 ? -EINVAL : 0;
	}
	if (!strcmp(word, "hostreach")) {
		value = ipvlan_value(a, word);
		r->hostreach = *value ? parse_on_off(a, word, value) : -EINVAL;
		return r->hostreach < 0 ? -EINVAL : 0;
	}
	if (flag_of(word) < 0)
		return 1;
	if (r->flag != CV_IPV_KEEP && r->flag != flag_of(word)) {
		cmd_error(a->command, "ipvlan: \"%s\" beside another of bridge, private and vepa",
			  word);
		return -EINVAL;
	}
	r->flag = flag_of(word);
	return 0;
}

static int take_value(struct ipvlan_args *a, const char *keyword, const char **to)
{
	*to = ipvlan_value(a, keyword);
	return **to ? 0 : -EINVAL;
}

static int type_word(struct ipvlan_args *a, struct request *r)
{
	const char *value = ipvlan_value(a, "type");

	if (*value && strcmp(value, "ipvlan"))
		cmd_error(a->command, "unknown device type \"%s\": culvert makes ipvlan slaves",
			  value);
	r->type = true;
	return strcmp(value, "ipvlan") ? -EINVAL : 0;
}

static int prefix_word(struct ipvlan_args *a, const char *keyword, struct ipvlan_prefixes *to)
{
	const char *value;

	return take_value(a, keyword, &value) ? -EINVAL : ipvlan_prefix(a, to, value);
}

/* A word that concerns the slave. 1: it is none of those. */
static int slave_word(struct ipvlan_args *a, struct request *r, const char *word, bool add)
{
	if (!strcmp(word, "name") || !strcmp(word, "dev"))
		return take_value(a, word, &r->name);
	if (!strcmp(word, "netns"))
		return take_value(a, word, &r->netns);
	if (!strcmp(word, "type"))
		return type_word(a, r);
	if (!strcmp(word, "allow"))
		return prefix_word(a, word, &r->allows);
	if (!strcmp(word, "up") || (!add && !strcmp(word, "down"))) {
		r->up = !strcmp(word, "up");
		return 0;
	}
	if (add && !strcmp(word, "link"))
		return take_value(a, word, &r->link);
	if (add && (!strcmp(word, "addr") || !strcmp(word, "address")))
		return prefix_word(a, word, &r->addrs);
	if (!add && !strcmp(word, "disallow"))
		return prefix_word(a, word, &r->disallows);
	return 1;
}

static int parse_request(struct ipvlan_args *a, struct request *r, bool add)
{
	const char *word;
	int done;

	memset(r, 0, sizeof(*r));
	r->mode = r->flag = r->hostreach = r->up = CV_IPV_KEEP;
	while ((word = ipvlan_word(a))) {
		done = policy_word(a, r, word);
		if (done == 1)
			done = slave_word(a, r, word, add);
		if (done < 0)
			return done;
		if (done == 0)
			continue;
		if (r->name || r->type) {
			cmd_error(a->command, "ipvlan: unknown option \"%s\"", word);
			return -EINVAL;
		}
		r->name = word;
	}
	if (!r->name) {
		cmd_error(a->command, "which slave? NAME is missing");
		return -EINVAL;
	}
	return 0;
}

static bool warn_of_ipv6(const char *command, const struct request *r)
{
	if (r->mode != CV_IPV_L3S || !cv_ipv_needs_forwarding6())
		return false;
	fprintf(stderr,
		"culvert %s: note: before Linux 6.17 IPv6 crosses the host only with "
		"net.ipv6.conf.all.forwarding=1\n",
		command);
	return true;
}

static int add(struct cv_ipv *v, const struct ipvlan_args *a, const struct request *r)
{
	return cv_ipv_link_add(v, &(struct cv_ipv_spec){
					  .link = r->link,
					  .name = r->name,
					  .netns = r->netns ? r->netns : a->netns,
					  .mode = r->mode,
					  .flag = r->flag,
					  .hostreach = r->hostreach,
					  .up = r->up == 1,
					  .addrs = r->addrs.list,
					  .n_addrs = r->addrs.n,
					  .allows = r->allows.list,
					  .n_allows = r->allows.n,
				  });
}

static int parse_add(struct ipvlan_args *a, struct request *r)
{
	if (parse_request(a, r, true))
		return -EINVAL;
	if (!r->link) {
		cmd_error(a->command, "\"link DEV\" is missing: on which master?");
		return -EINVAL;
	}
	if (!r->type) {
		cmd_error(a->command, "\"type ipvlan\" is missing");
		return -EINVAL;
	}
	return 0;
}

static int link_add(struct ipvlan_args *a)
{
	_cleanup_(cleanup_request) struct request r;
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	int err;

	if (parse_add(a, &r))
		return CMD_FAILED;
	err = cv_ipv_open(&v, CV_IPV_CREATE);
	if (!err)
		err = add(v, a, &r);
	if (err)
		return ipvlan_failed(a, err);
	warn_of_ipv6(a->command, &r);
	return CMD_OK;
}

/* ---- for restore ------------------------------------------------------------------------ */

struct link_request {
	struct ipvlan_args args;
	struct request r;
};

void link_request_free(struct link_request **r)
{
	if (*r)
		cleanup_request(&(*r)->r);
	free(*r);
	*r = NULL;
}

static int check_environment(const struct ipvlan_args *a, const struct request *r)
{
	_cleanup_fd_ int netns = -1;

	if (!if_nametoindex(r->link)) {
		cmd_error(a->command, "there is no device %s", r->link);
		return -ENODEV;
	}
	if (r->netns && netns_open(r->netns, &netns)) {
		cmd_error(a->command, "there is no network namespace \"%s\" for %s", r->netns,
			  r->name);
		return -ENOENT;
	}
	return 0;
}

int link_request_new(struct link_request **out, int argc, char **argv)
{
	_cleanup_(link_request_free) struct link_request *l = calloc(1, sizeof(*l));
	const char *verb;
	int err;

	if (!l)
		return -ENOMEM;
	err = ipvlan_args_parse(&l->args, argc, argv);
	verb = err ? NULL : ipvlan_word(&l->args);
	if (!verb || strcmp(verb, "add")) {
		if (!err)
			cmd_error("link", "only \"link add\" can be restored");
		return -EINVAL;
	}
	err = parse_add(&l->args, &l->r);
	if (!err)
		err = check_environment(&l->args, &l->r);
	if (!err)
		*out = take_ptr(l);
	return err;
}

int link_request_run(struct cv_ipv *v, const struct link_request *l)
{
	int err = add(v, &l->args, &l->r);

	if (err)
		ipvlan_failed(&l->args, err);
	return err;
}

bool link_request_warn(const struct link_request *l)
{
	return warn_of_ipv6("restore", &l->r);
}

/* The slave that is meant, in an instance that is open for editing. */
static int find(const struct ipvlan_args *a, const char *name, struct cv_ipv **v,
		struct cv_ipv_link *link)
{
	int err = cv_ipv_open(v, CV_IPV_EDIT);

	if (err == -ENOENT) {
		cmd_error(a->command, "Cannot find device \"%s\"", name);
		return err;
	}
	if (!err)
		err = cv_ipv_find(*v, a->netns, name, link);
	if (err)
		ipvlan_failed(a, err);
	return err;
}

/* How far a change has come, for who has to take it back. */
struct progress {
	unsigned int allowed, disallowed;
	bool policy;
};

static int apply(struct cv_ipv *v, const struct cv_ipv_link *link, const struct request *r,
		 struct progress *done)
{
	_cleanup_fd_ int netns = -1;
	int err = r->netns ? netns_open(r->netns, &netns) : 0;

	for (unsigned int i = 0; i < r->allows.n && !err; i++) {
		err = cv_ipv_allow(v, link, &r->allows.list[i]);
		done->allowed += !err;
	}
	for (unsigned int i = 0; i < r->disallows.n && !err; i++) {
		err = cv_ipv_disallow(v, link, &r->disallows.list[i]);
		done->disallowed += !err;
	}
	if (!err &&
	    (r->mode != CV_IPV_KEEP || r->flag != CV_IPV_KEEP || r->hostreach != CV_IPV_KEEP)) {
		done->policy = true;
		err = cv_ipv_set_policy(v, link, r->mode, r->flag, r->hostreach);
	}
	if (!err && r->netns)
		err = cv_ipv_link_move(v, link, r->netns);
	if (!err && r->up != CV_IPV_KEEP)
		err = cv_ipv_link_up(v, link, r->up);
	return err;
}

static void take_back(struct cv_ipv *v, const struct cv_ipv_link *link, const struct request *r,
		      const struct progress *done)
{
	if (done->policy)
		cv_ipv_set_policy(v, link, (int)cv_ipv_mode_of(link->policy),
				  (int)(link->policy & (CV_IPV_PRIVATE | CV_IPV_VEPA)),
				  !!(link->policy & CV_IPV_HOSTREACH));
	for (unsigned int i = 0; i < done->disallowed; i++)
		cv_ipv_allow(v, link, &r->disallows.list[i]);
	for (unsigned int i = 0; i < done->allowed; i++)
		cv_ipv_disallow(v, link, &r->allows.list[i]);
}

static int link_set(struct ipvlan_args *a)
{
	_cleanup_(cleanup_request) struct request r;
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	struct progress done = {};
	struct cv_ipv_link link;
	int err;

	if (parse_request(a, &r, false) || find(a, r.name, &v, &link))
		return CMD_FAILED;
	err = apply(v, &link, &r, &done);
	if (err) {
		ipvlan_failed(a, err);
		take_back(v, &link, &r, &done);
		return CMD_FAILED;
	}
	warn_of_ipv6(a->command, &r);
	return CMD_OK;
}

static int link_del(struct ipvlan_args *a)
{
	_cleanup_(cleanup_request) struct request r;
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	struct cv_ipv_link link;
	int err;

	if (parse_request(a, &r, false))
		return CMD_FAILED;
	/* `netns NS` says where it is: there is nothing that del could move. */
	if (r.netns)
		a->netns = r.netns;
	if (find(a, r.name, &v, &link))
		return CMD_FAILED;
	err = cv_ipv_link_del(v, &link);
	return err ? ipvlan_failed(a, err) : CMD_OK;
}

int cmd_link(int argc, char **argv)
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
		return link_show(&a);
	if (ipvlan_is(verb, "add"))
		return link_add(&a);
	if (ipvlan_is(verb, "set"))
		return link_set(&a);
	if (ipvlan_is(verb, "delete"))
		return link_del(&a);
	return cmd_error(a.command, "unknown command \"%s\": add, set, del or show", verb);
}
