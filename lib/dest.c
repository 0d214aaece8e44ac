// SPDX-License-Identifier: GPL-2.0-or-later
/* Destinations (real servers), as ip_vs_add_dest() and its neighbours in ip_vs_ctl.c treat them. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include <culvert/vip.h>

#include "devices.h"
#include "edit.h"
#include "figures.h"
#include "journal.h"
#include "local.h"
#include "reals.h"
#include "scheduler.h"
#include "settings.h"
#include "slots.h"
#include "tracked.h"
#include "why.h"

/* In the order in which the kernel looks: ip_vs_genl_set_cmd(), then ip_vs_add_dest(). */
static int check_spec(const struct cv_service *svc, const struct cv_dest_spec *s)
{
	if (s->family != AF_INET && s->family != AF_INET6)
		return cv_fail(-EAFNOSUPPORT, "a destination is of IPv4 or IPv6");
	if (s->family != svc->key.family && s->method != CV_TUNNEL)
		return cv_fail(-EINVAL, "only tunnels lead to the other address family");
	if (s->method != CV_MASQ && s->method != CV_TUNNEL && s->method != CV_DROUTE &&
	    s->method != CV_LOCALNODE)
		return cv_fail(-EINVAL, "unknown forwarding method %u", s->method);
	if (s->family == AF_INET && (s->addr.w[1] || s->addr.q[1]))
		return cv_fail(-EINVAL, "an IPv4 address is one word");
	if (s->weight < 0)
		return cv_fail(-ERANGE, "a weight is not negative");
	if (s->l_threshold > s->u_threshold)
		return cv_fail(-ERANGE, "the lower threshold is above the upper one");
	if (s->method != CV_TUNNEL)
		return 0;
	if (s->tun_type > CV_TUN_GRE || (s->tun_flags & ~(CV_TUN_CSUM | CV_TUN_REMCSUM)))
		return cv_fail(-EINVAL, "unknown type or flags of a tunnel");
	if (s->tun_type == CV_TUN_GUE && !s->tun_port)
		return cv_fail(-EINVAL, "a GUE tunnel has a port");
	return 0;
}

static void make_key(const struct cv_service *svc, const struct cv_dest_spec *s,
		     struct cv_dest_key *key)
{
	memset(key, 0, sizeof(*key));
	key->owner = svc->key;
	key->addr = s->addr;
	key->port = s->port;
	key->family = s->family;
}

/* The service, and the slot of the destination if it has or had one (-ENOENT: it has none). */
static int find(struct cv *cv, const struct cv_service_key *key, const struct cv_dest_spec *spec,
		uint32_t *service, uint32_t *slot)
{
	struct cv_dest_key dest;
	int err = service_find(cv, key, service);

	if (err)
		return err;
	make_key(svc_at(cv, *service), spec, &dest);
	return slots_find_dest(cv, &dest, slot);
}

/* As find(), but in the service, not in the trash. */
static int find_listed(struct cv *cv, const struct cv_service_key *key,
		       const struct cv_dest_spec *spec, uint32_t *service, uint32_t *slot)
{
	int err = find(cv, key, spec, service, slot);

	if (!err && dest_at(cv, *slot)->service != *service)
		return cv_plain(-ENOENT);
	return err;
}

/* What this host has to do with a real server's address. */
struct host_view {
	int type;	      /* enum local_type */
	union cv_addr source; /* for tunnels */
};

static int ask_host(struct cv *cv, const struct cv_dest_spec *s, struct host_view *out)
{
	int err;

	memset(out, 0, sizeof(*out));
	out->type = local_type(cv, s->family, &s->addr);
	if (out->type < 0)
		return out->type;
	err = s->method == CV_TUNNEL ? local_source(s->family, &s->addr, &out->source) : 0;
	return err ? err : devices_refresh(cv);
}

/*
 * What a destination's flags become. The slot's connections, of which it may have some from before,
 * keep the method that they were made with.
 */
static uint32_t flags_of(const struct cv_dest *d, const struct cv_dest_spec *spec,
			 const struct host_view *host)
{
	bool other = d->flags & CV_DEST_USED && (d->flags & CV_DEST_METHOD) != spec->method;

	return CV_DEST_USED | CV_DEST_AVAILABLE | spec->method |
	       (host->type == ADDR_LOCAL ? CV_DEST_LOCAL : 0) |
	       (spec->family == AF_INET6 ? CV_DEST_IPV6 : 0) |
	       (other ? CV_DEST_MIXED : d->flags & CV_DEST_MIXED);
}

/*
 * __ip_vs_dest_update_overload(): other thresholds are held against the
 * connections that there are. Between the two of them it stays as it is.
 */
static void update_overload(struct txn *t, struct cv_dest *d, const struct cv_dest_spec *s)
{
	uint32_t low = s->l_threshold ? s->l_threshold : s->u_threshold - s->u_threshold / 4;
	uint64_t conns = (uint64_t)d->activeconns + d->inactconns;

	if (s->u_threshold == d->u_threshold && s->l_threshold == d->l_threshold)
		return;
	if (s->u_threshold && conns >= s->u_threshold)
		txn_swap(t, &d->state, 0, CV_DEST_OVERLOAD);
	else if (conns < low || !s->u_threshold)
		txn_and(t, &d->state, ~CV_DEST_OVERLOAD);
	txn_set(t, &d->u_threshold, s->u_threshold);
	txn_set(t, &d->l_threshold, s->l_threshold);
}

/* Answers of a masq real server that is the director itself go another way (culvert0.h). */
static void routes_due(struct txn *t, const struct cv_dest *d, uint32_t flags)
{
	const uint32_t what = CV_DEST_AVAILABLE | CV_DEST_LOCAL | CV_DEST_METHOD;

	if ((d->flags ^ flags) & what && (d->flags | flags) & CV_DEST_LOCAL)
		txn_set(t, &t->cv->journal->routes_due, ROUTES_ALL);
}

/*
 * __ip_vs_update_dest(): what -a and -e set. The flags, which let packets through, come last. The
 * next hop is looked up again by the packet that comes next: what was found before the destination
 * went into the trash may have led to a device that is no more.
 */
static void update(struct txn *t, uint32_t slot, const struct cv_dest_spec *s,
		   const struct host_view *host)
{
	struct cv_dest *d = dest_at(t->cv, slot);
	struct cv_settings *settings = t->cv->settings;

	txn_set(t, &d->weight, s->weight);
	txn_set(t, &d->tun_type, s->tun_type);
	txn_set(t, &d->tun_flags, s->tun_flags);
	txn_set(t, &d->tun_port, s->tun_port);
	txn_set(t, &d->src_default.q[0], host->source.q[0]);
	txn_set(t, &d->src_default.q[1], host->source.q[1]);
	update_overload(t, d, s);
	if (s->method == CV_MASQ &&
	    (d->flags & (CV_DEST_USED | CV_DEST_METHOD)) != (CV_DEST_USED | CV_MASQ))
		txn_set(t, &settings->num_masq, settings->num_masq + 1);
	if (s->method == CV_MASQ)
		settings_add_host(t, &s->addr);
	routes_due(t, d, flags_of(d, s, host));
	reals_follow(t, slot, flags_of(d, s, host));
	txn_set(t, &d->nh_due, cv_now(t->cv));
	txn_set(t, &d->flags, flags_of(d, s, host));
}

/* At the head, so that the last added is the first (list_add_rcu() in ip_vs_ctl.c). */
static void link_in(struct txn *t, uint32_t service, uint32_t slot, int32_t weight)
{
	const struct sched_change c = {
		.service = service, .dest = slot, .what = SCHED_ADD, .weight = weight
	};
	struct cv_service *svc = svc_at(t->cv, service);
	struct cv_dest *d = dest_at(t->cv, slot);

	sched_changed(t, &c);
	txn_fold(t, service, slot, -1);
	txn_set(t, &d->service, service);
	txn_set(t, &d->next, svc->head);
	txn_set(t, &svc->head, slot);
	txn_set(t, &svc->num_dests, svc->num_dests + 1);
	txn_set(t, &svc->generation, svc->generation + 1);
}

/* From the trash: with its connections; with its figures only if it is the very same service. */
static void revive(struct txn *t, uint32_t service, uint32_t slot)
{
	const struct cv_dest *d = dest_at(t->cv, slot);
	struct cv_estimate *e = dest_est_at(t->cv, slot);
	uint64_t total[CV_RATES];

	if (d->last_service == service && d->last_serial == svc_at(t->cv, service)->serial)
		return;
	figures_dest_total(t->cv, slot, total);
	for (int i = 0; i < CV_RATES; i++)
		txn_set(t, &e->base[i], total[i]);
}

/*
 * In a slot that nobody has: written in place, and it comes to be with the
 * record's flags. Finding a slot may take records of its own: this one must
 * still be empty.
 */
static int make(struct txn *t, uint32_t service, const struct cv_dest_spec *spec, uint32_t *out)
{
	struct cv_dest_key key;
	struct cv_dest *d;
	int err = slots_take_dest(t->cv, out);

	if (err)
		return err;
	d = dest_at(t->cv, *out);
	d->owner = svc_at(t->cv, service)->key;
	d->vip_key =
		cv_vip_key_of(t->cv->journal->geo.hash_key, &d->owner, d->owner.family == AF_INET6);
	d->addr = spec->addr;
	d->port = spec->port;
	make_key(svc_at(t->cv, service), spec, &key);
	txn_hash_add(t, MAP_DEST_SLOTS, &key, *out);
	return 0;
}

/* What conntrack masquerades, the host's rules know first. */
static int learn(struct cv *cv, const struct cv_dest_spec *spec, uint32_t slot)
{
	int err;

	if (spec->method != CV_MASQ || !cv->settings->conntrack)
		return 0;
	err = tracked_check(spec->family);
	return err ? err : tracked_learn(cv, slot);
}

int cv_dest_add(struct cv *cv, const struct cv_service_key *key, const struct cv_dest_spec *spec)
{
	uint32_t service, slot;
	struct host_view host;
	struct txn t;
	int err = find(cv, key, spec, &service, &slot);
	bool known = !err;

	if (err && err != -ENOENT)
		return err;
	err = check_spec(svc_at(cv, service), spec);
	if (err)
		return err;
	if (known && dest_at(cv, slot)->service == service)
		return cv_plain(-EEXIST);
	err = ask_host(cv, spec, &host);
	if (err)
		return err;
	/* The kernel does not ask about one that it finds in the trash. */
	if (host.type == ADDR_UNFIT && !known)
		return cv_fail(-EINVAL, "a real server has a unicast address");

	txn_begin(&t, cv);
	if (known)
		revive(&t, service, slot);
	else
		err = make(&t, service, spec, &slot);
	if (err)
		return err;
	link_in(&t, service, slot, spec->weight);
	update(&t, slot, spec, &host);
	err = learn(cv, spec, slot);
	return err ? err : txn_commit(&t);
}

int cv_dest_edit(struct cv *cv, const struct cv_service_key *key, const struct cv_dest_spec *spec)
{
	struct sched_change c = { .what = SCHED_EDIT, .weight = spec->weight };
	struct cv_service *svc;
	uint32_t service, slot;
	struct host_view host;
	struct txn t;
	int err = service_find(cv, key, &service);

	if (!err)
		err = check_spec(svc_at(cv, service), spec);
	if (!err)
		err = find_listed(cv, key, spec, &service, &slot);
	if (!err)
		err = ask_host(cv, spec, &host);
	if (err)
		return err;

	svc = svc_at(cv, service);
	c.service = service;
	c.dest = slot;
	txn_begin(&t, cv);
	sched_changed(&t, &c);
	update(&t, slot, spec, &host);
	txn_set(&t, &svc->generation, svc->generation + 1);
	err = learn(cv, spec, slot);
	return err ? err : txn_commit(&t);
}

/* Out of the list and into the trash; `before` stands before it, or is CV_NONE. */
static void unlink_dest(struct txn *t, uint32_t service, uint32_t slot, uint32_t before)
{
	struct cv *cv = t->cv;
	struct cv_service *svc = svc_at(cv, service);
	struct cv_dest *d = dest_at(cv, slot);

	txn_set(t, &d->flags, d->flags & ~CV_DEST_AVAILABLE);
	routes_due(t, d, d->flags & ~CV_DEST_AVAILABLE);
	reals_follow(t, slot, d->flags & ~CV_DEST_AVAILABLE);
	txn_fold(t, service, slot, 1);
	txn_set(t, before == CV_NONE ? &svc->head : &dest_at(cv, before)->next, d->next);
	txn_set(t, &svc->num_dests, svc->num_dests - 1);
	txn_set(t, &d->service, CV_NONE);
	txn_set(t, &d->last_service, service);
	txn_set(t, &d->last_serial, svc->serial);
	txn_set(t, &d->trashed, cv_now(cv));
	txn_set(t, &svc->generation, svc->generation + 1);
}

int cv_dest_del(struct cv *cv, const struct cv_service_key *key, const struct cv_dest_spec *spec)
{
	struct sched_change c = { .what = SCHED_DEL, .before = CV_NONE };
	uint32_t at, service, slot, steps = 0;
	struct txn t;
	int err = find_listed(cv, key, spec, &service, &slot);

	if (err)
		return err;
	for (at = svc_at(cv, service)->head; at != slot && at != CV_NONE;
	     at = dest_step(cv, at, &steps))
		c.before = at;
	if (at == CV_NONE)
		return cv->spoiled ? cv->spoiled :
				     cv_fail(-EPROTO, "slot %u is not in its service's list", slot);
	c.service = service;
	c.dest = slot;
	txn_begin(&t, cv);
	unlink_dest(&t, service, slot, c.before);
	sched_changed(&t, &c);
	err = txn_commit(&t);
	return err ? err : orphans_end(cv);
}

int dest_drain(struct cv *cv, uint32_t service)
{
	const struct cv_service *svc = svc_at(cv, service);
	uint32_t steps = 0;
	int err;

	/* Taking away what stands at the head comes to an end if the list has one. */
	for (uint32_t at = svc->head; at != CV_NONE;)
		at = dest_step(cv, at, &steps);
	err = cv->spoiled;
	while (svc->head != CV_NONE && !err) {
		struct txn t;

		txn_begin(&t, cv);
		unlink_dest(&t, service, svc->head, CV_NONE);
		err = txn_commit(&t);
	}
	return err;
}
