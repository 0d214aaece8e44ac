// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net.ipv4.vs.* by the kernel's names and meanings
 * (Documentation/networking/ipvs-sysctl.rst): one table says where each stands
 * in struct cv_settings, and what it may be.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "culvert.h"
#include "culvert0.h"
#include "defence.h"
#include "instance.h"
#include "journal.h"
#include "settings.h"
#include "tracked.h"
#include "why.h"

#define PREFIX "net.ipv4.vs."

struct vs_setting {
	const char *name;
	size_t at;	     /* in struct cv_settings */
	unsigned int values; /* how many; 1 but for sync_threshold */
	uint32_t most;
	bool automatic; /* 1 and 2 follow the free memory: defence.h */
	bool beside;	/* something stands beside the maps for it: culvert0.h */
	/* What else the values must be; NULL: nothing. */
	int (*judge)(const struct vs_setting *s, const uint32_t *values);
};

static int judge_threshold(const struct vs_setting *s, const uint32_t *values)
{
	if (values[1] && values[0] >= values[1])
		return cv_fail(-EINVAL, "%s: the first number is below the second, or that is 0",
			       s->name);
	return 0;
}

static int judge_ports(const struct vs_setting *s, const uint32_t *values)
{
	if (!values[0] || values[0] & (values[0] - 1))
		return cv_fail(-EINVAL, "%s is a power of two", s->name);
	return 0;
}

#define ATS(field, n) .name = #field, .at = offsetof(struct cv_settings, field), .values = (n)
#define AT(field) ATS(field, 1)
#define SECONDS (INT_MAX / 250) /* proc_dointvec_jiffies(), at Debian's HZ */

/*
 * As the kernel takes them: a switch is on with whatever is not 0. Those of the
 * synchronisation daemon wait for it; the kernel's do nothing without it, either.
 */
static const struct vs_setting table[] = {
	{ AT(am_droprate), .most = INT_MAX },
	{ AT(amemthresh), .most = INT_MAX },
	{ AT(backup_only), .most = INT_MAX },
	{ AT(cache_bypass), .most = INT_MAX },
	{ AT(conn_reuse_mode), .most = INT_MAX },
	{ AT(conntrack), .most = INT_MAX, .beside = true },
	{ AT(drop_entry), .most = 3, .automatic = true },
	{ AT(drop_packet), .most = 3, .automatic = true },
	{ AT(expire_nodest_conn), .most = INT_MAX },
	{ AT(expire_quiescent_template), .most = INT_MAX },
	{ AT(ignore_tunneled), .most = INT_MAX },
	{ AT(lblc_expiration), .most = SECONDS },
	{ AT(lblcr_expiration), .most = SECONDS },
	{ AT(nat_icmp_send), .most = INT_MAX },
	{ AT(pmtu_disc), .most = INT_MAX },
	{ AT(run_estimation), .most = INT_MAX },
	{ AT(schedule_icmp), .most = INT_MAX },
	{ AT(secure_tcp), .most = 3, .automatic = true },
	{ AT(sloppy_sctp), .most = INT_MAX },
	{ AT(sloppy_tcp), .most = INT_MAX },
	{ AT(snat_reroute), .most = INT_MAX },
	{ AT(sync_persist_mode), .most = INT_MAX },
	{ AT(sync_ports), .most = INT_MAX, .judge = judge_ports },
	{ AT(sync_qlen_max), .most = UINT32_MAX },
	{ AT(sync_refresh_period), .most = SECONDS },
	{ AT(sync_retries), .most = 3 },
	{ AT(sync_sock_size), .most = INT_MAX },
	{ ATS(sync_threshold, 2), .most = INT_MAX, .judge = judge_threshold },
	{ AT(sync_version), .most = 1 },
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

/* An automatic mode reads 2 while it is on. */
static void fill(const struct cv *cv, const struct vs_setting *s, struct cv_setting *out)
{
	out->name = s->name;
	out->values = s->values;
	for (unsigned int i = 0; i < s->values; i++)
		out->value[i] = words(cv, s)[i];
	if (s->automatic && out->value[0] == 1)
		out->value[0] += defence_needed(cv);
}

int cv_setting_get(const struct cv *cv, const char *name, struct cv_setting *out)
{
	const struct vs_setting *s = find(name);

	if (!s)
		return cv_fail(-ENOENT, "there is no setting %s", name);
	fill(cv, s, out);
	return 0;
}

int cv_each_setting(const struct cv *cv, int (*each)(const struct cv_setting *s, void *arg),
		    void *arg)
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

/* A decimal number, and where it ends. */
static int parse(const char **text, uint32_t *out)
{
	unsigned long value;
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(*text, &end, 10);
	if (errno || value > UINT32_MAX)
		return -ERANGE;
	*text = end;
	*out = (uint32_t)value;
	return 0;
}

/* Numbers with blanks between them: those that are missing keep what they have in `values`. */
static int parse_all(const struct vs_setting *s, const char *text, uint32_t *values)
{
	const char *at = text;
	unsigned int n = 0;
	int err = 0;

	while (!err && n < s->values) {
		err = parse(&at, &values[n]);
		if (!err && values[n++] > s->most)
			err = -ERANGE;
		if (!err && !*at)
			return 0;
		if (!err && *at != ' ' && *at != '\t')
			err = -EINVAL;
		at += strspn(at, " \t");
	}
	if (err == -ERANGE)
		return cv_fail(-ERANGE, "%s is at most %u", s->name, s->most);
	return cv_fail(-EINVAL, "%s: \"%s\" is not %s", s->name, text,
		       s->values == 1 ? "a number" : "two numbers");
}

/* The setting and its values, if it may have those; `values` has the ones before. */
static int judge(const struct vs_setting *s, const char *text, uint32_t *values)
{
	int err = parse_all(s, text, values);

	if (err)
		return err;
	return s->judge ? s->judge(s, values) : 0;
}

static int known(const char *name, const struct vs_setting **out)
{
	*out = find(name);
	return *out ? 0 : cv_fail(-ENOENT, "there is no setting %s", name);
}

int cv_setting_check(const char *name, const char *text)
{
	struct cv_settings defaults;
	const struct vs_setting *s;
	uint32_t values[CV_SETTING_VALUES];
	int err = known(name, &s);

	if (err)
		return err;
	settings_init(&defaults);
	memcpy(values, (const char *)&defaults + s->at, s->values * sizeof(*values));
	return judge(s, text, values);
}

/* Do any of the automatic modes follow the free memory, with this setting what it is about to be? */
static bool automatic(const struct cv *cv, const struct vs_setting *about, uint32_t value)
{
	for (size_t i = 0; i < COUNT; i++) {
		const struct vs_setting *s = &table[i];

		if (s->automatic && (s == about ? value : *words(cv, s)) == 1)
			return true;
	}
	return false;
}

static int store(struct cv *cv, const struct vs_setting *s, const uint32_t *values)
{
	struct txn t;

	txn_begin(&t, cv);
	for (unsigned int i = 0; i < s->values; i++)
		txn_set(&t, &words(cv, s)[i], values[i]);
	if (s->beside)
		txn_set(&t, &cv->journal->routes_due, ROUTES_ALL);
	return txn_commit(&t);
}

/* What stands beside the maps follows, or it has not happened. */
static int follow(struct cv *cv, const struct vs_setting *s, const uint32_t *before)
{
	int err = culvert0_settle(cv);

	if (err) {
		_cleanup_(why_put_back) struct why_kept why = why_keep();

		store(cv, s, before);
	}
	return err;
}

int cv_setting_set(struct cv *cv, const char *name, const char *text)
{
	uint32_t values[CV_SETTING_VALUES], before[CV_SETTING_VALUES];
	const struct vs_setting *s;
	int err = known(name, &s);

	if (err)
		return err;
	memcpy(before, words(cv, s), s->values * sizeof(*before));
	memcpy(values, before, s->values * sizeof(*values));
	err = judge(s, text, values);
	if (!err && s->automatic && values[0] == 2)
		values[0] = 1;
	if (!err && s->automatic && values[0] == 1)
		err = defence_watch(cv);
	if (!err && s->beside) /* what follows must not find that there is no memory for it */
		err = maps_whole(cv, MAPS_LIST | MAPS_CONNS);
	if (!err && s->beside && values[0])
		err = tracked_prepare(cv);
	if (!err)
		err = store(cv, s, values);
	if (!err && s->beside)
		err = follow(cv, s, before);
	return err || !s->automatic || automatic(cv, s, values[0]) ? err : defence_rest(cv);
}
