/* SPDX-License-Identifier: GPL-2.0-only */
/* Into a slave: one packet to one slave, or a copy to each. */
#ifndef CULVERT_BPF_IPVLAN_DELIVER_H
#define CULVERT_BPF_IPVLAN_DELIVER_H

#include "address.h"

/*
 * Straight into the tenant's namespace, past the veth's queue. The kernel marks
 * the packet as PACKET_HOST whatever MAC address the tenant gave its end.
 */
static __always_inline int deliver(struct __sk_buff *skb, __u32 index)
{
	struct cv_ipv_slave *s = slave_at(index);

	if (!s)
		return TC_ACT_SHOT;
	count_packet(index, CV_IPV_RX_PACKETS, skb->len);
	return bpf_redirect_peer(s->ifindex, 0);
}

struct flood {
	struct __sk_buff *skb;
	__u32 master;
	__u32 except; /* index of the slave it came from, or CV_NONE */
};

static long flood_one(__u32 index, void *arg)
{
	struct flood *f = arg;
	struct cv_ipv_slave *s = slave_at(index);

	if (!s || s->master != f->master || index == f->except)
		return 0;
	count(index, CV_IPV_CLONES);
	bpf_clone_redirect(f->skb, s->ifindex, 0);
	return 0;
}

/* A copy to every slave of the master but one. Packet pointers are void afterwards. */
static __always_inline void flood(struct __sk_buff *skb, __u32 master, __u32 slots, __u32 except)
{
	struct flood f = { .skb = skb, .master = master, .except = except };

	if (slots > CV_IPV_SLAVES)
		slots = CV_IPV_SLAVES;
	bpf_loop(slots, flood_one, &f, 0);
}

static __always_inline void clone_to(struct __sk_buff *skb, __u32 index)
{
	struct cv_ipv_slave *s = slave_at(index);

	if (!s)
		return;
	count(index, CV_IPV_CLONES);
	bpf_clone_redirect(skb, s->ifindex, 0);
}

#endif
