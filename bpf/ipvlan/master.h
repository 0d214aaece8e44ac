/* SPDX-License-Identifier: GPL-2.0-only */
/* What the master receives, and what leaves through it. */
#ifndef CULVERT_BPF_IPVLAN_MASTER_H
#define CULVERT_BPF_IPVLAN_MASTER_H

#include "slave.h"

/*
 * The kernel calls a frame PACKET_HOST when it is addressed to the device's own
 * MAC address: so this is how the data path learns that the address has changed.
 */
static __always_inline void learn_mac(struct __sk_buff *skb, struct cv_ipv_master *m,
				      const struct frame *f)
{
	if (skb->pkt_type == PACKET_HOST && skb->tc_index != FROM_SLAVE && !f->group &&
	    unlikely(READ_ONCE(m->mac) != f->dmac))
		WRITE_ONCE(m->mac, f->dmac);
}

/* ---- l2 -------------------------------------------------------------------------- */

/* A frame of one of our own slaves that a hairpinning switch (vepa) sent back. */
static __always_inline __u32 hairpinned_from(__u32 master, __u64 mac, const struct frame *f)
{
	return f->smac == mac ? addr_owner(master, f->family, &f->src) : CV_NONE;
}

static __always_inline int l2_input_group(struct __sk_buff *skb, struct cv_ipv_master *m,
					  __u32 master, const struct frame *f)
{
	__u32 target = CV_NONE;

	if (skb->tc_index == FROM_SLAVE) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	/* A slave's own, that a switch sent back: private keeps it from the other slaves there, too. */
	if ((READ_ONCE(m->policy) & CV_IPV_PRIVATE) && f->smac == READ_ONCE(m->mac))
		return TC_ACT_UNSPEC;
	if (f->kind == FRAME_ARP || f->nd)
		target = l2_target(skb, master, f);
	if (target != CV_NONE)
		clone_to(skb, target);
	else
		flood(skb, master, m->slots, hairpinned_from(master, READ_ONCE(m->mac), f));
	return TC_ACT_UNSPEC;
}

static __always_inline int l2_input(struct __sk_buff *skb, struct cv_ipv_master *m, __u32 master,
				    const struct frame *f)
{
	__u32 to;

	if (f->kind == FRAME_MALFORMED || f->kind == FRAME_OTHER)
		return TC_ACT_UNSPEC;
	if (addr_is_link_local(f->family, &f->src) && f->smac != READ_ONCE(m->mac))
		addr_note_stranger(master, &f->src);
	if (f->group)
		return l2_input_group(skb, m, master, f);
	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	to = addr_owner(master, f->family, &f->dst);
	return to == CV_NONE ? TC_ACT_UNSPEC : deliver(skb, to);
}

/* ---- l3 and l3s ------------------------------------------------------------------ */

/*
 * l3s makes the master forward, for the slaves; that must not make a router of a
 * host that was none: while it is none, what would be forwarded elsewhere than to
 * a slave is dropped.
 */
static __always_inline bool polices(struct __sk_buff *skb, struct cv_ipv_master *m,
				    const struct frame *f)
{
	__u32 ours = f->family == AF_INET ? CV_IPV_FORWARD4 : CV_IPV_FORWARD6;

	if (likely(!(m->forwarding & ours)) || host_is_router(skb, m, f))
		return false;
	return host_forwards(skb, f, m->probe);
}

static __always_inline int l3_input(struct __sk_buff *skb, struct cv_ipv_master *m, __u32 master,
				    const struct frame *f, __u32 policy)
{
	bool l3s = cv_ipv_mode_of(policy) == CV_IPV_L3S;
	__u32 to;

	if (f->kind != FRAME_IP || f->group || skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	to = addr_owner(master, f->family, &f->dst);
	if (to == CV_NONE) {
		if (!l3s || !polices(skb, m, f))
			return TC_ACT_UNSPEC;
		count(CV_IPV_SLAVES + master, CV_IPV_DROP_FORWARD);
		return TC_ACT_SHOT;
	}
	/* vepa: what came back from the switch was judged when it left. */
	if (!l3s || addr_owner(master, f->family, &f->src) != CV_NONE)
		return deliver(skb, to);
	ttl_enter(skb, f);
	return TC_ACT_UNSPEC;
}

/* ---- the master's two hooks; a device that is no master (any longer) is left alone --- */

static __noinline int any_input(struct __sk_buff *skb, struct cv_ipv_master *m, __u32 index)
{
	__u32 policy = READ_ONCE(m->policy);
	struct frame f;

	if (skb->vlan_present)
		return TC_ACT_UNSPEC;
	parse_frame(skb, &f);
	learn_mac(skb, m, &f);
	if (cv_ipv_mode_of(policy) == CV_IPV_L2)
		return l2_input(skb, m, index, &f);
	return l3_input(skb, m, index, &f, policy);
}

static __always_inline int master_input(struct __sk_buff *skb)
{
	struct cv_ipv_master *m;
	__u32 index, to;
	struct frame f;

	/* Somebody else's, who shares the device: of these only an IPv6 address may be news (l2_input()). */
	if (skb->pkt_type == PACKET_OTHERHOST && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	m = master_here(skb, &index);
	if (!m)
		return TC_ACT_UNSPEC;
	/* To a slave's address: what l2_input() and l3_input() do with that. */
	if (likely(cv_ipv_mode_of(READ_ONCE(m->policy)) != CV_IPV_L3S && parse_plain(skb, &f)) &&
	    skb->pkt_type == PACKET_HOST && f.dmac == READ_ONCE(m->mac)) {
		to = addr_owner(index, f.family, &f.dst);
		if (to != CV_NONE)
			return deliver(skb, to);
	}
	return any_input(skb, m, index);
}

/* l2 with hostreach: the host finds its slaves on the master, as it finds its other neighbours. */
static __always_inline int l2_from_host(struct __sk_buff *skb, struct cv_ipv_master *m,
					__u32 master)
{
	struct cv_ipv_slave *s;
	struct frame f;
	__u32 to;

	parse_frame(skb, &f);
	if (f.kind != FRAME_IP && f.kind != FRAME_ARP)
		return TC_ACT_UNSPEC;
	mark(skb, FROM_HOST);
	if (f.group) {
		to = l2_target(skb, master, &f);
		if (to != CV_NONE)
			clone_to(skb, to);
		else
			flood(skb, master, m->slots, CV_NONE);
	} else if (f.dmac == f.smac) {
		/* At egress there is no bpf_redirect_peer(): by way of the host end. */
		s = slave_at(addr_owner(master, f.family, &f.dst));
		if (s)
			return bpf_redirect(s->ifindex, 0);
	}
	mark(skb, 0);
	return TC_ACT_UNSPEC;
}

/* l2: the host's own link-local addresses are not for slaves to claim (V4). */
static __always_inline void note_the_hosts(struct __sk_buff *skb, __u32 master)
{
	union cv_addr src;

	if (skb->protocol == bpf_htons(ETH_P_IPV6) &&
	    !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), &src,
				sizeof(src)) &&
	    addr_is_link_local(AF_INET6, &src))
		addr_note_stranger(master, &src);
}

static __always_inline int master_output(struct __sk_buff *skb)
{
	struct cv_ipv_master *m;
	__u32 index, policy;

	ttl_leave(skb);
	if (skb->ingress_ifindex) /* not the host's own */
		return TC_ACT_UNSPEC;
	m = master_here(skb, &index);
	if (!m)
		return TC_ACT_UNSPEC;
	policy = READ_ONCE(m->policy);
	if (cv_ipv_mode_of(policy) != CV_IPV_L2)
		return TC_ACT_UNSPEC;
	note_the_hosts(skb, index);
	return policy & CV_IPV_HOSTREACH ? l2_from_host(skb, m, index) : TC_ACT_UNSPEC;
}

#endif
