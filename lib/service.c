// SPDX-License-Identifier: GPL-2.0-or-later
/* Virtual services, as ip_vs_add_service() and its neighbours in ip_vs_ctl.c treat them. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "attach.h"
#include "cleanup.h"
#include "culvert0.h"
#include "edit.h"
#include "figures.h"
#include "journal.h"
#include "list.h"
#include "scheduler.h"
#include "settings.h"
#include "slots.h"
#include "why.h"

#define FLAGS (CV_SVC_PERSISTENT | CV_SVC_ONEPACKET | CV_SVC_SCHED1 | CV_SVC_SCHED2 | CV_SVC_SCHED3)

static int check_key(const struct cv_service_key *key)
{
	static const union cv_addr none;

	if (key->family != AF_INET && key->family != AF_INET6)
		return cv_fail(-EAFNOSUPPORT, "a service is of IPv4 or IPv6");
	if (key->fwmark) {
		if (key->port || key->proto || memcmp(&key->addr, &none, sizeof(none)) != 0)
			return cv_fail(-EINVAL, "a service has a mark or an address, not both");
		return 0;
	}
	if (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP && key->proto != IPPROTO_SCTP)
		return cv_fail(-EINVAL, "a service is of TCP, UDP or SCTP");
	if (key->family == AF_INET && (key->addr.w[1] || key->addr.q[1]))
		return cv_fail(-EINVAL, "an IPv4 address is one word");
	return 0;
}

static int check_spec(const struct cv_service_spec *s)
{
	int err = check_key(&s->key);

	if (err)
		return err;
	if (!sched_ops(s->sched))
		return cv_fail(-ENOENT, "there is no scheduler %s", cv_sched_name(s->sched));
	if (s->pe > 1)
		return cv_fail(-ENOENT, "there is no such persistence engine");
	if (s->flags & ~FLAGS)
		return cv_fail(-EINVAL, "unknown flags 0x%x", s->flags & ~FLAGS);
	if (s->key.family == AF_INET6 && (s->netmask < 1 || s->netmask > 128))
		return cv_fail(-EINVAL, "an IPv6 prefix length is 1 to 128");
	if (s->timeout > INT_MAX / CV_HZ)
		return cv_fail(-EINVAL, "a timeout is at most %d s", INT_MAX / CV_HZ);
	return 0;
}

int service_find(struct cv *cv, const struct cv_service_key *key, uint32_t *out)
{
	int err = check_key(key);

	return err ? err : slots_find_service(cv, key, out);
}

/* What the data path asks before it searches: how many there are of each kind. */
static void count(struct txn *t, uint32_t slot, uint32_t flags, int by)
{
	const struct cv_service_key *key = &svc_at(t->cv, slot)->key;
	struct cv_settings *s = t->cv->settings;
	uint32_t *routes_due = &t->cv->journal->routes_due;

	txn_set(t, &s->num_services, s->num_services + by);
	if (key->fwmark)
		txn_set(t, &s->num_fwmark, s->num_fwmark + by);
	else if (!key->port)
		txn_set(t, &s->num_anyport, s->num_anyport + by);
	else if (key->port == htons(21) && key->proto == IPPROTO_TCP)
		txn_set(t, &s->num_ftp, s->num_ftp + by);
	if (by > 0 && !key->fwmark)
		settings_add_host(t, &key->addr);
	txn_set(t, routes_due, *routes_due ? ROUTES_ALL : ROUTES_OF(slot));
	if (flags & CV_SVC_PERSISTENT)
		txn_set(t, &s->num_persistent, s->num_persistent + by);
	if (svc_at(t->cv, slot)->pe)
		txn_set(t, &s->num_sip, s->num_sip + by);
}

/* The first service by mark finds out whether its packets can be led to culvert0. */
static int lead(struct cv *cv, const struct cv_service_key *key)
{
	int err = culvert0_settle(cv);

	if (err) {
		_cleanup_(why_put_back) struct why_kept why = why_keep();

		cv_service_del(cv, key);
	}
	return err;
}

int cv_service_add(struct cv *cv, const struct cv_service_spec *spec)
{
	struct sched_change c = { .dest = CV_NONE };
	struct cv_service *svc;
	uint32_t slot;
	struct txn t;
	int err = check_spec(spec);

	if (err)
		return err;
	err = service_find(cv, &spec->key, &slot);
	if (err != -ESRCH)
		return err ? err : cv_plain(-EEXIST);
	if (spec->key.fwmark)
		err = culvert0_check(spec->key.family);
	else
		err = 0;
	if (!err)
		err = slots_take_service(cv, &slot);
	if (err)
		return err;

	svc = svc_at(cv, slot);
	svc->key = spec->key;
	svc->sched = spec->sched;
	svc->timeout = spec->timeout;
	svc->netmask = spec->netmask;
	svc->pe = spec->pe;
	c.service = slot;
	txn_begin(&t, cv);
	txn_set(&t, &svc->flags, spec->flags | CV_SVC_USED);
	sched_init(&t, spec->sched, &c);
	txn_hash_add(&t, MAP_SERVICES, &spec->key, slot);
	count(&t, slot, spec->flags, 1);
	err = txn_commit(&t);
	return err || !spec->key.fwmark || cv->settings->num_fwmark > 1 ? err :
									  lead(cv, &spec->key);
}

int cv_service_edit(struct cv *cv, const struct cv_service_spec *spec)
{
	struct sched_change c = { .dest = CV_NONE, .what = SCHED_EDIT };
	struct cv_settings *s = cv->settings;
	struct cv_service *svc;
	uint32_t slot, changed;
	struct txn t;
	int err = check_spec(spec);

	if (!err)
		err = service_find(cv, &spec->key, &slot);
	if (err)
		return err;

	svc = svc_at(cv, slot);
	changed = svc->flags ^ spec->flags;
	c.service = slot;
	txn_begin(&t, cv);
	/* As in ip_vs_edit_service(): the same scheduler keeps its state. */
	if (svc->sched != spec->sched) {
		sched_init(&t, spec->sched, &c);
		txn_set(&t, &svc->sched, spec->sched);
	}
	txn_set(&t, &svc->timeout, spec->timeout);
	txn_set(&t, &svc->netmask, spec->netmask);
	if (svc->pe != spec->pe)
		txn_set(&t, &s->num_sip, s->num_sip + (spec->pe ? 1 : -1));
	txn_set(&t, &svc->pe, spec->pe);
	txn_set(&t, &svc->flags, spec->flags | CV_SVC_USED);
	if (changed & CV_SVC_PERSISTENT)
		txn_set(&t, &s->num_persistent,
			s->num_persistent + (spec->flags & CV_SVC_PERSISTENT ? 1 : -1));
	txn_set(&t, &svc->generation, svc->generation + 1);
	return txn_commit(&t);
}

/* From here on it is no service; its destinations leave it one by one. */
static int unhash(struct cv *cv, uint32_t slot, uint64_t todo)
{
	struct cv_service *svc = svc_at(cv, slot);
	struct txn t;

	txn_begin(&t, cv);
	txn_hash_del(&t, MAP_SERVICES, &svc->key, slot);
	txn_set(&t, &svc->flags, 0);
	txn_set(&t, &svc->freed, cv_now(cv));
	count(&t, slot, svc->flags, -1);
	sched_done(&t, slot);
	txn_set(&t, &cv->journal->todo, todo);
	return txn_commit(&t);
}

static void todo_set(struct cv *cv, uint64_t todo)
{
	__atomic_store_n(&cv->journal->todo, todo, __ATOMIC_RELEASE);
	if (journal_step)
		journal_step();
}

static int drain(struct cv *cv, uint32_t slot)
{
	int err = dest_drain(cv, slot);

	if (!err)
		todo_set(cv, 0);
	return err;
}

int cv_service_del(struct cv *cv, const struct cv_service_key *key)
{
	uint32_t slot;
	int err = service_find(cv, key, &slot);

	if (!err)
		err = unhash(cv, slot, JOURNAL_TODO(TODO_DRAIN, slot));
	if (!err)
		err = drain(cv, slot);
	return err ? err : orphans_end(cv);
}

static int flush(struct cv *cv)
{
	const uint64_t todo = JOURNAL_TODO(TODO_FLUSH, 0);
	int err = 0;

	todo_set(cv, todo);
	for (uint32_t slot = 0; slot < cv->journal->geo.max_services && !err; slot++) {
		if (svc_at(cv, slot)->flags & CV_SVC_USED)
			err = unhash(cv, slot, todo);
		/* One that is unhashed already, but not empty, is where a killed command was. */
		if (!err && svc_at(cv, slot)->num_dests)
			err = dest_drain(cv, slot);
	}
	if (!err)
		err = cv->spoiled;
	if (!err)
		todo_set(cv, 0);
	return err;
}

int cv_flush(struct cv *cv)
{
	int err = cv->spoiled ? cv->spoiled : flush(cv);

	return err ? err : orphans_end(cv);
}

static int zero_service(struct cv *cv, uint32_t slot)
{
	_cleanup_free_ uint32_t *dests = NULL;
	uint32_t n;
	int err = list_dests(cv, slot, &dests, &n);

	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		figures_zero_dest(cv, dests[i]);
	figures_zero_service(cv, slot, dests, n);
	return cv->spoiled;
}

static int zero(struct cv *cv, uint32_t from, uint32_t to)
{
	int err = 0;

	for (uint32_t slot = from; slot < to && !err; slot++) {
		if (svc_at(cv, slot)->flags & CV_SVC_USED)
			err = zero_service(cv, slot);
	}
	if (!err)
		err = cv->spoiled;
	if (!err)
		todo_set(cv, 0);
	return err;
}

int cv_zero(struct cv *cv, const struct cv_service_key *key)
{
	uint32_t slot;
	int err;

	if (cv->spoiled)
		return cv->spoiled;
	if (!key) {
		todo_set(cv, JOURNAL_TODO(TODO_ZERO_ALL, 0));
		return zero(cv, 0, cv->journal->geo.max_services);
	}
	err = service_find(cv, key, &slot);
	if (err)
		return err;
	todo_set(cv, JOURNAL_TODO(TODO_ZERO, slot));
	return zero(cv, slot, slot + 1);
}

int edit_resume(struct cv *cv)
{
	uint64_t todo = cv->journal->todo;
	uint32_t slot = (uint32_t)todo;

	switch (todo >> 32) {
	case TODO_DRAIN:
		return drain(cv, slot);
	case TODO_FLUSH:
		return flush(cv);
	case TODO_ZERO:
		return zero(cv, slot, slot + 1);
	case TODO_ZERO_ALL:
		return zero(cv, 0, cv->journal->geo.max_services);
	case TODO_DETACH:
		return attach_remove(cv, slot);
	}
	return 0;
}
