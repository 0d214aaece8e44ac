// SPDX-License-Identifier: GPL-2.0-or-later
/* Which options go with which command, and with which of each other. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "ipvsadm_internal.h"

#define HAS(name) OPTION_BIT(OPTION_##name)

#define SERVICE_OPTIONS                                                                   \
	(HAS(SCHEDULER) | HAS(PERSISTENT) | HAS(NETMASK) | HAS(ONEPACKET) | HAS(ENGINE) | \
	 HAS(SCHED_FLAGS))
#define TUNNEL_OPTIONS \
	(HAS(TUN_TYPE) | HAS(TUN_PORT) | HAS(TUN_NOCSUM) | HAS(TUN_CSUM) | HAS(TUN_REMCSUM))
#define DEST_OPTIONS \
	(HAS(FORWARD) | HAS(WEIGHT) | HAS(U_THRESHOLD) | HAS(L_THRESHOLD) | TUNNEL_OPTIONS)
#define LIST_OPTIONS                                                                      \
	(HAS(NUMERIC) | HAS(STATS) | HAS(RATE) | HAS(THRESHOLDS) | HAS(PERSISTENT_CONN) | \
	 HAS(NOSORT) | HAS(SYNCID) | HAS(EXACT) | HAS(TUN_INFO) | HAS(JSON))
#define LIST_WHAT (HAS(CONNECTION) | HAS(SERVICE) | HAS(TIMEOUT) | HAS(DAEMON))
#define DAEMON_OPTIONS                                                             \
	(HAS(MCAST_INTERFACE) | HAS(SYNCID) | HAS(MCAST_GROUP) | HAS(MCAST_PORT) | \
	 HAS(MCAST_TTL) | HAS(SYNC_MAXLEN))

const struct command_rule command_rules[] = {
	{ "add-service", 'A', false, IPVSADM_ADD, "add-service", HAS(SERVICE), SERVICE_OPTIONS, 0 },
	{ "edit-service", 'E', false, IPVSADM_EDIT, "edit-service", HAS(SERVICE), SERVICE_OPTIONS,
	  0 },
	{ "delete-service", 'D', false, IPVSADM_DELETE, "delete-service", HAS(SERVICE), 0, 0 },
	{ "clear", 'C', false, IPVSADM_FLUSH, "flush", 0, 0, 0 },
	{ "list", 'L', false, IPVSADM_LIST, "list", 0, LIST_OPTIONS, LIST_WHAT },
	{ "list", 'l', false, IPVSADM_LIST, "list", 0, LIST_OPTIONS, LIST_WHAT },
	{ "zero", 'Z', false, IPVSADM_ZERO, "zero", 0, HAS(SERVICE), 0 },
	{ "add-server", 'a', false, IPVSADM_ADD_DEST, "add-server", HAS(SERVICE) | HAS(SERVER),
	  DEST_OPTIONS, 0 },
	{ "edit-server", 'e', false, IPVSADM_EDIT_DEST, "edit-server", HAS(SERVICE) | HAS(SERVER),
	  DEST_OPTIONS, 0 },
	{ "delete-server", 'd', false, IPVSADM_DELETE_DEST, "delete-server",
	  HAS(SERVICE) | HAS(SERVER), 0, 0 },
	{ "set", 0, false, IPVSADM_TIMEOUTS, "set", 0, 0, 0 },
	{ "restore", 'R', false, IPVSADM_RESTORE, "restore", 0, 0, 0 },
	{ "save", 'S', false, IPVSADM_SAVE, "save", 0, HAS(NUMERIC), 0 },
	{ "start-daemon", 0, true, IPVSADM_START_DAEMON, "start-daemon", 0, DAEMON_OPTIONS, 0 },
	{ "stop-daemon", 0, true, IPVSADM_STOP_DAEMON, "stop-daemon", 0, HAS(SYNCID), 0 },
	{ "help", 'h', false, IPVSADM_HELP, NULL, 0, 0, 0 },
	{ "version", 'v', false, IPVSADM_VERSION, NULL, 0, 0, 0 },
};

const unsigned int command_rule_count = sizeof(command_rules) / sizeof(command_rules[0]);

const char *option_name(enum ipvsadm_option option)
{
	/* Those that several options share; the others are called by their own name. */
	if (option == OPTION_SERVICE)
		return "service-address";
	if (option == OPTION_FORWARD)
		return "forwarding-method";
	for (unsigned int i = 0; i < option_rule_count; i++) {
		if (option_rules[i].option == option)
			return option_rules[i].name;
	}
	return "?";
}

int refuse(struct parser *p, int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->complaint->text, sizeof(p->complaint->text), format, ap);
	va_end(ap);
	p->complaint->status = status;
	return -EINVAL;
}

struct sets {
	uint64_t must, may, one_of;
	const char *of, *kind; /* for the complaints: 'delete-service', "command" */
};

/* The first option, in their order, that is missing, illegal or one too many. */
static int check_sets(struct parser *p, uint64_t looked_at, const struct sets *sets)
{
	uint64_t given = p->request->options;
	int first = -1;

	for (int i = 0; i < OPTION_COUNT; i++) {
		uint64_t bit = OPTION_BIT(i) & looked_at;

		if (!(given & bit)) {
			if (sets->must & bit)
				return refuse(p, 2,
					      "You need to supply the '%s' option for the '%s' %s",
					      option_name(i), sets->of, sets->kind);
			continue;
		}
		if (!((sets->must | sets->may | sets->one_of) & bit))
			return refuse(p, 2, "Illegal '%s' option with the '%s' %s", option_name(i),
				      sets->of, sets->kind);
		if (!(sets->one_of & bit))
			continue;
		if (first >= 0)
			return refuse(
				p, 2,
				"The option '%s' conflicts with the '%s' option in the '%s' %s",
				option_name(i), option_name(first), sets->of, sets->kind);
		first = i;
	}
	return 0;
}

static int check_service(struct parser *p)
{
	struct ipvsadm_request *r = p->request;
	const struct cv_service_key *key = &r->service.key;

	if (!key->fwmark && !key->port && !(r->service.flags & CV_SVC_PERSISTENT))
		return refuse(p, 2, "Zero port specified for non-persistent service");
	if (r->service.flags & CV_SVC_ONEPACKET && !key->fwmark && key->proto != IPPROTO_UDP)
		return refuse(p, 2, "One-Packet Scheduling is only for UDP virtual services");
	return 0;
}

static int check_tunnel(struct parser *p)
{
	static const struct sets by_type[] = {
		[CV_TUN_IPIP] = { 0, 0, 0, "ipip", "tunnel type" },
		[CV_TUN_GUE] = { HAS(TUN_PORT), 0,
				 HAS(TUN_NOCSUM) | HAS(TUN_CSUM) | HAS(TUN_REMCSUM), "gue",
				 "tunnel type" },
		[CV_TUN_GRE] = { 0, 0, HAS(TUN_NOCSUM) | HAS(TUN_CSUM), "gre", "tunnel type" },
	};

	return check_sets(p, TUNNEL_OPTIONS & ~HAS(TUN_TYPE), &by_type[p->request->dest.tun_type]);
}

static int check_dest(struct parser *p)
{
	struct ipvsadm_request *r = p->request;

	/* Without address translation the packet keeps the port that it came with. */
	if (!r->service.key.fwmark && r->dest.method != CV_MASQ)
		r->dest.port = r->service.key.port;
	if (r->dest.family != r->service.key.family && r->dest.method != CV_TUNNEL)
		return refuse(p, 2,
			      "Different address family is allowed only for tunneling servers");
	if (r->options & TUNNEL_OPTIONS && r->dest.method != CV_TUNNEL)
		return refuse(p, 2, "Tunnel options conflict with forward method");
	return check_tunnel(p);
}

static int check_list(struct parser *p)
{
	uint64_t given = p->request->options;
	bool no_services = given & (HAS(CONNECTION) | HAS(TIMEOUT) | HAS(DAEMON));

	if ((no_services && given & (HAS(STATS) | HAS(RATE) | HAS(THRESHOLDS))) ||
	    (given & (HAS(TIMEOUT) | HAS(DAEMON)) && given & HAS(PERSISTENT_CONN)))
		return refuse(p, 2, "options conflicts in the list command");
	return 0;
}

int check_request(struct parser *p, const struct command_rule *rule)
{
	struct sets sets = { rule->must, rule->may, rule->one_of, rule->called, "command" };
	int err = check_sets(p, OPTION_BIT(OPTION_COUNT) - 1, &sets);

	if (err)
		return err;
	switch (rule->command) {
	case IPVSADM_ADD:
	case IPVSADM_EDIT:
		return check_service(p);
	case IPVSADM_ADD_DEST:
	case IPVSADM_EDIT_DEST:
		return check_dest(p);
	case IPVSADM_LIST:
		return check_list(p);
	default:
		return 0;
	}
}
