// SPDX-License-Identifier: GPL-2.0-or-later
/* Services and destinations as they are, read without the lock. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "edit.h"
#include "figures.h"
#include "journal.h"
#include "list.h"
#include "why.h"

/* How often a list that changes under the reader's eyes is read again. */
#define TRIES 100

static uint32_t once(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* One walk along the list. False: it does not fit, or leads nowhere. */
static bool walk(const struct cv *cv, const struct cv_service *svc, uint32_t *slots, uint32_t room,
		 uint32_t *n)
{
	uint32_t at = once(&svc->head);

	for (*n = 0; at != CV_NONE; (*n)++) {
		if (*n >= room || at >= cv->journal->geo.max_dests)
			return false;
		slots[*n] = at;
		at = dest_next(cv, at);
	}
	return true;
}

/* An edit changes one link by one store, and the generation after it. */
int list_dests(struct cv *cv, uint32_t service, uint32_t **out, uint32_t *n)
{
	const struct cv_service *svc = svc_at(cv, service);

	for (int i = 0; i < TRIES && !cv->spoiled; i++) {
		_cleanup_free_ uint32_t *slots = NULL;
		uint32_t generation = once(&svc->generation), serial = once(&svc->serial);
		uint32_t room = once(&svc->num_dests) + 1;

		if (room > cv->journal->geo.max_dests + 1)
			return cv_fail(-EPROTO, "service %u has %u destinations", service,
				       room - 1);
		slots = malloc(room * sizeof(*slots));
		if (!slots)
			return cv_plain(-ENOMEM);
		if (walk(cv, svc, slots, room, n) && once(&svc->generation) == generation &&
		    once(&svc->serial) == serial) {
			*out = take_ptr(slots);
			return 0;
		}
		sched_yield();
	}
	if (cv->spoiled)
		return cv->spoiled;
	return cv_fail(-EAGAIN, "service %u changes faster than it can be read", service);
}

static void read_dest(const struct cv *cv, uint32_t slot, struct cv_dest_info *out)
{
	const struct cv_dest *d = dest_at(cv, slot);

	*out = (struct cv_dest_info){
		.spec = {
			.family = d->flags & CV_DEST_IPV6 ? AF_INET6 : AF_INET,
			.addr = d->addr,
			.port = d->port,
			.method = d->flags & CV_DEST_METHOD,
			.weight = d->weight,
			.u_threshold = d->u_threshold,
			.l_threshold = d->l_threshold,
			.tun_type = d->tun_type,
			.tun_flags = d->tun_flags,
			.tun_port = d->tun_port,
		},
		.activeconns = once(&d->activeconns),
		.inactconns = once(&d->inactconns),
		.persistconns = once(&d->persistconns),
		.overload = once(&d->state) & CV_DEST_OVERLOAD,
		.local = d->flags & CV_DEST_LOCAL,
		.id = slot,
		.nexthop = d->nh[once(&d->nh_cur) & 1],
	};
	figures_dest(cv, slot, &out->figures);
}

static int read_service(struct cv *cv, uint32_t slot, struct cv_service_info *out)
{
	_cleanup_free_ uint32_t *dests = NULL;
	const struct cv_service *svc = svc_at(cv, slot);
	uint32_t n;
	int err = list_dests(cv, slot, &dests, &n);

	if (err)
		return err;
	*out = (struct cv_service_info){
		.spec = {
			.key = svc->key,
			.sched = svc->sched,
			.flags = svc->flags & ~CV_SVC_USED,
			.timeout = svc->timeout,
			.netmask = svc->netmask,
			.pe = svc->pe,
		},
		.num_dests = n,
		.id = slot,
	};
	figures_service(cv, slot, dests, n, &out->figures);
	return cv->spoiled;
}

int cv_each_service(struct cv *cv, int (*each)(const struct cv_service_info *s, void *arg),
		    void *arg)
{
	int rc = maps_need(cv, MAPS_LIST);

	for (uint32_t slot = 0; !rc && slot < cv->journal->geo.max_services; slot++) {
		struct cv_service_info info;

		if (!(once(&svc_at(cv, slot)->flags) & CV_SVC_USED))
			continue;
		rc = read_service(cv, slot, &info);
		if (!rc)
			rc = each(&info, arg);
	}
	return rc ? rc : cv->spoiled;
}

int cv_each_dest(struct cv *cv, uint32_t service_id,
		 int (*each)(const struct cv_dest_info *d, void *arg), void *arg)
{
	_cleanup_free_ uint32_t *dests = NULL;
	uint32_t n = 0;
	int rc = maps_need(cv, MAPS_LIST);

	if (rc)
		return rc;
	if (service_id >= cv->journal->geo.max_services)
		return cv_fail(-EINVAL, "there is no service slot %u", service_id);
	rc = list_dests(cv, service_id, &dests, &n);
	for (uint32_t i = 0; !rc && i < n; i++) {
		struct cv_dest_info info;

		read_dest(cv, dests[i], &info);
		rc = cv->spoiled ? cv->spoiled : each(&info, arg);
	}
	return rc;
}

int cv_find_service(struct cv *cv, const struct cv_service_key *key, struct cv_service_info *out)
{
	struct cv_service_info info;
	uint32_t slot;
	int err = maps_need(cv, MAPS_LIST);

	if (!err)
		err = service_find(cv, key, &slot);
	if (!err)
		err = read_service(cv, slot, &info);
	if (!err)
		*out = info;
	return err;
}

uint32_t cv_count_dests(struct cv *cv)
{
	uint32_t n = 0;

	if (maps_need(cv, MAP_BIT(MAP_SVCS)))
		return 0;
	for (uint32_t slot = 0; slot < cv->journal->geo.max_services; slot++) {
		if (once(&svc_at(cv, slot)->flags) & CV_SVC_USED)
			n += once(&svc_at(cv, slot)->num_dests);
	}
	return n;
}
