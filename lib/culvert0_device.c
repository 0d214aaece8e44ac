// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device culvert0: one end of a veth pair, both in this network namespace.
 * The other end only makes it run; nothing gets there, because the program on
 * culvert0's way out sends everything elsewhere.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "bpffs.h"
#include "cleanup.h"
#include "culvert0.h"
#include "netns.h"
#include "sysctl.h"
#include "tchook.h"
#include "why.h"

#define PEER_NAME "culvert0-end"
#define MTU 65535

static const uint8_t mac[6] = CV_CULVERT0_MAC;

/*
 * IPv4's reverse path filter takes the stricter of a device's setting and
 * conf.all's, and the loose one, 2, wants the device to have some address: the
 * dummy address of RFC 7600, which is of this host alone and never a source.
 */
static const struct rtnl_addr dummy = {
	.family = AF_INET,
	.addr = { .b = { 192, 0, 0, 8 } },
	.plen = 32,
	.scope = RT_SCOPE_HOST,
};

static const struct {
	int family;
	const char *dev, *name;
	int value;
} settings[] = {
	{ AF_INET, CULVERT0_NAME, "rp_filter", 2 },
	{ AF_INET, CULVERT0_NAME, "accept_local", 1 },	 /* the director's own packets come back */
	{ AF_INET, CULVERT0_NAME, "route_localnet", 1 }, /* ... for a real server 127.0.0.1, too */
	{ AF_INET, CULVERT0_NAME, "forwarding", 1 },
	{ AF_INET, CULVERT0_NAME, "send_redirects", 0 },
	{ AF_INET6, CULVERT0_NAME, "accept_ra", 0 },
	{ AF_INET6, CULVERT0_NAME, "disable_ipv6", 0 },
	{ AF_INET6, PEER_NAME, "disable_ipv6", 1 },
};

static bool is_ours(const struct rtnl_link *link)
{
	return strcmp(link->kind, "veth") == 0 && memcmp(link->mac, mac, sizeof(mac)) == 0;
}

static int make_pair(struct rtnl *nl)
{
	struct rtnl_veth veth = {
		.name = CULVERT0_NAME, .peer_name = PEER_NAME, .mac = mac, .mtu = MTU, .noarp = true
	};
	_cleanup_fd_ int here = -1;
	int err = netns_open_self(&here);

	if (err)
		return err;
	veth.peer_netns = here;
	return rtnl_veth_add(nl, &veth);
}

static int find_or_make(struct rtnl *nl, struct rtnl_link *out)
{
	int err = rtnl_link_by_name(nl, CULVERT0_NAME, out);

	if (err == -ENODEV) {
		err = make_pair(nl);
		if (!err)
			err = rtnl_link_by_name(nl, CULVERT0_NAME, out);
	}
	if (err)
		return cv_fail(err, "cannot make the device " CULVERT0_NAME ": %s", strerror(-err));
	if (!is_ours(out))
		return cv_fail(-EEXIST,
			       "there is a device " CULVERT0_NAME " that culvert did not make");
	return 0;
}

static int set_up(struct rtnl *nl, const struct rtnl_link *link)
{
	struct rtnl_addr addr = dummy;
	int err = rtnl_link_addrgen(nl, link->ifindex, IN6_ADDR_GEN_MODE_NONE);

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !err; i++) {
		err = sysctl_dev_set(settings[i].family, settings[i].dev, settings[i].name,
				     settings[i].value);
		/* A kernel without IPv6, or without it on this device. */
		if (err == -ENOENT && settings[i].family == AF_INET6)
			err = 0;
	}
	addr.ifindex = link->ifindex;
	if (!err)
		err = rtnl_addr_add(nl, &addr);
	if (err == -EEXIST)
		err = 0;
	if (!err)
		err = rtnl_link_flags(nl, link->peer, IFF_UP, IFF_UP);
	return err ? err : rtnl_link_flags(nl, link->ifindex, IFF_UP, IFF_UP);
}

static int open_dir(struct cv *cv, const char *name, int *out)
{
	return bpffs_subdir(cv->dir, name, true, out);
}

static int attach(struct cv *cv, uint32_t ifindex)
{
	_cleanup_fd_ int progs = -1, links = -1, prog = -1;
	bool tcx, gone;
	int err = open_dir(cv, "progs", &progs);

	if (!err)
		err = open_dir(cv, "links", &links);
	if (err)
		return err;
	if (tchook_find(links, ifindex, TC_OUT, &tcx, &gone) && !gone)
		return 0;
	prog = bpffs_get(progs, "tc_culvert0");
	if (prog < 0)
		return prog;
	err = tchook_detach(links, ifindex, TC_OUT);
	return err ? err : tchook_attach(links, ifindex, TC_OUT, prog, &tcx);
}

/* Written by the library alone; the data path reads it with every packet that it hands over. */
static void announce(struct cv *cv, uint32_t ifindex)
{
	__atomic_store_n(&cv->settings->culvert0, ifindex, __ATOMIC_RELEASE);
}

/* The pins of one that was deleted by hand. */
static int forget(struct cv *cv, uint32_t ifindex)
{
	_cleanup_fd_ int links = -1;
	int err = open_dir(cv, "links", &links);

	announce(cv, 0);
	return err ? err : tchook_detach(links, ifindex, TC_OUT);
}

int culvert0_device_up(struct cv *cv, struct rtnl *nl)
{
	uint32_t known = cv->settings->culvert0;
	struct rtnl_link link;
	int err = find_or_make(nl, &link);

	if (!err && known && known != link.ifindex)
		err = forget(cv, known);
	if (!err)
		err = set_up(nl, &link);
	if (!err)
		err = attach(cv, link.ifindex);
	if (!err)
		announce(cv, link.ifindex);
	return err;
}

int culvert0_device_down(struct cv *cv, struct rtnl *nl)
{
	uint32_t known = cv->settings->culvert0;
	struct rtnl_link link;
	int err = known ? forget(cv, known) : 0;

	if (!err)
		err = rtnl_link_by_name(nl, CULVERT0_NAME, &link);
	if (err || !is_ours(&link))
		return err == -ENODEV ? 0 : err;
	if (link.ifindex != known)
		err = forget(cv, link.ifindex);
	return err ? err : rtnl_link_del(nl, link.ifindex);
}
