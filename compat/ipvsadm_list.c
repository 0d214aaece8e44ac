// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listing services and destinations: collects the services, puts them in
 * order, and writes each with its destinations in the view that was asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "ipvsadm_list.h"
#include "ipvsadm_sort.h"
#include "ipvsadm_view.h"

/*
 * "size" is the number of buckets of the kernel's connection table, 4096 unless
 * ip_vs was loaded otherwise. Ours has other sets and sizes; what it holds is
 * told at the kernel's scale, so that the default of one is the default of the other.
 */
#define CONNS_PER_BUCKET 64
#define DEFAULT_BUCKETS 4096

struct services {
	struct cv_service_info *at;
	const struct cv_service_info **order;
	size_t n, room;
};

struct dests {
	struct cv_dest_info *at;
	const struct cv_dest_info **order;
	size_t n, room;
};

static void free_services(struct services *v)
{
	free(v->at);
	free(v->order);
}

static void free_dests(struct dests *v)
{
	free(v->at);
	free(v->order);
}

/* Room for one more of `size` bytes at *at, doubling. */
static int grow(void **at, size_t n, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 64;
	void *more;

	if (n < *room)
		return 0;
	more = reallocarray(*at, wanted, size);
	if (!more)
		return -ENOMEM;
	*at = more;
	*room = wanted;
	return 0;
}

static int add_service(const struct cv_service_info *s, void *arg)
{
	struct services *v = arg;
	int err = grow((void **)&v->at, v->n, &v->room, sizeof(*s));

	if (!err)
		v->at[v->n++] = *s;
	return err;
}

static int add_dest(const struct cv_dest_info *d, void *arg)
{
	struct dests *v = arg;
	int err = grow((void **)&v->at, v->n, &v->room, sizeof(*d));

	if (!err)
		v->at[v->n++] = *d;
	return err;
}

static int order_services(struct services *v, bool sorted)
{
	v->order = malloc((v->n + 1) * sizeof(*v->order));
	if (!v->order)
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++)
		v->order[i] = &v->at[i];
	return sorted ? sort_services(v->order, v->n) : 0;
}

static int order_dests(struct dests *v, bool sorted)
{
	const struct cv_dest_info **order = reallocarray(v->order, v->n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	v->order = order;
	for (size_t i = 0; i < v->n; i++)
		order[i] = &v->at[i];
	return sorted ? sort_dests(order, v->n) : 0;
}

static int collect(struct cv *cv, const struct ipvsadm_request *r, struct services *v)
{
	struct cv_service_info one;
	int err;

	if (!ipvsadm_has(r, OPTION_SERVICE))
		return cv ? cv_each_service(cv, add_service, v) : 0;
	if (!cv)
		return -ESRCH;
	err = cv_find_service(cv, &r->service.key, &one);
	return err ? err : add_service(&one, v);
}

static int collect_dests(struct cv *cv, const struct cv_service_info *s, bool sorted,
			 struct dests *v)
{
	int err;

	v->n = 0;
	err = cv_each_dest(cv, s->id, add_dest, v);
	return err ? err : order_dests(v, sorted);
}

static void show_service(const struct listing *x, const struct cv_service_info *s,
			 const struct dests *v)
{
	bool rules = x->view == VIEW_RULES;

	if (rules)
		rule_service(x, s);
	else
		table_service(x, s);
	for (size_t i = 0; i < v->n; i++) {
		if (rules)
			rule_dest(x, s, v->order[i]);
		else
			table_dest(x, s, v->order[i]);
	}
}

static int show_text(struct cv *cv, const struct services *v, const struct listing *x, bool sorted)
{
	_cleanup_(free_dests) struct dests dests = { 0 };
	int err = 0;

	for (size_t i = 0; i < v->n && !err; i++) {
		err = collect_dests(cv, v->order[i], sorted, &dests);
		if (!err)
			show_service(x, v->order[i], &dests);
	}
	return err;
}

static int show_json(struct cv *cv, const struct services *v, struct out *out, bool sorted)
{
	_cleanup_(free_dests) struct dests dests = { 0 };
	struct jsonw j;
	int err = 0;

	jsonw_begin(&j, out);
	jsonw_array(&j, "services");
	for (size_t i = 0; i < v->n && !err; i++) {
		err = collect_dests(cv, v->order[i], sorted, &dests);
		if (err)
			break;
		json_service(&j, v->order[i]);
		for (size_t k = 0; k < dests.n; k++)
			json_dest(&j, dests.order[k]);
		jsonw_close(&j);
		jsonw_close(&j);
	}
	jsonw_end(&j);
	return err;
}

static enum view view_of(const struct ipvsadm_request *r)
{
	static const struct {
		enum ipvsadm_option option;
		enum view view;
	} views[] = {
		{ OPTION_STATS, VIEW_STATS },		{ OPTION_RATE, VIEW_RATE },
		{ OPTION_THRESHOLDS, VIEW_THRESHOLDS }, { OPTION_PERSISTENT_CONN, VIEW_PERSISTENT },
		{ OPTION_TUN_INFO, VIEW_TUNNELS },
	};

	if (r->command == IPVSADM_SAVE)
		return VIEW_RULES;
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (ipvsadm_has(r, views[i].option))
			return views[i].view;
	}
	return VIEW_PLAIN;
}

static void show_header(const struct cv *cv, struct out *out)
{
	uint64_t buckets = DEFAULT_BUCKETS;

	if (cv)
		buckets = cv_conns_of(cv_geometry(cv)->sets4) / CONNS_PER_BUCKET;
	out_text(out, "IP Virtual Server version 1.2.1 (size=");
	out_number(out, buckets);
	out_text(out, ")\n");
}

int list_services(struct cv *cv, const struct ipvsadm_request *r, struct out *out)
{
	_cleanup_(free_services) struct services v = { 0 };
	_cleanup_(names_free) struct names *names = NULL;
	struct listing x = { .out = out,
			     .view = view_of(r),
			     .exact = ipvsadm_has(r, OPTION_EXACT) };
	bool sorted = !ipvsadm_has(r, OPTION_NOSORT);
	int err = collect(cv, r, &v);

	if (!err)
		err = order_services(&v, sorted);
	if (!err && !ipvsadm_has(r, OPTION_NUMERIC))
		err = names_new(&names);
	if (err)
		return err;
	if (ipvsadm_has(r, OPTION_JSON))
		return show_json(cv, &v, out, sorted);

	x.names = names;
	if (x.view != VIEW_RULES && !ipvsadm_has(r, OPTION_SERVICE))
		show_header(cv, out);
	table_title(&x);
	return show_text(cv, &v, &x, sorted);
}
