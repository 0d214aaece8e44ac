// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The host's own switches: whether it is a router is the administrator's to say,
 * and saying so writes to all devices, culvert's among them.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include "bpffs.h"
#include "cleanup.h"
#include "ipvlan_host.h"
#include "ipvlan_internal.h"
#include "sysctl.h"

static void mark(struct cv_ipv_master *m, bool taken)
{
	if (taken)
		__atomic_fetch_or(&m->forwarding, CV_IPV_LO_TAKEN, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&m->forwarding, ~CV_IPV_LO_TAKEN, __ATOMIC_RELEASE);
}

static int masters_below(int instance)
{
	_cleanup_fd_ int dir = -1, maps = -1;
	int err = bpffs_subdir(instance, "ipvlan", false, &dir);

	if (!err)
		err = bpffs_subdir(dir, "maps", false, &maps);
	return err ? err : bpffs_get(maps, "masters");
}

void ipvlan_loopback_taken(int instance, bool taken)
{
	const size_t size = sizeof(struct cv_ipv_master) * CV_IPV_MASTERS;
	_cleanup_fd_ int fd = masters_below(instance);
	struct cv_ipv_master *masters;

	if (fd < 0)
		return;
	masters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (masters == MAP_FAILED)
		return;
	for (int i = 0; i < CV_IPV_MASTERS; i++)
		mark(&masters[i], taken);
	munmap(masters, size);
}

static bool is(int wanted, int family, const char *dev, const char *name)
{
	int value;

	/* A kernel without IPv6 has no such setting. */
	return sysctl_dev_get(family, dev, name, &value) == 0 && !!value == wanted;
}

int ipv_loopback_taken(bool *taken)
{
	int lo, all, err = sysctl_dev_get(AF_INET, "lo", "forwarding", &lo);

	if (!err)
		err = sysctl_dev_get(AF_INET, "all", "forwarding", &all);
	*taken = !err && lo && !all;
	return err;
}

/*
 * The administrator's switch was turned on and off again, and with it those of the
 * host ends and the masters. One host end tells for all.
 */
static bool was_turned_off(struct cv_ipv *v, uint32_t master)
{
	struct rtnl_link host;

	return rtnl_link_by_index(&v->rtnl, RTNL_HERE, v->masters[master].probe, &host) == 0 &&
	       (is(0, AF_INET, host.name, "forwarding") ||
		is(0, AF_INET6, host.name, "forwarding"));
}

static void forward_again(struct cv_ipv *v, uint32_t master)
{
	struct rtnl_link host;

	for (uint32_t i = 0; i < v->masters[master].slots; i++) {
		if (v->slaves[i].state == CV_IPV_LIVE && v->slaves[i].master == master &&
		    ipv_host_end(v, i, &host) == 0)
			ipv_host_end_forward(&host);
	}
	ipv_master_forwarding(v, master, cv_ipv_mode_of(v->masters[master].policy));
}

void ipv_follow_host(struct cv_ipv *v)
{
	bool taken, known = ipv_loopback_taken(&taken) == 0;

	for (uint32_t i = 0; i < CV_IPV_MASTERS; i++) {
		if (v->masters[i].state != CV_IPV_LIVE)
			continue;
		if (known)
			mark(&v->masters[i], taken);
		if (v->masters[i].probe && was_turned_off(v, i))
			forward_again(v, i);
	}
}
