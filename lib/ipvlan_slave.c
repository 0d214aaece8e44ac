// SPDX-License-Identifier: GPL-2.0-or-later
/* Slaves: made, removed, and found again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if_arp.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "sysctl.h"
#include "why.h"

#define ADDRGEN_NONE 1	 /* IN6_ADDR_GEN_MODE_NONE */
#define ADDRGEN_RANDOM 3 /* IN6_ADDR_GEN_MODE_RANDOM */

static void host_end_name(char out[IFNAMSIZ], uint32_t slot)
{
	snprintf(out, IFNAMSIZ, IPV_HOST_END, slot);
}

int ipv_host_end(struct cv_ipv *v, uint32_t slot, struct rtnl_link *out)
{
	char name[IFNAMSIZ];
	int err = rtnl_link_by_index(&v->rtnl, RTNL_HERE, v->slaves[slot].ifindex, out);

	host_end_name(name, slot);
	return !err && strcmp(out->name, name) ? -ENODEV : err;
}

int ipv_inner(struct cv_ipv *v, uint32_t slot, struct rtnl_link *inner, int *netns)
{
	const struct ipv_netns *where;
	struct rtnl_link host;
	int err;

	err = ipv_host_end(v, slot, &host);
	if (!err)
		err = rtnl_link_by_index(&v->rtnl, host.peer_nsid, host.peer, inner);
	if (err)
		return err;
	*netns = RTNL_HERE;
	if (host.peer_nsid == RTNL_HERE)
		return 0;
	err = ipv_netns_find(v, host.peer_nsid, &where);
	if (!err)
		*netns = where->fd;
	return err;
}

int ipv_inner_rtnl(struct cv_ipv *v, uint32_t slot, struct rtnl_link *inner, struct rtnl *out)
{
	int netns, err = ipv_inner(v, slot, inner, &netns);

	return err ? err : rtnl_open(out, netns);
}

/* ---- removing ---------------------------------------------------------------------- */

/* The pair, by its host end. It is no error if there is none. */
static int remove_pair(struct cv_ipv *v, uint32_t slot)
{
	char name[IFNAMSIZ];
	struct rtnl_link host;
	int err;

	host_end_name(name, slot);
	err = rtnl_link_by_name(&v->rtnl, name, &host);
	if (!err)
		err = rtnl_link_del(&v->rtnl, host.ifindex);
	return err == -ENODEV ? 0 : err;
}

/* All but the pair, which has gone. */
static int clear_slot(struct cv_ipv *v, uint32_t slot)
{
	struct cv_ipv_slave *s = &v->slaves[slot];
	int err = 0;

	if (s->ifindex) {
		err = ipv_detach(v, IPV_SLAVE_OUT, s->ifindex, true);
		if (!err)
			err = ipv_detach(v, IPV_SLAVE_IN, s->ifindex, true);
		if (!err && bpf_map_delete_elem(v->maps[IPV_PORTS], &s->ifindex) < 0 &&
		    errno != ENOENT)
			err = cv_plain(-errno);
	}
	if (!err)
		err = ipv_addr_release_all(v, slot);
	if (!err)
		err = ipv_disallow_all(v, slot);
	if (err)
		return err;
	memset((char *)s + sizeof(s->state), 0, sizeof(*s) - sizeof(s->state));
	ipv_store(s->state, CV_IPV_FREE);
	return 0;
}

/* Whatever of it there is, in any state; so it serves for what was never completed as well. */
int ipv_slave_remove(struct cv_ipv *v, uint32_t slot)
{
	struct cv_ipv_slave *s = &v->slaves[slot];
	uint32_t was = s->state;
	int err;

	ipv_store(s->state, CV_IPV_MAKING);
	err = remove_pair(v, slot);
	if (err)
		ipv_store(s->state, was);
	else
		clear_slot(v, slot);
	return err;
}

/* The master is one no longer when this was its last; if that cannot be done now, it is the next one's (V2). */
static int remove_and_put(struct cv_ipv *v, uint32_t slot, bool master_gone)
{
	uint32_t master = v->slaves[slot].master;
	int err = ipv_slave_remove(v, slot);

	ipv_master_count(v, master);
	if (!err)
		ipv_master_put(v, master, master_gone);
	return err;
}

struct present {
	uint32_t *ifindex;
	size_t n;
};

static int note_present(const struct rtnl_link *link, void *arg)
{
	struct present *p = arg;
	uint32_t *more = reallocarray(p->ifindex, p->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->ifindex = more;
	p->ifindex[p->n++] = link->ifindex;
	return 0;
}

static bool is_present(const struct present *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->ifindex[i] == ifindex)
			return true;
	}
	return false;
}

void ipv_reap(struct cv_ipv *v)
{
	struct present p = { NULL, 0 };

	if (rtnl_each_link(&v->rtnl, note_present, &p) == 0) {
		for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
			const struct cv_ipv_slave *s = &v->slaves[i];
			bool master_gone;

			if (s->state == CV_IPV_FREE)
				continue;
			master_gone = !is_present(&p, v->masters[s->master].ifindex);
			if (s->state == CV_IPV_MAKING || master_gone || !is_present(&p, s->ifindex))
				remove_and_put(v, i, master_gone);
		}
		for (uint32_t i = 0; i < CV_IPV_MASTERS; i++) {
			ipv_master_put(v, i, !is_present(&p, v->masters[i].ifindex));
			/* A change to l3s that was killed before it had happened turned this on. */
			if (v->masters[i].state == CV_IPV_LIVE &&
			    cv_ipv_mode_of(v->masters[i].policy) != CV_IPV_L3S)
				ipv_master_forwarding(v, i, CV_IPV_L3);
		}
	}
	free(p.ifindex);
	ipv_follow_host(v);
}

int ipv_remove_all(struct cv_ipv *v)
{
	int err = 0;

	for (uint32_t i = 0; i < CV_IPV_SLAVES && !err; i++) {
		if (v->slaves[i].state != CV_IPV_FREE)
			err = ipv_slave_remove(v, i);
	}
	/* What is left of slots goes with the tables; what is left at a master would stay. */
	for (uint32_t i = 0; i < CV_IPV_MASTERS && !err; i++) {
		if (v->masters[i].state != CV_IPV_FREE)
			err = ipv_master_release(v, i, false);
	}
	return err;
}

/* ---- making ------------------------------------------------------------------------ */

/* Is this device the inner end of somebody's slave? */
static bool is_slave(struct cv_ipv *v, const struct rtnl_link *link)
{
	struct rtnl_link peer;

	if (strcmp(link->kind, "veth"))
		return false;
	if (!strncmp(link->name, IPV_HOST_END_STEM, strlen(IPV_HOST_END_STEM)))
		return true;
	return rtnl_link_by_index(&v->rtnl, link->peer_nsid, link->peer, &peer) == 0 &&
	       !strncmp(peer.name, IPV_HOST_END_STEM, strlen(IPV_HOST_END_STEM));
}

static int check_master(struct cv_ipv *v, const char *name, struct rtnl_link *out)
{
	int err = rtnl_link_by_name(&v->rtnl, name, out);

	if (err == -ENODEV || err == -EINVAL)
		return cv_fail(-ENODEV, "Cannot find device \"%s\"", name);
	if (err)
		return err;
	if (out->flags & IFF_LOOPBACK)
		return cv_fail(-EINVAL, "\"%s\" is a loopback device and cannot be a master", name);
	if (out->type != ARPHRD_ETHER)
		return cv_fail(-EINVAL, "\"%s\" is no Ethernet device and cannot be a master",
			       name);
	if (is_slave(v, out))
		return cv_fail(-EINVAL, "\"%s\" is a slave itself and cannot be a master", name);
	return 0;
}

static int check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strpbrk(name, "/: \t\n") || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return cv_fail(-EINVAL, "\"%s\" not a valid ifname", name);
	return 0;
}

static int find_slot(struct cv_ipv *v, uint32_t *out)
{
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		if (v->slaves[i].state == CV_IPV_FREE) {
			*out = i;
			return 0;
		}
	}
	return cv_fail(-ENOSPC, "there are %u slaves already", CV_IPV_SLAVES);
}

int ipv_host_end_forward(const struct rtnl_link *host)
{
	int err = sysctl_dev_set(AF_INET, host->name, "forwarding", 1);

	/* A kernel without IPv6 has neither of these, one before 6.17 lacks the second. */
	sysctl_dev_set(AF_INET6, host->name, "forwarding", 1);
	sysctl_dev_set(AF_INET6, host->name, "force_forwarding", 1);
	return err;
}

/*
 * What the host end needs to hand a slave's packets to the stack. The source
 * address is checked in tc, and better, so the reverse path filter only has to be
 * out of the way: "loose" is the weakest that outweighs conf.all's "strict".
 */
static int prepare_host_end(struct cv_ipv *v, const struct rtnl_link *host)
{
	int err, all = 0;

	err = rtnl_link_addrgen(&v->rtnl, host->ifindex, ADDRGEN_NONE);
	if (err && err != -EAFNOSUPPORT)
		return err;
	sysctl_dev_get(AF_INET, "all", "rp_filter", &all);
	err = sysctl_dev_set(AF_INET, host->name, "rp_filter", all ? 2 : 0);
	if (!err)
		err = sysctl_dev_set(AF_INET, host->name, "send_redirects", 0);
	if (err)
		return err;
	sysctl_dev_set(AF_INET6, host->name, "accept_ra", 0);
	return ipv_host_end_forward(host);
}

static int attach_host_end(struct cv_ipv *v, uint32_t slot, uint32_t ifindex)
{
	struct cv_ipv_port port = { .kind = CV_IPV_IS_SLAVE, .index = slot };
	int err;

	if (bpf_map_update_elem(v->maps[IPV_PORTS], &ifindex, &port, BPF_ANY) < 0)
		return cv_plain(-errno);
	err = ipv_attach(v, IPV_SLAVE_OUT, ifindex);
	return err ? err : ipv_attach(v, IPV_SLAVE_IN, ifindex);
}

static int make_pair(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_spec *spec,
		     const struct rtnl_link *master, int netns, bool noarp)
{
	struct cv_ipv_slave *s = &v->slaves[slot];
	struct rtnl_veth veth = {
		.peer_name = spec->name,
		.peer_netns = netns,
		.mac = master->mac,
		.mtu = master->mtu,
		.queues =
			1, /* as macvlan has: a veth sends without a lock, and to choose among queues takes time */
		.noarp = noarp,
	};
	struct rtnl_link host;
	char name[IFNAMSIZ];
	int err;

	host_end_name(name, slot);
	veth.name = name;
	err = rtnl_veth_add(&v->rtnl, &veth);
	if (err == -EEXIST)
		return cv_fail(err, "the name \"%s\" is in use in that namespace", spec->name);
	if (err)
		return cv_fail(err, "cannot make the device: %s",
			       *cv_why() ? cv_why() : strerror(-err));
	err = rtnl_link_by_name(&v->rtnl, name, &host);
	if (err)
		return err;
	s->ifindex = host.ifindex;
	s->netns_ino = netns_ino(netns);
	strncpy(s->name, spec->name, sizeof(s->name) - 1);
	err = prepare_host_end(v, &host);
	return err ? err : attach_host_end(v, slot, host.ifindex);
}

/*
 * All slaves have the master's MAC address, and so would all have the same
 * link-local and autoconfigured addresses: the kernel's driver numbers them by
 * dev_id, which a veth does not have. Stable random ones serve as well.
 */
static int prepare_inner(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_spec *spec)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct cv_ipv_link link = { .slot = slot };
	struct rtnl_link inner;
	int err;

	err = ipv_inner_rtnl(v, slot, &inner, &r);
	if (err)
		return err;
	err = rtnl_link_addrgen(&r, inner.ifindex, ADDRGEN_RANDOM);
	if (err && err != -EAFNOSUPPORT)
		return err;
	for (unsigned int i = 0; i < spec->n_allows; i++) {
		err = cv_ipv_allow(v, &link, &spec->allows[i]);
		if (err && err != -EEXIST)
			return err;
	}
	for (unsigned int i = 0; i < spec->n_addrs; i++) {
		err = cv_ipv_addr_add(v, &link, &spec->addrs[i]);
		if (err)
			return err;
	}
	return spec->up ? rtnl_link_flags(&r, inner.ifindex, IFF_UP, IFF_UP) : 0;
}

/* Counts from nothing for who has the slot from now on. */
static int clear_counters(struct cv_ipv *v, uint32_t slot)
{
	_cleanup_free_ struct cv_ipv_counters *zero = NULL;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cv_plain(cpus);
	zero = calloc((size_t)cpus, sizeof(*zero));
	if (!zero)
		return cv_plain(-ENOMEM);
	return bpf_map_update_elem(v->maps[IPV_COUNTERS], &slot, zero, BPF_ANY) < 0 ?
		       cv_plain(-errno) :
		       0;
}

static int add_to(struct cv_ipv *v, uint32_t slot, uint32_t master, const struct cv_ipv_spec *spec,
		  const struct rtnl_link *link, int netns)
{
	struct cv_ipv_slave *s = &v->slaves[slot];
	struct cv_ipv_link as = { .slot = slot };
	int err;

	s->master = master;
	ipv_store(s->state, CV_IPV_MAKING);
	err = make_pair(v, slot, spec, link, netns,
			cv_ipv_mode_of(v->masters[master].policy) != CV_IPV_L2);
	if (!err)
		err = prepare_inner(v, slot, spec);
	/* Of the other slaves, and of this one, which is not seen yet. */
	if (!err)
		err = cv_ipv_set_policy(v, &as, spec->mode, spec->flag, spec->hostreach);
	if (err)
		return err;
	ipv_store(s->state, CV_IPV_LIVE);
	ipv_master_count(v, master);
	return 0;
}

int cv_ipv_link_add(struct cv_ipv *v, const struct cv_ipv_spec *spec)
{
	_cleanup_fd_ int netns = -1;
	struct rtnl_link link;
	uint32_t slot = 0, master;
	int err;

	err = check_name(spec->name);
	if (!err)
		err = check_master(v, spec->link, &link);
	if (!err)
		err = spec->netns ? netns_open(spec->netns, &netns) : netns_open_self(&netns);
	if (!err)
		err = find_slot(v, &slot);
	if (!err)
		err = clear_counters(v, slot);
	if (!err)
		err = ipv_master_get(v, &link, &master);
	if (err)
		return err;
	err = add_to(v, slot, master, spec, &link, netns);
	if (err) {
		char why[256];

		snprintf(why, sizeof(why), "%s", *cv_why() ? cv_why() : strerror(-err));
		ipv_slave_remove(v, slot);
		ipv_master_put(v, master, false);
		return cv_fail(err, "%s", why);
	}
	return 0;
}

int cv_ipv_link_del(struct cv_ipv *v, const struct cv_ipv_link *link)
{
	return remove_and_put(v, link->slot, false);
}

int cv_ipv_link_up(struct cv_ipv *v, const struct cv_ipv_link *link, bool up)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_link inner;
	int err = ipv_inner_rtnl(v, link->slot, &inner, &r);

	return err ? err : rtnl_link_flags(&r, inner.ifindex, up ? IFF_UP : 0, IFF_UP);
}

/* The kernel takes the addresses off a device that moves, and so do we. */
int cv_ipv_link_move(struct cv_ipv *v, const struct cv_ipv_link *link, const char *to)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	_cleanup_fd_ int netns = -1;
	struct rtnl_link inner;
	int err;

	err = netns_open(to, &netns);
	if (!err)
		err = ipv_inner_rtnl(v, link->slot, &inner, &r);
	if (err)
		return err;
	if (netns_ino(netns) == link->netns_ino)
		return 0;
	err = rtnl_link_move(&r, inner.ifindex, netns);
	if (err == -EEXIST)
		return cv_fail(err, "the name \"%s\" is in use in \"%s\"", inner.name, to);
	if (err)
		return err;
	v->slaves[link->slot].netns_ino = netns_ino(netns);
	err = ipv_routes(v, link->slot, false);
	if (!err)
		err = ipv_addr_release_all(v, link->slot);
	return err ? cv_fail(err,
			     "it has moved, but its addresses are still noted (culvert track --once): %s",
			     strerror(-err)) :
		     0;
}
