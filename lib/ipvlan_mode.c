// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mode, flag and hostreach, which are the master's: one store changes all its
 * slaves (V3). What else a mode needs is there before it and goes after it, so
 * that a change under traffic costs only the packets that are on their way.
 */
#include <errno.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "why.h"

static const char *const mode_names[CV_IPV_MODES] = {
	[CV_IPV_L2] = "l2",
	[CV_IPV_L3] = "l3",
	[CV_IPV_L3S] = "l3s",
};

const char *cv_ipv_mode_name(enum cv_ipv_mode mode)
{
	return mode < CV_IPV_MODES ? mode_names[mode] : "?";
}

const char *cv_ipv_flag_name(uint32_t policy)
{
	return policy & CV_IPV_PRIVATE ? "private" : policy & CV_IPV_VEPA ? "vepa" : "bridge";
}

/* Calls `each` for every slave of the master, the one being made among them. */
static int each_slave(struct cv_ipv *v, uint32_t master,
		      int (*each)(struct cv_ipv *v, uint32_t slot, bool on), bool on)
{
	int err = 0;

	for (uint32_t i = 0; i < CV_IPV_SLAVES && !err; i++) {
		if (v->slaves[i].state != CV_IPV_FREE && v->slaves[i].master == master)
			err = each(v, i, on);
	}
	return err;
}

/*
 * A namespace that has neither a name nor a process left cannot be entered; its
 * slave is on its way out, or in use by sockets alone, and must not hold up the rest.
 */
static int set_noarp(struct cv_ipv *v, uint32_t slot, bool on)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_link inner;

	if (ipv_inner_rtnl(v, slot, &inner, &r))
		return 0;
	if (!!(inner.flags & IFF_NOARP) != on)
		rtnl_link_flags(&r, inner.ifindex, on ? IFF_NOARP : 0, IFF_NOARP);
	return 0;
}

static int set_routes(struct cv_ipv *v, uint32_t slot, bool on)
{
	return ipv_routes(v, slot, on);
}

static uint32_t next_policy(uint32_t old, int mode, int flag, int hostreach)
{
	uint32_t policy = old & (CV_IPV_MODE | CV_IPV_PRIVATE | CV_IPV_VEPA | CV_IPV_HOSTREACH);
	bool was_l2 = cv_ipv_mode_of(old) == CV_IPV_L2;

	if (mode != CV_IPV_KEEP) {
		policy = (policy & ~CV_IPV_MODE) | (uint32_t)mode;
		/* The default is another in l2 than in the others, and so goes with the change. */
		if (was_l2 != (mode == CV_IPV_L2) && hostreach == CV_IPV_KEEP)
			hostreach = mode != CV_IPV_L2;
	}
	if (flag != CV_IPV_KEEP)
		policy = (policy & ~(CV_IPV_PRIVATE | CV_IPV_VEPA)) | (uint32_t)flag;
	if (hostreach != CV_IPV_KEEP)
		policy = (policy & ~CV_IPV_HOSTREACH) | (hostreach ? CV_IPV_HOSTREACH : 0);
	return policy;
}

static int enter_l3(struct cv_ipv *v, uint32_t master, uint32_t policy)
{
	int err = each_slave(v, master, set_routes, true);

	if (err) {
		each_slave(v, master, set_routes, false);
		return err;
	}
	ipv_store(v->masters[master].policy, policy);
	return each_slave(v, master, set_noarp, true);
}

static int leave_l3(struct cv_ipv *v, uint32_t master, uint32_t policy)
{
	ipv_store(v->masters[master].policy, policy | CV_IPV_LEAVING_L3);
	each_slave(v, master, set_noarp, false);
	ipv_store(v->masters[master].policy, policy);
	return each_slave(v, master, set_routes, false);
}

int cv_ipv_set_policy(struct cv_ipv *v, const struct cv_ipv_link *link, int mode, int flag,
		      int hostreach)
{
	uint32_t master = v->slaves[link->slot].master;
	uint32_t old = v->masters[master].policy;
	uint32_t policy = next_policy(old, mode, flag, hostreach);
	bool was_l2 = cv_ipv_mode_of(old) == CV_IPV_L2, is_l2 = cv_ipv_mode_of(policy) == CV_IPV_L2;
	int err = 0;

	/* A change that was killed half way is completed by the next one, even to the same. */
	if (cv_ipv_mode_of(policy) == CV_IPV_L3S)
		err = ipv_master_forwarding(v, master, CV_IPV_L3S);
	if (err)
		return err;
	if (was_l2 && !is_l2)
		err = enter_l3(v, master, policy);
	else if ((!was_l2 && is_l2) || (old & CV_IPV_LEAVING_L3))
		err = leave_l3(v, master, policy);
	else
		ipv_store(v->masters[master].policy, policy);
	if (cv_ipv_mode_of(v->masters[master].policy) != CV_IPV_L3S)
		ipv_master_forwarding(v, master, CV_IPV_L3);
	return err;
}
