// SPDX-License-Identifier: GPL-2.0-or-later
/* The options of ipvsadm, one by one: what each takes and does to the request. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvsadm_internal.h"

/* Of UDP over IPv4: what one sync message can hold. */
#define LONGEST_SYNC (65535 - 20 - 8)

int number_between(const char *s, int min, int max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (end == s || *end || errno == ERANGE || n < min || n > max)
		return -1;
	return (int)n;
}

int take_timeout(struct parser *p, const char *value, int min, uint32_t *out)
{
	int n = number_between(value, min, MAX_TIMEOUT);

	if (n < 0)
		return refuse(p, 2, "invalid timeout value `%s' specified", value);
	*out = (uint32_t)n;
	return 0;
}

int take_sync_role(struct parser *p, const char *value)
{
	struct ipvsadm_request *r = p->request;

	if (strcmp(value, "master") == 0)
		r->sync.role = CV_SYNC_MASTER;
	else if (strcmp(value, "backup") == 0)
		r->sync.role = CV_SYNC_BACKUP;
	else if (r->command == IPVSADM_START_DAEMON)
		return refuse(p, 2, "illegal start-daemon parameter specified");
	else
		return refuse(p, 2, "illegal start_daemon specified");
	return 0;
}

static int take_service(struct parser *p, const char *value, uint8_t proto)
{
	struct cv_service_spec *s = &p->request->service;
	struct endpoint e = { 0 };

	s->key.proto = proto;
	p->port_proto = proto;
	if (!(parse_endpoint(&e, value, proto, p->names) & ADDRESS_HOST))
		return refuse(p, 2, "illegal virtual server address[:port] specified");
	s->key.family = e.family;
	s->key.addr = e.addr;
	s->key.port = e.port;
	if (e.family == AF_INET6)
		s->netmask = 128;
	return 0;
}

static int take_tcp(struct parser *p, const char *value)
{
	return take_service(p, value, IPPROTO_TCP);
}

static int take_udp(struct parser *p, const char *value)
{
	return take_service(p, value, IPPROTO_UDP);
}

static int take_sctp(struct parser *p, const char *value)
{
	return take_service(p, value, IPPROTO_SCTP);
}

static int take_fwmark(struct parser *p, const char *value)
{
	struct cv_service_key *key = &p->request->service.key;
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 10);
	if (end == value || *end || errno == ERANGE || n <= 0 || n > UINT_MAX)
		return refuse(p, 2, "invalid fwmark value `%s' specified", value);
	key->fwmark = (uint32_t)n;
	key->family = AF_INET;
	p->port_proto = IPPROTO_TCP;
	return 0;
}

static int take_ipv6(struct parser *p, const char *value)
{
	struct cv_service_spec *s = &p->request->service;

	if (!s->key.fwmark)
		return refuse(p, 2, "-6 used before -f\n");
	s->key.family = AF_INET6;
	s->netmask = 128;
	return 0;
}

static int take_scheduler(struct parser *p, const char *value)
{
	strncpy(p->request->scheduler, value, sizeof(p->request->scheduler) - 1);
	return 0;
}

static int take_engine(struct parser *p, const char *value)
{
	strncpy(p->request->engine, value, sizeof(p->request->engine) - 1);
	return 0;
}

static int take_persistent(struct parser *p, const char *value)
{
	struct cv_service_spec *s = &p->request->service;

	s->flags |= CV_SVC_PERSISTENT;
	s->timeout = 6 * 60;
	return value ? take_timeout(p, value, 1, &s->timeout) : 0;
}

/* Which kind of mask, the service decides, if it was named before. */
static int take_netmask(struct parser *p, const char *value)
{
	struct cv_service_spec *s = &p->request->service;

	if (s->key.family != AF_INET6) {
		if (parse_ipv4_mask(value, p->names, &s->netmask))
			return refuse(p, 2, "illegal virtual server persistent mask specified");
		return 0;
	}
	s->netmask = (uint32_t)atoi(value);
	if (s->netmask < 1 || s->netmask > 128)
		return refuse(p, 2, "illegal ipv6 netmask specified");
	return 0;
}

static int take_onepacket(struct parser *p, const char *value)
{
	p->request->service.flags |= CV_SVC_ONEPACKET;
	return 0;
}

static int keep_sched_flags(struct parser *p, const char *value)
{
	strncpy(p->sched_flags, value, sizeof(p->sched_flags) - 1);
	return 0;
}

static int one_sched_flag(struct parser *p, const char *flag)
{
	static const struct {
		const char *name, *sched;
		uint32_t bit;
	} known[] = {
		{ "flag-1", NULL, CV_SVC_SCHED1 },  { "flag-2", NULL, CV_SVC_SCHED2 },
		{ "flag-3", NULL, CV_SVC_SCHED3 },  { "sh-fallback", "sh", CV_SVC_SCHED1 },
		{ "sh-port", "sh", CV_SVC_SCHED2 }, { "mh-fallback", "mh", CV_SVC_SCHED1 },
		{ "mh-port", "mh", CV_SVC_SCHED2 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(flag, known[i].name) != 0)
			continue;
		if (known[i].sched && strcmp(known[i].sched, p->request->scheduler) != 0)
			return refuse(p, 2, "incompatible scheduler flag `%s'", flag);
		p->request->service.flags |= known[i].bit;
		return 0;
	}
	return refuse(p, 2, "invalid scheduler flag `%s'", flag);
}

int take_sched_flags(struct parser *p)
{
	char *rest = NULL, *flag = strtok_r(p->sched_flags, ",", &rest);
	int err = 0;

	for (; flag && !err; flag = strtok_r(NULL, ",", &rest))
		err = one_sched_flag(p, flag);
	return err;
}

static int take_server(struct parser *p, const char *value)
{
	struct cv_dest_spec *d = &p->request->dest;
	struct endpoint e = { .port = p->request->service.key.port };

	if (!(parse_endpoint(&e, value, p->port_proto, p->names) & ADDRESS_HOST))
		return refuse(p, 2, "illegal real server address[:port] specified");
	d->family = e.family;
	d->addr = e.addr;
	d->port = e.port;
	return 0;
}

static int take_masq(struct parser *p, const char *value)
{
	p->request->dest.method = CV_MASQ;
	return 0;
}

static int take_tunnel(struct parser *p, const char *value)
{
	p->request->dest.method = CV_TUNNEL;
	return 0;
}

static int take_droute(struct parser *p, const char *value)
{
	p->request->dest.method = CV_DROUTE;
	return 0;
}

/* A number within [min, max], or a complaint about `what`. */
static int take_number(struct parser *p, const char *value, int min, int max, const char *what,
		       uint32_t *out)
{
	int n = number_between(value, min, max);

	if (n < 0)
		return refuse(p, 2, "illegal %s specified", what);
	*out = (uint32_t)n;
	return 0;
}

static int take_weight(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 0, INT_MAX, "weight", &n);

	p->request->dest.weight = (int32_t)n;
	return err;
}

static int take_u_threshold(struct parser *p, const char *value)
{
	return take_number(p, value, 0, INT_MAX, "u_threshold", &p->request->dest.u_threshold);
}

static int take_l_threshold(struct parser *p, const char *value)
{
	return take_number(p, value, 0, INT_MAX, "l_threshold", &p->request->dest.l_threshold);
}

static int take_tun_type(struct parser *p, const char *value)
{
	uint8_t *type = &p->request->dest.tun_type;

	if (strcmp(value, "ipip") == 0)
		*type = CV_TUN_IPIP;
	else if (strcmp(value, "gue") == 0)
		*type = CV_TUN_GUE;
	else if (strcmp(value, "gre") == 0)
		*type = CV_TUN_GRE;
	else
		return refuse(p, 2, "illegal tunnel type specified");
	return 0;
}

static int take_tun_port(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 1, 65535, "tunnel port", &n);

	p->request->dest.tun_port = htons((uint16_t)n);
	return err;
}

static int take_tun_csum(struct parser *p, const char *value)
{
	p->request->dest.tun_flags |= CV_TUN_CSUM;
	return 0;
}

static int take_tun_remcsum(struct parser *p, const char *value)
{
	p->request->dest.tun_flags |= CV_TUN_REMCSUM;
	return 0;
}

static int take_mcast_interface(struct parser *p, const char *value)
{
	strncpy(p->request->sync.ifname, value, sizeof(p->request->sync.ifname) - 1);
	return 0;
}

static int take_syncid(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 0, 255, "syncid", &n);

	p->request->sync.syncid = (uint8_t)n;
	return err;
}

static int take_mcast_group(struct parser *p, const char *value)
{
	struct cv_sync_spec *s = &p->request->sync;

	memset(&s->group, 0, sizeof(s->group));
	if (strchr(value, ':')) {
		s->group_family = AF_INET6;
		if (inet_pton(AF_INET6, value, &s->group) != 1 || s->group.b[0] != 0xff)
			return refuse(p, 2, "invalid IPv6 mcast-group `%s'", value);
	} else {
		s->group_family = AF_INET;
		if (inet_pton(AF_INET, value, &s->group) != 1 || !IN_MULTICAST(ntohl(s->group.v4)))
			return refuse(p, 2, "invalid IPv4 mcast-group `%s'", value);
	}
	return 0;
}

static int take_mcast_port(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 1, 65535, "mcast-port", &n);

	p->request->sync.port = (uint16_t)n;
	return err;
}

static int take_mcast_ttl(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 1, 255, "mcast-ttl", &n);

	p->request->sync.ttl = (uint8_t)n;
	return err;
}

static int take_sync_maxlen(struct parser *p, const char *value)
{
	uint32_t n = 0;
	int err = take_number(p, value, 1, LONGEST_SYNC, "sync-maxlen", &n);

	p->request->sync.maxlen = (uint16_t)n;
	return err;
}

const struct option_rule option_rules[] = {
	{ "tcp-service", 't', VALUE, OPTION_SERVICE, take_tcp },
	{ "udp-service", 'u', VALUE, OPTION_SERVICE, take_udp },
	{ "sctp-service", 0, VALUE, OPTION_SERVICE, take_sctp },
	{ "fwmark-service", 'f', VALUE, OPTION_SERVICE, take_fwmark },
	{ "ipv6", '6', NO_VALUE, OPTION_COUNT, take_ipv6 },
	{ "scheduler", 's', VALUE, OPTION_SCHEDULER, take_scheduler },
	{ "sched-flags", 'b', VALUE, OPTION_SCHED_FLAGS, keep_sched_flags },
	{ "persistent", 'p', VALUE_OR_NONE, OPTION_PERSISTENT, take_persistent },
	{ "netmask", 'M', VALUE, OPTION_NETMASK, take_netmask },
	{ "pe", 0, VALUE, OPTION_ENGINE, take_engine },
	{ "ops", 'o', NO_VALUE, OPTION_ONEPACKET, take_onepacket },
	{ "real-server", 'r', VALUE, OPTION_SERVER, take_server },
	{ "masquerading", 'm', NO_VALUE, OPTION_FORWARD, take_masq },
	{ "ipip", 'i', NO_VALUE, OPTION_FORWARD, take_tunnel },
	{ "gatewaying", 'g', NO_VALUE, OPTION_FORWARD, take_droute },
	{ "weight", 'w', VALUE, OPTION_WEIGHT, take_weight },
	{ "u-threshold", 'x', VALUE, OPTION_U_THRESHOLD, take_u_threshold },
	{ "l-threshold", 'y', VALUE, OPTION_L_THRESHOLD, take_l_threshold },
	{ "tun-type", 0, VALUE, OPTION_TUN_TYPE, take_tun_type },
	{ "tun-port", 0, VALUE, OPTION_TUN_PORT, take_tun_port },
	{ "tun-nocsum", 0, NO_VALUE, OPTION_TUN_NOCSUM, NULL },
	{ "tun-csum", 0, NO_VALUE, OPTION_TUN_CSUM, take_tun_csum },
	{ "tun-remcsum", 0, NO_VALUE, OPTION_TUN_REMCSUM, take_tun_remcsum },
	{ "numeric", 'n', NO_VALUE, OPTION_NUMERIC, NULL },
	{ "connection", 'c', NO_VALUE, OPTION_CONNECTION, NULL },
	{ "timeout", 0, NO_VALUE, OPTION_TIMEOUT, NULL },
	{ "daemon", 0, NO_VALUE, OPTION_DAEMON, NULL },
	{ "stats", 0, NO_VALUE, OPTION_STATS, NULL },
	{ "rate", 0, NO_VALUE, OPTION_RATE, NULL },
	{ "thresholds", 0, NO_VALUE, OPTION_THRESHOLDS, NULL },
	{ "persistent-conn", 0, NO_VALUE, OPTION_PERSISTENT_CONN, NULL },
	{ "tun-info", 0, NO_VALUE, OPTION_TUN_INFO, NULL },
	{ "nosort", 0, NO_VALUE, OPTION_NOSORT, NULL },
	{ "sort", 0, NO_VALUE, OPTION_COUNT, NULL },
	{ "exact", 'X', NO_VALUE, OPTION_EXACT, NULL },
	{ "json", 'j', NO_VALUE, OPTION_JSON, NULL },
	{ "syncid", 0, VALUE, OPTION_SYNCID, take_syncid },
	{ "sync-maxlen", 0, VALUE, OPTION_SYNC_MAXLEN, take_sync_maxlen },
	{ "mcast-interface", 0, VALUE, OPTION_MCAST_INTERFACE, take_mcast_interface },
	{ "mcast-group", 0, VALUE, OPTION_MCAST_GROUP, take_mcast_group },
	{ "mcast-port", 0, VALUE, OPTION_MCAST_PORT, take_mcast_port },
	{ "mcast-ttl", 0, VALUE, OPTION_MCAST_TTL, take_mcast_ttl },
};

const unsigned int option_rule_count = sizeof(option_rules) / sizeof(option_rules[0]);
