// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Follows what happens to the slaves behind our back: addresses that tenants set,
 * a master whose MAC address, MTU or carrier changes, devices that go. One socket
 * hears of all namespaces that ours has an id for (NETLINK_LISTEN_ALL_NSID).
 *
 * An event only says where to look: what is there is then compared with what the
 * data path has. So an event too many does nothing, and one that was lost is made
 * up for by looking everywhere.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "mapkeys.h"
#include "why.h"

#define RECEIVE_BUFFER (4 << 20)
#define RECEIVE_AT_ONCE 10000 /* datagrams */

/* What is known of a slot's slave since it was last looked at. */
struct seen {
	uint32_t ifindex; /* of the host end; 0: nothing */
	uint32_t inner;	  /* ifindex of the inner end in ... */
	int nsid;
	char name[IFNAMSIZ];
	char netns[NETNS_NAME];
};

struct cv_ipv_track {
	struct cv_ipv *v;
	struct mnl_socket *nl;
	void (*report)(const struct cv_ipv_report *what, void *arg);
	void *arg;
	struct seen seen[CV_IPV_SLAVES];
	bool look_at[CV_IPV_SLAVES];
	bool look_at_master[CV_IPV_MASTERS];
	bool look_everywhere;
	bool links_changed;
};

static void tell(struct cv_ipv_track *t, enum cv_ipv_event event, const char *name)
{
	struct cv_ipv_report r = { .event = event, .name = name, .netns = "" };

	t->report(&r, t->arg);
}

static void tell_of(struct cv_ipv_track *t, enum cv_ipv_event event, uint32_t slot,
		    const struct rtnl_addr *addr)
{
	struct cv_ipv_report r = { .event = event,
				   .name = t->seen[slot].name,
				   .netns = t->seen[slot].netns,
				   .addr = addr };

	t->report(&r, t->arg);
}

/* ---- addresses of one slave -------------------------------------------------------- */

struct addrs {
	struct rtnl_addr *list;
	unsigned int n;
};

static int collect(const struct rtnl_addr *addr, void *arg)
{
	struct addrs *a = arg;
	struct rtnl_addr *more = reallocarray(a->list, a->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	a->list = more;
	a->list[a->n++] = *addr;
	return 0;
}

static void cleanup_addrs(struct addrs *a)
{
	free(a->list);
}

/* The kernel's driver refuses it beforehand; from here it can only be taken off again. */
static void refuse(struct cv_ipv_track *t, uint32_t slot, const struct rtnl_addr *addr)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_link inner;

	if (ipv_inner_rtnl(t->v, slot, &inner, &r) == 0)
		rtnl_addr_del(&r, addr);
	tell_of(t, CV_IPV_EV_ADDR_REFUSED, slot, addr);
}

static void claim_missing(struct cv_ipv_track *t, uint32_t slot, const struct addrs *there)
{
	for (unsigned int i = 0; i < there->n; i++) {
		const struct rtnl_addr *a = &there->list[i];
		struct cv_ipv_prefix p = { .family = a->family, .plen = a->plen, .addr = a->addr };
		int err = ipv_addr_claim_from_inside(t->v, slot, &p);

		if (!err)
			tell_of(t, CV_IPV_EV_ADDR_NEW, slot, a);
		else if (err == -EADDRINUSE)
			refuse(t, slot, a);
	}
}

static bool holds(const struct addrs *there, const struct cv_ipv_addr_key *key)
{
	for (unsigned int i = 0; i < there->n; i++) {
		if (there->list[i].family == key->family &&
		    !memcmp(&there->list[i].addr, &key->addr, sizeof(key->addr)))
			return true;
	}
	return false;
}

static void release_stale(struct cv_ipv_track *t, uint32_t slot, const struct addrs *there)
{
	_cleanup_(map_keys_free) struct map_keys all = {};
	int map = t->v->maps[IPV_ADDRS];
	const struct cv_ipv_addr_key *keys;
	struct cv_ipv_addr value;

	/* What cannot be read now is released when something happens the next time. */
	if (map_keys(map, sizeof(*keys), &all))
		return;
	keys = all.keys;
	for (uint32_t i = 0; i < all.n; i++) {
		if (bpf_map_lookup_elem(map, &keys[i], &value) == 0 && value.slave == slot &&
		    !holds(there, &keys[i])) {
			struct cv_ipv_prefix p = { .family = (uint8_t)keys[i].family,
						   .plen = value.plen,
						   .addr = keys[i].addr };
			struct rtnl_addr gone = { .family = p.family,
						  .plen = p.plen,
						  .addr = p.addr };

			if (ipv_addr_release(t->v, slot, &p) == 0)
				tell_of(t, CV_IPV_EV_ADDR_GONE, slot, &gone);
		}
	}
}

static void look_at_slave(struct cv_ipv_track *t, uint32_t slot)
{
	_cleanup_(cleanup_addrs) struct addrs there = { NULL, 0 };
	struct seen *s = &t->seen[slot];
	const struct ipv_netns *where;
	struct rtnl_link host, inner;

	if (t->v->slaves[slot].state != CV_IPV_LIVE || ipv_host_end(t->v, slot, &host))
		return;
	s->ifindex = host.ifindex;
	s->inner = host.peer;
	s->nsid = host.peer_nsid;
	if (rtnl_link_by_index(&t->v->rtnl, host.peer_nsid, host.peer, &inner) == 0)
		strcpy(s->name, inner.name);
	if (ipv_netns_find(t->v, host.peer_nsid, &where) == 0)
		netns_name(where->ino, s->netns);
	/* What could not be read must not be taken for empty. */
	if (rtnl_each_addr(&t->v->rtnl, host.peer_nsid, host.peer, collect, &there))
		return;
	release_stale(t, slot, &there);
	claim_missing(t, slot, &there);
}

/* ---- masters ------------------------------------------------------------------------- */

static void follow_mac(struct cv_ipv_track *t, uint32_t slot, const struct rtnl_link *host,
		       const uint8_t mac[6])
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_link inner;

	if (ipv_inner_rtnl(t->v, slot, &inner, &r))
		return;
	if (memcmp(inner.mac, mac, 6))
		rtnl_link_mac(&r, inner.ifindex, mac);
	if (memcmp(host->mac, mac, 6))
		rtnl_link_mac(&t->v->rtnl, host->ifindex, mac);
}

static void follow_mtu(struct cv_ipv_track *t, uint32_t slot, const struct rtnl_link *host,
		       uint32_t mtu)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_link inner;

	if (ipv_inner_rtnl(t->v, slot, &inner, &r))
		return;
	rtnl_link_mtu(&r, inner.ifindex, mtu);
	rtnl_link_mtu(&t->v->rtnl, host->ifindex, mtu);
}

/* A veth end has no carrier while the other is down. Routes go with the device, and come back by hand. */
static void follow_carrier(struct cv_ipv_track *t, uint32_t slot, const struct rtnl_link *host,
			   bool carrier)
{
	const struct cv_ipv_master *m = &t->v->masters[t->v->slaves[slot].master];

	if (!!(host->flags & IFF_UP) == carrier)
		return;
	rtnl_link_flags(&t->v->rtnl, host->ifindex, carrier ? IFF_UP : 0, IFF_UP);
	if (carrier && cv_ipv_mode_of(m->policy) != CV_IPV_L2)
		ipv_routes(t->v, slot, true);
}

static void look_at_master(struct cv_ipv_track *t, uint32_t index)
{
	struct cv_ipv_master *m = &t->v->masters[index];
	struct rtnl_link link, host;
	bool mtu_changed, told = false, carrier;

	if (m->state != CV_IPV_LIVE ||
	    rtnl_link_by_index(&t->v->rtnl, RTNL_HERE, m->ifindex, &link))
		return;
	ipv_store(m->mac, ipv_mac_word(link.mac));
	mtu_changed = m->mtu != link.mtu;
	/* A master that is set down keeps its slaves' carrier up: so does the kernel's driver. */
	carrier = link.carrier || !(link.flags & IFF_UP);
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		if (t->v->slaves[i].state != CV_IPV_LIVE || t->v->slaves[i].master != index ||
		    ipv_host_end(t->v, i, &host))
			continue;
		if (!told && (mtu_changed || memcmp(host.mac, link.mac, 6) ||
			      !!(host.flags & IFF_UP) != carrier)) {
			tell(t, CV_IPV_EV_MASTER, link.name);
			told = true;
		}
		if (memcmp(host.mac, link.mac, 6))
			follow_mac(t, i, &host, link.mac);
		if (mtu_changed)
			follow_mtu(t, i, &host, link.mtu);
		follow_carrier(t, i, &host, carrier);
	}
	m->mtu = link.mtu;
	m->carrier = carrier;
}

/* ---- events ---------------------------------------------------------------------------- */

static void addr_event(struct cv_ipv_track *t, int nsid, const struct nlmsghdr *nlh)
{
	struct rtnl_addr addr;

	if (rtnl_parse_addr(nlh, &addr))
		return;
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		const struct seen *s = &t->seen[i];

		if (s->ifindex && s->inner == addr.ifindex && s->nsid == nsid)
			t->look_at[i] = true;
	}
}

static void link_event(struct cv_ipv_track *t, int nsid, const struct nlmsghdr *nlh)
{
	struct rtnl_link link;
	uint32_t slot;

	if (nsid != RTNL_HERE || rtnl_parse_link(nlh, &link))
		return;
	if (sscanf(link.name, IPV_HOST_END, &slot) == 1 && slot < CV_IPV_SLAVES) {
		t->look_at[slot] = true;
		t->links_changed = true;
	}
	for (uint32_t i = 0; t->v && i < CV_IPV_MASTERS; i++) {
		if (ipv_load(t->v->masters[i].state) == CV_IPV_LIVE &&
		    t->v->masters[i].ifindex == link.ifindex) {
			t->look_at_master[i] = true;
			t->links_changed = true;
		}
	}
}

/* The namespace that a message is about: told beside it, if it is not ours. */
static int nsid_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			return *(int *)CMSG_DATA(c);
	}
	return RTNL_HERE;
}

/* 1: read one datagram; 0: there is none. */
static int receive(struct cv_ipv_track *t)
{
	char room[32768] __attribute__((aligned(8)));
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { room, sizeof(room) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	const struct nlmsghdr *nlh = (const void *)room;
	ssize_t got = recvmsg(mnl_socket_get_fd(t->nl), &msg, MSG_DONTWAIT);
	int len = (int)got, nsid;

	if (got < 0) {
		if (errno == ENOBUFS) {
			t->look_everywhere = true;
			return 1;
		}
		return errno == EAGAIN || errno == EINTR ?
			       0 :
			       cv_fail(-errno, "netlink: %s", strerror(errno));
	}
	nsid = nsid_of(&msg);
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == RTM_NEWADDR || nlh->nlmsg_type == RTM_DELADDR)
			addr_event(t, nsid, nlh);
		else if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
			link_event(t, nsid, nlh);
	}
	return 1;
}

static bool anything_to_look_at(const struct cv_ipv_track *t)
{
	if (t->look_everywhere || t->links_changed)
		return true;
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		if (t->look_at[i])
			return true;
	}
	return false;
}

/* The lock's reaping did the work; this says so. */
static void tell_gone(struct cv_ipv_track *t)
{
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		struct seen *s = &t->seen[i];

		if (!s->ifindex || (t->v && t->v->slaves[i].state == CV_IPV_LIVE &&
				    t->v->slaves[i].ifindex == s->ifindex))
			continue;
		tell_of(t, CV_IPV_EV_GONE, i, NULL);
		memset(s, 0, sizeof(*s));
	}
}

/* The tables that are there now, under the lock. They come with the first slave and go with the last. */
static int take_hold(struct cv_ipv_track *t)
{
	int err = t->v ? cv_ipv_lock(t->v) : -ENOENT;

	if (err != -ENOENT)
		return err;
	cv_ipv_close(&t->v);
	t->look_everywhere = true;
	return cv_ipv_open(&t->v, CV_IPV_EDIT);
}

static int look(struct cv_ipv_track *t)
{
	int err = take_hold(t);

	if (err == -ENOENT) {
		tell_gone(t);
		memset(t->look_at, 0, sizeof(t->look_at));
		memset(t->look_at_master, 0, sizeof(t->look_at_master));
		t->look_everywhere = t->links_changed = false;
		return 0;
	}
	if (err)
		return err;
	/* Namespaces come and go, and with them what the ids stand for. */
	ipv_netns_close(t->v);
	tell_gone(t);
	for (uint32_t i = 0; i < CV_IPV_MASTERS; i++) {
		if (t->look_at_master[i] || t->look_everywhere)
			look_at_master(t, i);
		t->look_at_master[i] = false;
	}
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		if (t->look_at[i] || t->look_everywhere)
			look_at_slave(t, i);
		t->look_at[i] = false;
	}
	t->look_everywhere = t->links_changed = false;
	cv_ipv_unlock(&t->v);
	return 0;
}

int cv_ipv_track_run(struct cv_ipv_track *t)
{
	bool lost = t->look_everywhere;
	int got = 1;

	/* Where so much happens that it has no end, it is time to look. */
	for (int i = 0; i < RECEIVE_AT_ONCE && got > 0; i++)
		got = receive(t);
	if (got < 0)
		return got;
	if (t->look_everywhere && !lost)
		tell(t, CV_IPV_EV_RESYNC, "");
	return anything_to_look_at(t) ? look(t) : 0;
}

/* ---- making ------------------------------------------------------------------------------ */

static int listen_to_all(struct cv_ipv_track *t)
{
	int on = 1, size = RECEIVE_BUFFER;

	t->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!t->nl ||
	    mnl_socket_bind(t->nl, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(t->nl, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)) < 0)
		return cv_fail(-errno, "cannot listen to netlink: %s", strerror(errno));
	setsockopt(mnl_socket_get_fd(t->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return 0;
}

int cv_ipv_track_new(struct cv_ipv_track **out,
		     void (*report)(const struct cv_ipv_report *what, void *arg), void *arg)
{
	_cleanup_(cv_ipv_track_free) struct cv_ipv_track *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return cv_plain(-ENOMEM);
	t->report = report;
	t->arg = arg;
	err = listen_to_all(t);
	if (err)
		return err;
	t->look_everywhere = true;
	err = look(t);
	if (err)
		return err;
	*out = take_ptr(t);
	return 0;
}

void cv_ipv_track_free(struct cv_ipv_track **pt)
{
	struct cv_ipv_track *t = *pt;

	if (!t)
		return;
	*pt = NULL;
	if (t->nl)
		mnl_socket_close(t->nl);
	cv_ipv_close(&t->v);
	free(t);
}

int cv_ipv_track_fd(const struct cv_ipv_track *t)
{
	return mnl_socket_get_fd(t->nl);
}
