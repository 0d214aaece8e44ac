// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "cleanup.h"
#include "devices.h"
#include "mapkeys.h"
#include "rtnl_internal.h"
#include "tick.h"
#include "why.h"

#define FRESH_NS 1000000000ULL

/* linux/netdev.h of 6.3, which Debian 12's headers do not have. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_XDP_ACT_NDO_XMIT 4U

/* ---- the map -------------------------------------------------------------- */

int devices_mark(struct cv *cv, uint32_t ifindex, uint32_t mask, uint32_t flags)
{
	struct cv_device dev = {}, old;
	int fd = map_fd(cv, MAP_DEVICES);

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &ifindex, &dev) < 0 && errno != ENOENT)
		return cv_fail(-errno, "map devices: %s", strerror(errno));
	old = dev;
	dev.flags = (dev.flags & ~mask) | flags;
	if (dev.flags == old.flags)
		return 0;
	if (bpf_map_update_elem(fd, &ifindex, &dev, BPF_ANY) < 0)
		return cv_fail(-errno, "map devices: %s", strerror(errno));
	return 0;
}

/* The devices that there are, to find those in the map that there are not any more. */
struct found {
	struct cv *cv;
	uint32_t *ifindexes;
	size_t n, room;
	int err;
};

static int found_one(struct found *f, uint32_t ifindex, bool xmit)
{
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		uint32_t *more = realloc(f->ifindexes, room * sizeof(*more));

		if (!more)
			return cv_plain(-ENOMEM);
		f->ifindexes = more;
		f->room = room;
	}
	f->ifindexes[f->n++] = ifindex;
	return devices_mark(f->cv, ifindex, CV_DEV_XDP_XMIT, xmit ? CV_DEV_XDP_XMIT : 0);
}

static bool is_found(const struct found *f, uint32_t ifindex)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->ifindexes[i] == ifindex)
			return true;
	}
	return false;
}

static int forget_others(const struct found *f)
{
	_cleanup_(map_keys_free) struct map_keys known = {};
	int fd = map_fd(f->cv, MAP_DEVICES);
	int err = fd < 0 ? fd : map_keys(fd, sizeof(uint32_t), &known);
	const uint32_t *ifindexes = known.keys;

	for (uint32_t i = 0; i < known.n && !err; i++) {
		if (!is_found(f, ifindexes[i]) && bpf_map_delete_elem(fd, &ifindexes[i]) < 0 &&
		    errno != ENOENT)
			err = cv_fail(-errno, "cannot forget a device: %s", strerror(errno));
	}
	return err;
}

/* ---- what the kernel says (6.3 and later) ---------------------------------- */

static int open_generic(struct rtnl *nl)
{
	*nl = (struct rtnl){ .nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC) };
	if (!nl->nl || mnl_socket_bind(nl->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return cv_fail(-errno, "cannot open a netlink socket: %s", strerror(errno));
	return 0;
}

static void put_command(struct nlmsghdr *h, uint8_t command)
{
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	g->cmd = command;
	g->version = 1;
}

static int each_family(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)arg = mnl_attr_get_u16(a);
	}
	return 0;
}

static int find_family(struct rtnl *nl, uint16_t *out)
{
	struct rtnl_request q;

	put_command(rtnl_start(&q, GENL_ID_CTRL, NLM_F_ACK), CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(q.nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	return rtnl_talk(nl, &q, each_family, out);
}

static int each_device(const struct nlmsghdr *h, void *arg)
{
	uint32_t ifindex = 0;
	uint64_t features = 0;
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) == NETDEV_A_DEV_IFINDEX)
			ifindex = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == NETDEV_A_DEV_XDP_FEATURES)
			features = mnl_attr_get_u64(a);
	}
	return ifindex ? found_one(arg, ifindex, features & NETDEV_XDP_ACT_NDO_XMIT) : 0;
}

/* -ENOENT: this kernel does not say. */
static int ask_kernel(struct found *f)
{
	_cleanup_(rtnl_close) struct rtnl nl = {};
	struct rtnl_request q;
	uint16_t family = 0;
	int err = open_generic(&nl);

	if (!err)
		err = find_family(&nl, &family);
	if (err)
		return err;
	put_command(rtnl_start(&q, family, NLM_F_DUMP), NETDEV_CMD_DEV_GET);
	return rtnl_talk(&nl, &q, each_device, f);
}

/* ---- what one knows ------------------------------------------------------- */

struct guess {
	struct rtnl *nl;
	struct found *found;
};

static int guess_one(const struct rtnl_link *link, void *arg)
{
	struct guess *g = arg;

	return found_one(g->found, link->ifindex, devices_guess(g->nl, link));
}

static int ask_drivers(struct found *f)
{
	_cleanup_(rtnl_close) struct rtnl list = {}, nl = {};
	struct guess g = { .nl = &nl, .found = f };
	int err = rtnl_open(&list, RTNL_HERE);

	if (!err)
		err = rtnl_open(&nl, RTNL_HERE);
	return err ? err : rtnl_each_link(&list, guess_one, &g);
}

int devices_refresh_now(struct cv *cv)
{
	struct found f = { .cv = cv };
	int err = ask_kernel(&f);

	if (err == -ENOENT)
		err = ask_drivers(&f);
	if (!err)
		err = forget_others(&f);
	if (!err)
		cv->devices_read = tick_ns();
	free(f.ifindexes);
	return err;
}

int devices_refresh(struct cv *cv)
{
	if (cv->devices_read && tick_ns() - cv->devices_read < FRESH_NS)
		return 0;
	return devices_refresh_now(cv);
}
