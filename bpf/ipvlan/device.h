/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which master or slave a device is. A hint tells where it was found last, and what
 * stands there tells whether it still is: so a packet needs no look into a hash table.
 */
#ifndef CULVERT_BPF_IPVLAN_DEVICE_H
#define CULVERT_BPF_IPVLAN_DEVICE_H

#include "maps.h"

static __always_inline __u32 *hint_of(__u32 ifindex)
{
	__u32 at = ifindex % CV_IPV_HINTS;

	return bpf_map_lookup_elem(&hints, &at);
}

/* Index in `masters` or `slaves`, by `ports`; CV_NONE if that does not know the device (any longer). */
static __always_inline __u32 port_find(__u32 ifindex, enum cv_ipv_kind kind, __u32 *hint)
{
	struct cv_ipv_port *port = bpf_map_lookup_elem(&ports, &ifindex);

	if (!port || port->kind != kind)
		return CV_NONE;
	if (hint)
		WRITE_ONCE(*hint, port->index);
	return port->index;
}

/* The slave that has this host end, and its index. */
static __always_inline struct cv_ipv_slave *slave_here(struct __sk_buff *skb, __u32 *index)
{
	__u32 ifindex = skb->ifindex, *hint = hint_of(ifindex);
	struct cv_ipv_slave *s;

	*index = hint ? READ_ONCE(*hint) : CV_NONE;
	s = slave_at(*index);
	if (likely(s && s->ifindex == ifindex))
		return s;
	*index = port_find(ifindex, CV_IPV_IS_SLAVE, hint);
	return slave_at(*index);
}

static __always_inline struct cv_ipv_master *master_here(struct __sk_buff *skb, __u32 *index)
{
	__u32 ifindex = skb->ifindex, *hint = hint_of(ifindex);
	struct cv_ipv_master *m;

	*index = hint ? READ_ONCE(*hint) : CV_NONE;
	m = master_at(*index);
	if (likely(m && m->ifindex == ifindex))
		return m;
	*index = port_find(ifindex, CV_IPV_IS_MASTER, hint);
	return master_at(*index);
}

#endif
