// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net.ipv4.vs.* by the kernel's names and meanings
 * (Documentation/networking/ipvs-sysctl.rst): one table says where each stands
 * in struct cv_settings, what it may be, and why something is refused.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "culvert.h"
#include "instance.h"
#include "journal.h"
#include "settings.h"
#include "why.h"

#define PREFIX "net.ipv4.vs."

struct vs_setting {
	const char *name;
	size_t at;		/* in struct cv_settings */
	unsigned int values;	/* how many; 1 but for sync_threshold */
	uint32_t most;
	uint32_t allowed;	/* bit N: the value N works; 0: every value up to most */
	const char *why;	/* why the others are refused */
};

#define ATS(field, n) .name = #field, .at = offsetof(struct cv_settings, field), .values = (n)
#define AT(field) ATS(field, 1)
#define SECONDS (INT_MAX / 250)	/* proc_dointvec_jiffies(), at Debian's HZ */
#define SYNC "there is no synchronisation daemon"
#define DEFENCE "1 and 2 follow the memory that is free, which the data path cannot see; 0 and 3 work"

static const struct vs_setting table[] = {
	{ AT(am_droprate), .most = INT_MAX },
	{ AT(amemthresh), .allowed = 1, .why = DEFENCE },
	{ AT(backup_only), .most = 1, .allowed = 1, .why = SYNC },
	{ AT(cache_bypass), .most = 1, .allowed = 1, .why = "packets without a destination do not bypass the director" },
	{ AT(conn_reuse_mode), .most = INT_MAX },
	{ AT(conntrack), .most = 1, .allowed = 1, .why = "what the load balancer sends does not cross conntrack" },
	{ AT(drop_entry), .most = 3, .allowed = 1 << 0 | 1 << 3, .why = DEFENCE },
	{ AT(drop_packet), .most = 3, .allowed = 1 << 0 | 1 << 3, .why = DEFENCE },
	{ AT(expire_nodest_conn), .most = 1 },
	{ AT(expire_quiescent_template), .most = 1 },
	{ AT(ignore_tunneled), .most = 1, .allowed = 1, .why = "packets of other protocols are never touched, so there is nothing to ignore" },
	{ AT(lblc_expiration), .most = SECONDS },
	{ AT(lblcr_expiration), .most = SECONDS },
	{ AT(nat_icmp_send), .most = 1, .allowed = 1, .why = "answers without a connection are the stack's" },
	{ AT(pmtu_disc), .most = 1 },
	{ AT(run_estimation), .most = 1 },
	{ AT(schedule_icmp), .most = 1, .allowed = 1, .why = "ICMP errors without a connection are the stack's" },
	{ AT(secure_tcp), .most = 3, .allowed = 1 << 0 | 1 << 3, .why = DEFENCE },
	{ AT(sloppy_sctp), .most = 1, .allowed = 1, .why = "SCTP is not balanced" },
	{ AT(sloppy_tcp), .most = 1 },
	{ AT(snat_reroute), .most = 1, .allowed = 1 << 1, .why = "answers are always routed by their new source" },
	{ AT(sync_persist_mode), .allowed = 1, .why = SYNC },
	{ AT(sync_ports), .allowed = 1, .why = SYNC },
	{ AT(sync_qlen_max), .allowed = 1, .why = SYNC },
	{ AT(sync_refresh_period), .allowed = 1, .why = SYNC },
	{ AT(sync_retries), .allowed = 1, .why = SYNC },
	{ AT(sync_sock_size), .allowed = 1, .why = SYNC },
	{ ATS(sync_threshold, 2), .allowed = 1, .why = SYNC },
	{ AT(sync_version), .allowed = 1, .why = SYNC },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static uint32_t *words(const struct cv *cv, const struct vs_setting *s)
{
	return (uint32_t *)((char *)cv->settings + s->at);
}

static const struct vs_setting *find(const char *name)
{
	if (!strncmp(name, PREFIX, strlen(PREFIX)))
		name += strlen(PREFIX);
	for (size_t i = 0; i < COUNT; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static void fill(const struct cv *cv, const struct vs_setting *s, struct cv_setting *out)
{
	out->name = s->name;
	out->values = s->values;
	for (unsigned int i = 0; i < s->values; i++)
		out->value[i] = words(cv, s)[i];
}

int cv_setting_get(const struct cv *cv, const char *name, struct cv_setting *out)
{
	const struct vs_setting *s = find(name);

	if (!s)
		return cv_fail(-ENOENT, "there is no setting %s", name);
	fill(cv, s, out);
	return 0;
}

int cv_each_setting(const struct cv *cv, int (*each)(const struct cv_setting *s, void *arg), void *arg)
{
	for (size_t i = 0; i < COUNT; i++) {
		struct cv_setting s;
		int rc;

		fill(cv, &table[i], &s);
		rc = each(&s, arg);
		if (rc)
			return rc;
	}
	return 0;
}

/* A decimal number and nothing else. */
static int parse(const char *text, uint32_t *out)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || value > INT_MAX || *end)
		return -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

static int refuse(const struct vs_setting *s, const char *text)
{
	return cv_fail(-EOPNOTSUPP, "%s cannot be %s: %s", s->name, text, s->why);
}

/* The setting and the value, if it may have that. */
static int judge(const char *name, const char *text, const struct vs_setting **out, uint32_t *value)
{
	const struct vs_setting *s = find(name);

	if (!s)
		return cv_fail(-ENOENT, "there is no setting %s", name);
	if (s->allowed && !s->most)	/* nothing but what it is */
		return refuse(s, text);
	if (parse(text, value))
		return cv_fail(-EINVAL, "%s: \"%s\" is not a number", s->name, text);
	if (*value > s->most)
		return cv_fail(-ERANGE, "%s is at most %u", s->name, s->most);
	if (s->allowed && !(s->allowed >> *value & 1))
		return refuse(s, text);
	*out = s;
	return 0;
}

int cv_setting_check(const char *name, const char *text)
{
	const struct vs_setting *s;
	uint32_t value;

	return judge(name, text, &s, &value);
}

int cv_setting_set(struct cv *cv, const char *name, const char *text)
{
	const struct vs_setting *s;
	struct txn t;
	uint32_t value;
	int err = judge(name, text, &s, &value);

	if (err)
		return err;
	txn_begin(&t, cv);
	txn_set(&t, words(cv, s), value);
	return txn_commit(&t);
}
