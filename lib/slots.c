// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "figures.h"
#include "instance.h"
#include "journal.h"
#include "slots.h"
#include "why.h"

/*
 * How many slots one search for room takes out of the trash at most: the next
 * searches are short.
 */
#define RECLAIM_AT_ONCE 1024

static int find(struct cv *cv, enum map_id map, const void *key, uint32_t *out)
{
	int fd = map_fd(cv, map);

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, key, out) < 0 ? -errno : 0;
}

int slots_find_dest(struct cv *cv, const struct cv_dest_key *key, uint32_t *out)
{
	int err = find(cv, MAP_DEST_SLOTS, key, out);

	if (!err && *out >= cv->journal->geo.max_dests)
		return cv_fail(-EPROTO, "dest_slots names slot %u", *out);
	return err == -ENOENT ? cv_plain(err) : err;
}

/* Edits come in rows for one service: the one found last is looked at first. */
int slots_find_service(struct cv *cv, const struct cv_service_key *key, uint32_t *out)
{
	const struct cv_service *last = svc_at(cv, cv->last_service);
	int err;

	if ((last->flags & CV_SVC_USED) && memcmp(&last->key, key, sizeof(*key)) == 0) {
		*out = cv->last_service;
		return 0;
	}
	err = find(cv, MAP_SERVICES, key, out);
	if (!err && *out >= cv->journal->geo.max_services)
		return cv_fail(-EPROTO, "services names slot %u", *out);
	if (!err)
		cv->last_service = *out;
	return err == -ENOENT ? cv_plain(-ESRCH) : err;
}

void slots_dest_key(const struct cv_dest *d, struct cv_dest_key *out)
{
	memset(out, 0, sizeof(*out));
	out->owner = d->owner;
	out->addr = d->addr;
	out->port = d->port;
	out->family = d->flags & CV_DEST_IPV6 ? AF_INET6 : AF_INET;
}

static void nap(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/*
 * Returns when no program runs any more that ran when it was called: an RCU
 * grace period, which MEMBARRIER_CMD_GLOBAL waits for. Where that is not to be
 * had (nohz_full), two seconds do. What leaves its service afterwards gets a
 * later tick.
 */
static void quiesce(struct cv *cv)
{
	uint32_t now = cv_now(cv);

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		nap(1000L * CV_GRACE / CV_HZ);
	for (int i = 0; i < 3 * 1000 / CV_HZ && cv_now(cv) == now; i++)
		nap(1);
	cv->reach = now + 1;
}

/* Can no packet that saw it at `since` be under way any more? */
static bool rested(const struct cv *cv, uint32_t since, uint32_t age)
{
	return cv_now(cv) - since >= age || cv_before(since, cv->reach);
}

static bool reclaimable(const struct cv *cv, const struct cv_dest *d, uint32_t age)
{
	return (d->flags & CV_DEST_USED) && d->service == CV_NONE && !d->activeconns &&
	       !d->inactconns && !d->persistconns && rested(cv, d->trashed, age);
}

/* Out of the trash. Its last service's cursor may still stand here, and would lead astray. */
static int reclaim(struct cv *cv, uint32_t slot)
{
	struct cv_dest *d = dest_at(cv, slot);
	struct cv_dest_key key;
	struct txn t;

	slots_dest_key(d, &key);
	txn_begin(&t, cv);
	if (d->last_service < cv->journal->geo.max_services)
		txn_swap(&t, &svc_at(cv, d->last_service)->cursor, slot, CV_NONE);
	txn_hash_del(&t, MAP_DEST_SLOTS, &key, slot);
	txn_set(&t, &d->flags, 0);
	return txn_commit(&t);
}

/*
 * A serial of 0 says that nobody ever had the slot: a new instance's memory is
 * zero, and untouched.
 */
static void clear_dest(struct cv *cv, uint32_t slot)
{
	struct cv_dest *d = dest_at(cv, slot);
	uint32_t serial = d->serial;

	if (serial) {
		figures_clear_dest(cv, slot);
		memset(d, 0, sizeof(*d));
	}
	d->serial = serial + 1;
	d->last_service = CV_NONE;
}

/*
 * Searches all slots once, from the hint, for a free one or one that has been
 * `age` ticks in the trash.
 */
static int search_dests(struct cv *cv, uint32_t age, uint32_t *out)
{
	uint32_t n = cv->journal->geo.max_dests, reclaimed = 0;
	uint32_t at = cv->journal->dest_hint % n, found = CV_NONE;
	int err;

	for (uint32_t i = 0; i < n; i++, at = at + 1 < n ? at + 1 : 0) {
		struct cv_dest *d = dest_at(cv, at);

		if (reclaimable(cv, d, age)) {
			err = reclaim(cv, at);
			if (err)
				return err;
			reclaimed++;
		}
		if (!(d->flags & CV_DEST_USED) && found == CV_NONE)
			found = at;
		if (found != CV_NONE && (!reclaimed || reclaimed >= RECLAIM_AT_ONCE))
			break;
	}
	if (found == CV_NONE)
		return -ENOSPC;
	cv->journal->dest_hint = found + 1;
	*out = found;
	return 0;
}

int slots_take_dest(struct cv *cv, uint32_t *out)
{
	int err = search_dests(cv, SLOTS_TRASH, out);

	if (err == -ENOSPC)
		err = search_dests(cv, CV_GRACE, out);
	if (err == -ENOSPC) {
		quiesce(cv);
		err = search_dests(cv, CV_GRACE, out);
	}
	if (err == -ENOSPC)
		return cv_fail(err, "there is no room for more than %u destinations",
			       cv->journal->geo.max_dests);
	if (err)
		return err;
	clear_dest(cv, *out);
	return 0;
}

static int search_services(struct cv *cv, uint32_t *out)
{
	uint32_t n = cv->journal->geo.max_services, at = cv->journal->service_hint % n;

	for (uint32_t i = 0; i < n; i++, at = at + 1 < n ? at + 1 : 0) {
		const struct cv_service *svc = svc_at(cv, at);

		if ((svc->flags & CV_SVC_USED) ||
		    (svc->serial && !rested(cv, svc->freed, CV_GRACE)))
			continue;
		cv->journal->service_hint = at + 1;
		*out = at;
		return 0;
	}
	return -ENOSPC;
}

int slots_take_service(struct cv *cv, uint32_t *out)
{
	int err = search_services(cv, out);
	struct cv_service *svc;
	uint32_t serial;

	if (err == -ENOSPC) {
		quiesce(cv);
		err = search_services(cv, out);
	}
	if (err)
		return cv_fail(err, "there is no room for more than %u services",
			       cv->journal->geo.max_services);
	svc = svc_at(cv, *out);
	serial = svc->serial;
	if (serial) {
		figures_clear_service(cv, *out);
		memset(svc, 0, sizeof(*svc));
	}
	svc->serial = serial + 1;
	svc->head = CV_NONE;
	svc->cursor = CV_NONE;
	return 0;
}
