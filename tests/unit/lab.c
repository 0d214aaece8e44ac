// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <culvert/sched.h>

#include "lab.h"
#include "list.h"
#include "lock.h"
#include "scheduler.h"
#include "slots.h"

struct cv *lab;

int lab_make(void **state)
{
	const struct cv_sizes sizes = { .max_conns = 1024,
					.max_conns6 = 512,
					.max_services = LAB_SERVICES,
					.max_dests = LAB_DESTS };
	int err;

	if (unshare(CLONE_NEWNET) < 0) {
		perror("unshare");
		return -1;
	}
	lab_run("ip link set lo up");
	err = cv_open_or_create(&lab, &sizes);
	if (!err)
		err = cv_lock(lab, 0);
	if (!err)
		err = maps_whole(lab, MAPS_LIST); /* tests look and write where they like */
	if (err) {
		fprintf(stderr, "cannot make an instance: %s (%s)\n", strerror(-err), cv_why());
		return -1;
	}
	return 0;
}

int lab_unmake(void **state)
{
	cv_unlock(lab);
	return cv_destroy(&lab);
}

int lab_clean(void **state)
{
	const struct cv_dest_key *key = NULL;
	struct cv_dest_key next;

	assert_int_equal(cv_flush(lab), 0);
	while (bpf_map_get_next_key(map_fd(lab, MAP_DEST_SLOTS), key, &next) == 0)
		bpf_map_delete_elem(map_fd(lab, MAP_DEST_SLOTS), &next);
	for (uint32_t slot = 0; slot < LAB_DESTS; slot++)
		lab->dests[slot].flags = 0;
	return 0;
}

union cv_addr lab_addr(const char *text, uint8_t *family)
{
	union cv_addr addr = {};

	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(*family, text, &addr), 1);
	return addr;
}

struct cv_service_key lab_key(const char *addr, uint16_t port)
{
	struct cv_service_key key = { .port = htons(port), .proto = IPPROTO_TCP };

	key.addr = lab_addr(addr, &key.family);
	return key;
}

struct cv_service_spec lab_service(const char *addr, uint16_t port, enum cv_sched sched)
{
	struct cv_service_spec s = { .key = lab_key(addr, port), .sched = sched };

	s.netmask = s.key.family == AF_INET ? 0xffffffff : 128;
	return s;
}

struct cv_dest_spec lab_dest(const char *addr, int32_t weight)
{
	struct cv_dest_spec d = { .port = htons(80), .method = CV_DROUTE, .weight = weight };

	d.addr = lab_addr(addr, &d.family);
	return d;
}

/* Words, one behind another. */
struct line {
	char text[8192];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) say(struct line *l, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	l->n += (size_t)vsnprintf(l->text + l->n, sizeof(l->text) - l->n, format, ap);
	va_end(ap);
	assert_true(l->n < sizeof(l->text));
}

static void say_addr(struct line *l, uint8_t family, const union cv_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	say(l, "%s", inet_ntop(family, addr, text, sizeof(text)));
}

static int list_one(const struct cv_dest_info *d, void *arg)
{
	struct line *l = arg;

	if (l->n)
		say(l, " ");
	say_addr(l, d->spec.family, &d->spec.addr);
	return 0;
}

const char *lab_list(const struct cv_service_key *key)
{
	static struct line l;
	struct cv_service_info info;

	l.n = 0;
	l.text[0] = '\0';
	assert_int_equal(cv_find_service(lab, key, &info), 0);
	assert_int_equal(cv_each_dest(lab, info.id, list_one, &l), 0);
	return l.text;
}

static int listing_dest(const struct cv_dest_info *d, void *arg)
{
	struct line *l = arg;

	say(l, " [");
	say_addr(l, d->spec.family, &d->spec.addr);
	say(l, " m%d w%d/%d x%u y%u t%u/%u/%u a%u i%u p%u o%d n%llu]", d->spec.method,
	    d->spec.weight, lab->dests[d->id].last_weight, d->spec.u_threshold, d->spec.l_threshold,
	    d->spec.tun_type, d->spec.tun_flags, d->spec.tun_port, d->activeconns, d->inactconns,
	    d->persistconns, d->overload, (unsigned long long)d->figures.total[CV_CONNS]);
	return 0;
}

static void listing_service(struct line *l, const struct cv_service_info *s)
{
	const struct cv_service *svc = &lab->svcs[s->id];

	say(l, "{");
	say_addr(l, s->spec.key.family, &s->spec.key.addr);
	say(l, ":%u s%d f%x t%u m%x pe%u d%u n%llu wrr%d/%d/%d", ntohs(s->spec.key.port),
	    s->spec.sched, s->spec.flags, s->spec.timeout, s->spec.netmask, s->spec.pe,
	    s->num_dests, (unsigned long long)s->figures.total[CV_CONNS], svc->wrr_weight,
	    svc->wrr_max, svc->wrr_gcd);
	assert_int_equal(cv_each_dest(lab, s->id, listing_dest, l), 0);
	say(l, "}");
}

struct services {
	struct cv_service_info info[LAB_SERVICES];
	size_t n;
};

static int collect(const struct cv_service_info *s, void *arg)
{
	struct services *all = arg;

	assert_true(all->n < LAB_SERVICES);
	all->info[all->n++] = *s;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct cv_service_info *)a)->spec.key,
		      &((const struct cv_service_info *)b)->spec.key,
		      sizeof(struct cv_service_key));
}

const char *lab_listing(void)
{
	static struct line l;
	struct services all = {};
	const struct cv_settings *s = cv_settings(lab);

	l.n = 0;
	say(&l, "%u %u %u %u %u", s->num_services, s->num_fwmark, s->num_anyport, s->num_persistent,
	    s->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED]);
	assert_int_equal(cv_each_service(lab, collect, &all), 0);
	qsort(all.info, all.n, sizeof(all.info[0]), by_key);
	for (size_t i = 0; i < all.n; i++)
		listing_service(&l, &all.info[i]);
	return l.text;
}

uint32_t lab_slot(const struct cv_service_key *key, const char *addr)
{
	struct cv_dest_key dest = { .owner = *key, .port = htons(80) };
	uint32_t slot;

	dest.addr = lab_addr(addr, &dest.family);
	return slots_find_dest(lab, &dest, &slot) ? CV_NONE : slot;
}

static void check_table(uint32_t service, const uint32_t *table, uint32_t slots)
{
	struct cv_table_key key = { .service = service };

	for (; key.piece < CV_TABLE_PIECES; key.piece++) {
		uint32_t from = key.piece * CV_TABLE_PIECE;
		struct cv_table piece;
		int err = bpf_map_lookup_elem(map_fd(lab, MAP_SCHED_TABLES), &key, &piece);

		assert_int_equal(err == 0, from < slots);
		if (!err)
			assert_memory_equal(piece.dest, table + from, sizeof(piece.dest));
	}
}

static void check_pointers(const struct sched_ops *ops, const uint32_t *list, uint32_t n)
{
	uint32_t up[LAB_DESTS], jump[LAB_DESTS];

	for (uint32_t i = 0; i < n; i++) {
		up[i] = lab->dests[list[i]].up;
		jump[i] = lab->dests[list[i]].jump;
	}
	assert_int_equal(ops->link(lab, list, n), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(lab->dests[list[i]].up, up[i]);
		assert_int_equal(lab->dests[list[i]].jump, jump[i]);
	}
}

void lab_check_derived(void)
{
	for (uint32_t i = 0; i < LAB_SERVICES; i++) {
		const struct cv_service *svc = &lab->svcs[i];
		const struct sched_ops *ops = sched_ops(svc->sched);
		uint32_t table[CV_TABLE_PIECES * CV_TABLE_PIECE];
		_cleanup_free_ uint32_t *list = NULL;
		uint32_t n = 0, slots = 0;

		memset(table, 0xff, sizeof(table));
		if (svc->flags & CV_SVC_USED) {
			assert_int_equal(list_dests(lab, i, &list, &n), 0);
			slots = n && ops->fill ? ops->slots : 0;
			if (slots)
				assert_int_equal(ops->fill(lab, list, n, table), 0);
			if (ops->link)
				check_pointers(ops, list, n);
		}
		check_table(i, table, slots);
	}
}

void lab_age(uint32_t ticks)
{
	for (uint32_t slot = 0; slot < LAB_DESTS; slot++)
		lab->dests[slot].trashed -= ticks;
	for (uint32_t slot = 0; slot < LAB_SERVICES; slot++)
		lab->svcs[slot].freed -= ticks;
}

void lab_run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}
