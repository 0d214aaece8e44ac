// SPDX-License-Identifier: GPL-2.0-or-later
/* Masters: a device becomes one with its first slave and ceases to be with its last. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "ipvlan_internal.h"
#include "sysctl.h"
#include "why.h"

uint64_t ipv_mac_word(const uint8_t mac[6])
{
	uint64_t word = 0;

	memcpy(&word, mac, 6);
	return word;
}

/* Since 6.17 a single device can be made to forward IPv6. */
static int has_force_forwarding(bool *has)
{
	int value, err = sysctl_dev_get(AF_INET6, "lo", "force_forwarding", &value);

	*has = !err;
	return err == -ENOENT ? 0 : err;
}

static int attach(struct cv_ipv *v, uint32_t index, uint32_t ifindex)
{
	struct cv_ipv_port port = { .kind = CV_IPV_IS_MASTER, .index = index };
	int err;

	if (bpf_map_update_elem(v->maps[IPV_PORTS], &ifindex, &port, BPF_ANY) < 0)
		return cv_plain(-errno);
	err = ipv_attach(v, IPV_MASTER_IN, ifindex);
	return err ? err : ipv_attach(v, IPV_MASTER_OUT, ifindex);
}

int ipv_master_release(struct cv_ipv *v, uint32_t index, bool gone)
{
	struct cv_ipv_master *m = &v->masters[index];
	uint32_t edition = m->edition;
	int err;

	ipv_store(m->state, CV_IPV_MAKING);
	err = gone ? 0 : ipv_master_forwarding(v, index, CV_IPV_L3);
	if (!err)
		err = ipv_detach(v, IPV_MASTER_IN, m->ifindex, gone);
	if (!err)
		err = ipv_detach(v, IPV_MASTER_OUT, m->ifindex, gone);
	if (!err && bpf_map_delete_elem(v->maps[IPV_PORTS], &m->ifindex) < 0 && errno != ENOENT)
		err = cv_plain(-errno);
	if (err)
		return err;
	memset((char *)m + sizeof(m->state), 0, sizeof(*m) - sizeof(m->state));
	m->edition = edition + 1; /* what was remembered of this one is not the next one's */
	ipv_store(m->state, CV_IPV_FREE);
	return 0;
}

int ipv_master_get(struct cv_ipv *v, const struct rtnl_link *link, uint32_t *out)
{
	uint32_t index = CV_IPV_MASTERS;
	struct cv_ipv_master *m;
	bool force, taken;
	int err;

	for (uint32_t i = 0; i < CV_IPV_MASTERS; i++) {
		m = &v->masters[i];
		if (m->state == CV_IPV_LIVE && m->ifindex == link->ifindex) {
			*out = i;
			return 0;
		}
		/* Left half released; its hooks are those that are wanted now. */
		if (m->state == CV_IPV_MAKING && m->ifindex == link->ifindex) {
			err = ipv_master_release(v, i, false);
			if (err)
				return err;
		}
		if (m->state == CV_IPV_FREE && index == CV_IPV_MASTERS)
			index = i;
	}
	if (index == CV_IPV_MASTERS)
		return cv_fail(-ENOSPC, "there are %u masters already", CV_IPV_MASTERS);
	err = has_force_forwarding(&force);
	if (!err)
		err = ipv_loopback_taken(&taken);
	if (err)
		return err;
	m = &v->masters[index];
	ipv_store(m->state, CV_IPV_MAKING);
	m->ifindex = link->ifindex;
	m->mac = ipv_mac_word(link->mac);
	m->mtu = link->mtu;
	m->carrier = link->carrier;
	m->policy = CV_IPV_L3 | CV_IPV_HOSTREACH;
	m->forwarding = (force ? 0 : CV_IPV_AROUND6) | (taken ? CV_IPV_LO_TAKEN : 0);
	err = attach(v, index, link->ifindex);
	if (!err)
		err = ipv_addr_note_the_hosts(v, index);
	if (err) {
		ipv_master_release(v, index, false);
		return err;
	}
	ipv_store(m->state, CV_IPV_LIVE);
	*out = index;
	return 0;
}

void ipv_master_count(struct cv_ipv *v, uint32_t index)
{
	uint32_t slots = 0, probe = 0;

	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		const struct cv_ipv_slave *s = &v->slaves[i];

		if (s->state != CV_IPV_LIVE || s->master != index)
			continue;
		slots = i + 1;
		if (!probe)
			probe = s->ifindex;
	}
	ipv_store(v->masters[index].probe, probe);
	ipv_store(v->masters[index].slots, slots);
}

int ipv_master_put(struct cv_ipv *v, uint32_t index, bool gone)
{
	if (v->masters[index].state == CV_IPV_FREE)
		return 0;
	for (uint32_t i = 0; i < CV_IPV_SLAVES; i++) {
		const struct cv_ipv_slave *s = &v->slaves[i];

		if (s->state != CV_IPV_FREE && s->master == index)
			return 0;
	}
	return ipv_master_release(v, index, gone);
}

/* ---- forwarding -------------------------------------------------------------------- */

static const struct {
	int family;
	uint32_t bit;
	const char *name;
} forwards[] = {
	{ AF_INET, CV_IPV_FORWARD4, "forwarding" },
	{ AF_INET6, CV_IPV_FORWARD6, "force_forwarding" },
};

/* Is it on by somebody else's will? For IPv6 the whole namespace's switch serves as well. */
static bool forwards_already(int family, const char *dev, const char *name)
{
	int value = 0;

	if (sysctl_dev_get(family, dev, name, &value) == 0 && value)
		return true;
	return family == AF_INET6 && sysctl_dev_get(family, "all", "forwarding", &value) == 0 &&
	       value;
}

bool cv_ipv_needs_forwarding6(void)
{
	bool has;

	return !forwards_already(AF_INET6, "lo", "force_forwarding") &&
	       !has_force_forwarding(&has) && !has;
}

/*
 * What a bridge's port receives comes to the host's stack by the bridge, and from its
 * other ports as well: there is no forwarding for slaves alone. So it is for the
 * administrator to say that the bridge forwards.
 */
static int bridge_forwards(const struct rtnl_link *port, const struct rtnl_link *bridge)
{
	int value;

	for (unsigned int i = 0; i < sizeof(forwards) / sizeof(forwards[0]); i++) {
		/* A kernel without IPv6 has no such setting. */
		if (sysctl_dev_get(forwards[i].family, "all", "forwarding", &value) ||
		    forwards_already(forwards[i].family, bridge->name, forwards[i].name))
			continue;
		return cv_fail(
			-EOPNOTSUPP,
			"\"%s\" is a port of \"%s\", which does not forward IPv%d: l3s would make it forward for "
			"its other ports, too (make \"%s\" the master, or a router of the host)",
			port->name, bridge->name, forwards[i].family == AF_INET ? 4 : 6,
			bridge->name);
	}
	return 0;
}

int ipv_master_forwarding(struct cv_ipv *v, uint32_t index, uint32_t mode)
{
	struct cv_ipv_master *m = &v->masters[index];
	struct rtnl_link link, above;
	int err;

	err = rtnl_link_by_index(&v->rtnl, RTNL_HERE, m->ifindex, &link);
	if (err)
		return err == -ENODEV ? 0 : err;
	if (mode == CV_IPV_L3S && link.master &&
	    rtnl_link_by_index(&v->rtnl, RTNL_HERE, link.master, &above) == 0 &&
	    !strcmp(above.kind, "bridge"))
		return bridge_forwards(&link, &above);
	for (unsigned int i = 0; i < sizeof(forwards) / sizeof(forwards[0]); i++) {
		bool ours = m->forwarding & forwards[i].bit;

		if (mode != CV_IPV_L3S && ours) {
			err = sysctl_dev_set(forwards[i].family, link.name, forwards[i].name, 0);
			if (err && err != -ENOENT)
				return err;
			ipv_store(m->forwarding, m->forwarding & ~forwards[i].bit);
		} else if (mode == CV_IPV_L3S &&
			   !forwards_already(forwards[i].family, link.name, forwards[i].name)) {
			/* The police stands before there is anything to police. */
			ipv_store(m->forwarding, m->forwarding | forwards[i].bit);
			err = sysctl_dev_set(forwards[i].family, link.name, forwards[i].name, 1);
			if (err) {
				ipv_store(m->forwarding, m->forwarding & ~forwards[i].bit);
				/* Before 6.17 only all.forwarding serves; without IPv6, nothing is needed. */
				if (err != -ENOENT || forwards[i].family == AF_INET)
					return err;
			}
		}
	}
	return 0;
}
