// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "config.h"
#include "instance.h"
#include "journal.h"
#include "scheduler.h"
#include "world.h"

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(2);
}

/* ---- what schedulers look up in -------------------------------------------------- */

/* Made by the library's own code, from the list as it is. */
static void derive(struct path *p, uint32_t service)
{
	struct journal journal = { .geo = p->geo };
	struct cv cv = {
		.journal = &journal,
		.tables = {
			[MAP_SVCS] = TABLE_IN_MEMORY(p->svcs, p->geo.max_services * sizeof(*p->svcs)),
			[MAP_DESTS] = TABLE_IN_MEMORY(p->dests, p->geo.max_dests * sizeof(*p->dests)),
		},
	};

	for (int i = 0; i < MAP_COUNT; i++)
		cv.fds[i] = -1;
	cv.fds[MAP_SCHED_TABLES] = bpf_object__find_map_fd_by_name(p->obj, "tables");
	if (sched_rebuild(&cv, service, true))
		give_up("sched_rebuild");
}

/* ---- wrr's measures ------------------------------------------------------------ */

static int32_t gcd(int32_t a, int32_t b)
{
	return b ? gcd(b, a % b) : a;
}

/* ip_vs_wrr_init_svc() and, when weights or the list have changed, ip_vs_wrr_dest_changed(). */
static void measure(struct path *p, uint32_t service, bool init)
{
	struct cv_service *s = &p->svcs[service];
	int32_t divisor = 0, most = 0;

	for (uint32_t d = s->head; d != CV_NONE; d = p->dests[d].next) {
		if (p->dests[d].weight > 0)
			divisor = gcd(p->dests[d].weight, divisor);
		if (p->dests[d].weight > most)
			most = p->dests[d].weight;
	}
	if (!divisor)
		divisor = 1;
	if (s->sched == CV_SCHED_WRR || init)
		s->cursor = CV_NONE;
	s->wrr_gcd = divisor;
	s->wrr_max = most - (divisor - 1);
	if (init || s->wrr_weight > s->wrr_max || !s->wrr_weight)
		s->wrr_weight = s->wrr_max;
	else if (divisor > 1)
		s->wrr_weight = s->wrr_weight / divisor * divisor + 1;
	derive(p, service);
}

/* ---- services ------------------------------------------------------------------- */

static struct cv_service_key key_of(const struct service_spec *spec)
{
	struct cv_service_key key = { .family = spec->v6 ? AF_INET6 : AF_INET };

	if (spec->fwmark) {
		key.fwmark = spec->fwmark;
		return key;
	}
	key.addr = addr_of(spec->addr ? spec->addr : spec->v6 ? VIP6 : VIP, NULL);
	key.port = spec->any_port ? 0 : htons(spec->port ? spec->port : 80);
	key.proto = spec->proto ? spec->proto : IPPROTO_TCP;
	return key;
}

/* Its fragments are looked at from now on. */
static void note_host(struct path *p, const union cv_addr *addr)
{
	uint32_t bit = cv_host_bit(addr);

	p->settings->hosts[bit / 32] |= 1U << bit % 32;
}

static bool is_ftp(const struct cv_service_key *key)
{
	return key->proto == IPPROTO_TCP && key->port == htons(21);
}

uint32_t service_add(struct path *p, const struct service_spec *spec)
{
	uint32_t index = p->num_services++;
	struct cv_service *s = &p->svcs[index];

	if (index >= p->geo.max_services)
		abort();
	*s = (struct cv_service){ .key = key_of(spec),
				  .flags = spec->flags | CV_SVC_USED,
				  .sched = spec->sched,
				  .timeout = spec->timeout,
				  .pe = spec->pe,
				  .netmask = spec->v6 ? 128 : 0xffffffff,
				  .head = CV_NONE,
				  .cache_since = p->clock->now,
				  .serial = index + 1 };
	measure(p, index, true);
	if (bpf_map_update_elem(p->services, &s->key, &index, BPF_NOEXIST) < 0)
		give_up("service_add");
	if (!spec->fwmark)
		note_host(p, &s->key.addr);
	p->settings->num_services++;
	p->settings->num_fwmark += spec->fwmark != 0;
	p->settings->num_anyport += spec->any_port;
	p->settings->num_persistent += !!(spec->flags & CV_SVC_PERSISTENT);
	p->settings->num_ftp += is_ftp(&s->key);
	return index;
}

void service_remove(struct path *p, uint32_t service)
{
	struct cv_service *s = &p->svcs[service];

	if (bpf_map_delete_elem(p->services, &s->key) < 0)
		give_up("service_remove");
	while (s->head != CV_NONE)
		dest_remove(p, s->head);
	s->flags &= ~CV_SVC_USED;
	p->settings->num_services--;
	p->settings->num_fwmark -= s->key.fwmark != 0;
	p->settings->num_anyport -= !s->key.fwmark && !s->key.port;
	p->settings->num_persistent -= !!(s->flags & CV_SVC_PERSISTENT);
	p->settings->num_ftp -= is_ftp(&s->key);
}

/* ---- destinations ---------------------------------------------------------------- */

static void link_in(struct path *p, uint32_t service, uint32_t dest)
{
	struct cv_service *s = &p->svcs[service];
	struct cv_dest *d = &p->dests[dest];

	d->service = service;
	d->next = s->head;
	d->flags |= CV_DEST_AVAILABLE;
	d->last_weight = d->weight;
	s->head = dest;
	s->num_dests++;
	measure(p, service, false);
}

uint32_t dest_add(struct path *p, uint32_t service, const struct dest_spec *spec)
{
	uint32_t index = p->num_dests++;
	struct cv_service *s = &p->svcs[service];
	struct cv_dest *d = &p->dests[index];
	unsigned int number = spec->number ? spec->number : 1;
	const char *text = spec->addr ? spec->addr : server_addr(number, s->key.family == AF_INET6);
	enum cv_method method = spec->masq ? CV_MASQ : spec->method ? spec->method : CV_DROUTE;
	bool v6;
	union cv_addr addr = addr_of(text, &v6);

	if (index >= p->geo.max_dests)
		abort();
	*d = (struct cv_dest){ .flags = method | CV_DEST_USED | spec->flags,
			       .addr = addr,
			       .port = spec->port ? htons(spec->port) : s->key.port,
			       .weight = spec->weight == WEIGHT_ZERO ? 0 :
					 spec->weight		     ? spec->weight :
								       1,
			       .u_threshold = spec->u_threshold,
			       .l_threshold = spec->l_threshold,
			       .owner = s->key,
			       .vip_key = cv_vip_key_of(p->geo.hash_key, &s->key,
							s->key.family == AF_INET6),
			       .src_default = addr_of(server_addr(0, v6), NULL),
			       .neigh_seen = p->clock->now,
			       .serial = index + 1 };
	if (v6)
		d->flags |= CV_DEST_IPV6;
	p->settings->num_masq += spec->masq;
	if (spec->masq)
		note_host(p, &d->addr);
	link_in(p, service, index);
	return index;
}

uint32_t dests_add(struct path *p, uint32_t service, unsigned int n)
{
	uint32_t first = p->num_dests;

	for (unsigned int i = 1; i <= n; i++)
		dest_add(p, service, &(struct dest_spec){ .number = i });
	return first;
}

/* rr goes on with the one after (ip_vs_rr_del_dest()). */
static void unlink_from(struct path *p, struct cv_service *s, uint32_t dest)
{
	uint32_t *at = &s->head, before = CV_NONE;

	while (*at != dest) {
		before = *at;
		at = &p->dests[*at].next;
	}
	*at = p->dests[dest].next;
	s->num_dests--;
	if (s->cursor == dest)
		s->cursor = before;
}

void dest_remove(struct path *p, uint32_t dest)
{
	struct cv_dest *d = &p->dests[dest];
	uint32_t service = d->service;

	d->flags &= ~CV_DEST_AVAILABLE;
	unlink_from(p, &p->svcs[service], dest);
	d->service = CV_NONE;
	d->trashed = p->clock->now;
	measure(p, service, false);
}

void dest_readd(struct path *p, uint32_t service, uint32_t dest)
{
	link_in(p, service, dest);
}

void dest_weight(struct path *p, uint32_t dest, int32_t weight)
{
	p->dests[dest].weight = weight;
	if (weight)
		p->dests[dest].last_weight = weight;
	measure(p, p->dests[dest].service, false);
}

uint32_t simple_service(struct path *p, bool v6, uint8_t proto)
{
	uint32_t service = service_add(p, &(struct service_spec){ .v6 = v6, .proto = proto });

	return dest_add(p, service, &(struct dest_spec){});
}
