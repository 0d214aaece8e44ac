// SPDX-License-Identifier: GPL-2.0-or-later
/* Other programs for the hooks of masters and slaves, under traffic: see pins.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "build.h"
#include "cleanup.h"
#include "ipvlan_internal.h"
#include "mapkeys.h"
#include "pins.h"
#include "upgrade.h"
#include "why.h"

static int swap_port(struct cv_ipv *v, uint32_t ifindex, uint32_t kind, unsigned int *hooks)
{
	bool master = kind == CV_IPV_IS_MASTER;
	int err = ipv_replace(v, master ? IPV_MASTER_IN : IPV_SLAVE_OUT, ifindex);

	if (!err)
		err = ipv_replace(v, master ? IPV_MASTER_OUT : IPV_SLAVE_IN, ifindex);
	if (!err)
		*hooks += 2;
	return err;
}

static int swap_all(struct cv_ipv *v, unsigned int *hooks)
{
	_cleanup_(map_keys_free) struct map_keys all = {};
	const uint32_t *ifindexes;
	struct cv_ipv_port port;
	int err = map_keys(v->maps[IPV_PORTS], sizeof(*ifindexes), &all);

	*hooks = 0;
	ifindexes = all.keys;
	for (uint32_t i = 0; i < all.n && !err; i++) {
		if (bpf_map_lookup_elem(v->maps[IPV_PORTS], &ifindexes[i], &port) == 0)
			err = swap_port(v, ifindexes[i], port.kind, hooks);
		else if (errno != ENOENT)
			err = cv_plain(-errno);
	}
	return err;
}

int ipv_upgrade_finish(struct cv_ipv *v)
{
	unsigned int hooks;
	int err;

	if (!pins_decided(v->dir))
		return 0;
	err = swap_all(v, &hooks);
	return err ? err : pins_settle(v->dir);
}

static int finish_or_undo(struct cv_ipv *v, unsigned int *hooks)
{
	unsigned int back;
	char why[512];
	int err = swap_all(v, hooks);

	if (!err) {
		pins_settle(v->dir); /* if it cannot now, the next command does: it has happened */
		return 0;
	}
	snprintf(why, sizeof(why), "%s", *cv_why() ? cv_why() : strerror(-err));
	if (pins_undo(v->dir) == 0)
		swap_all(v, &back);
	return cv_fail(err, "%s", why);
}

static int replace(struct cv_ipv *v, unsigned int *hooks)
{
	_cleanup_(ipv_object_close) struct bpf_object *obj = NULL;
	int err = ipv_object_load(v->dir, &obj);

	if (!err)
		err = pins_decide(v->dir, obj);
	if (!err)
		err = finish_or_undo(v, hooks);
	if (!err)
		pins_prune(v->dir, obj);
	return err;
}

int ipv_upgrade(struct cv_upgrade *out)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;
	struct cv_build was, own;
	int err = ipv_open(&v, CV_IPV_EDIT, false);

	if (!err)
		err = build_read(v->dir, &was);
	if (err)
		return err;
	out->there = true;
	build_show(&was, &out->was);
	ipv_build(&own);
	if (was.layout != own.layout)
		return cv_fail(
			-EPROTO,
			"the fields of ipvlan's tables mean other things (layout %u) than in this culvert "
			"(layout %u)",
			was.layout, own.layout);
	return replace(v, &out->hooks);
}
