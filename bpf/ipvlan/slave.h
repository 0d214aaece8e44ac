/* SPDX-License-Identifier: GPL-2.0-only */
/* What a slave sends, as it arrives at the host end. */
#ifndef CULVERT_BPF_IPVLAN_SLAVE_H
#define CULVERT_BPF_IPVLAN_SLAVE_H

#include "deliver.h"
#include "device.h"
#include "nd.h"
#include "straight.h"
#include "ttl.h"

struct sender {
	struct cv_ipv_slave *slave;
	struct cv_ipv_master *master;
	__u32 index;  /* of the slave */
	__u32 policy; /* the master's, read once */
	__u64 mac;    /* likewise */
};

static __always_inline int drop(const struct sender *from, enum cv_ipv_count why)
{
	count(from->index, why);
	return TC_ACT_SHOT;
}

/* Over to another slave of the same master, without the host. */
static __always_inline int to_neighbour(struct __sk_buff *skb, const struct sender *from, __u32 to)
{
	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	count(from->index, CV_IPV_TX_LOCAL);
	return deliver(skb, to);
}

/* ---- ownership (V5) ------------------------------------------------------------ */

/* Without an address of its own yet: DHCP's client, duplicate address detection, MLD. */
static __always_inline bool may_be_unspecified(const struct frame *f)
{
	if (f->kind == FRAME_ARP)
		return true;
	if (f->family == AF_INET)
		return f->proto == IPPROTO_UDP && f->dport == bpf_htons(67);
	return addr_is_group(AF_INET6, &f->dst);
}

static __always_inline bool source_is_own(const struct sender *from, const struct frame *f, bool l2)
{
	if (addr_is_zero(&f->src))
		return l2 && may_be_unspecified(f);
	return addr_is_own(from->slave, from->index, f->family, &f->src, l2);
}

/* An advertisement speaks for its target, and a DAD probe claims a link-local one. */
static __always_inline bool nd_is_own(struct __sk_buff *skb, const struct sender *from,
				      const struct frame *f)
{
	union cv_addr target;

	if (f->nd != ND_NEIGHBOUR_ADVERT &&
	    !(f->nd == ND_NEIGHBOUR_SOLICIT && addr_is_zero(&f->src)))
		return true;
	if (!nd_target(skb, &target))
		return false;
	return addr_is_own(from->slave, from->index, AF_INET6, &target, true) ||
	       f->nd == ND_NEIGHBOUR_SOLICIT;
}

/* ---- l2 -------------------------------------------------------------------------- */

static __always_inline int l2_to_wire(struct __sk_buff *skb, const struct sender *from)
{
	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	return bpf_redirect(from->master->ifindex, 0);
}

/* The stack takes it as received on the master: so does drivers/net/ipvlan (dev_forward_skb). */
static __always_inline int l2_to_host(struct __sk_buff *skb, const struct sender *from)
{
	if (!(from->policy & CV_IPV_HOSTREACH))
		return drop(from, CV_IPV_DROP_HOST);
	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	skb->tc_index = FROM_SLAVE;
	return bpf_redirect(from->master->ifindex, BPF_F_INGRESS);
}

/* Broadcast and multicast: to the other slaves, to the host if it is reachable, and out. */
static __always_inline int l2_group(struct __sk_buff *skb, const struct sender *from, __u32 target)
{
	if (!(from->policy & (CV_IPV_PRIVATE | CV_IPV_VEPA))) {
		if (target != CV_NONE)
			clone_to(skb, target);
		else
			flood(skb, from->slave->master, from->master->slots, from->index);
	}
	if (from->policy & CV_IPV_HOSTREACH) {
		skb->tc_index = FROM_SLAVE;
		bpf_clone_redirect(skb, from->master->ifindex, BPF_F_INGRESS);
		skb->tc_index = 0;
	}
	return l2_to_wire(skb, from);
}

/* Who is asked for by ARP or ND, if that is one slave; else CV_NONE. */
static __always_inline __u32 l2_target(struct __sk_buff *skb, __u32 master, const struct frame *f)
{
	union cv_addr target;

	if (f->kind == FRAME_ARP)
		return addr_owner(master, AF_INET, &f->dst);
	if (f->nd != ND_NEIGHBOUR_SOLICIT || !nd_target(skb, &target))
		return CV_NONE;
	return addr_owner(master, AF_INET6, &target);
}

static __always_inline int l3_forward(struct __sk_buff *skb, const struct sender *from,
				      const struct frame *f);

/* Sent to the master's own MAC address: to another slave, or to the host. */
static __always_inline int l2_to_own_mac(struct __sk_buff *skb, const struct sender *from,
					 const struct frame *f)
{
	__u32 to = addr_owner(from->slave->master, f->family, &f->dst);

	if (to != CV_NONE && to != from->index) {
		if (from->policy & CV_IPV_PRIVATE)
			return drop(from, CV_IPV_DROP_PRIVATE);
		if (from->policy & CV_IPV_VEPA)
			return l2_to_wire(skb, from);
		return to_neighbour(skb, from, to);
	}
	if ((from->policy & CV_IPV_LEAVING_L3) && f->kind == FRAME_IP)
		return l3_forward(skb, from, f);
	return l2_to_host(skb, from);
}

static __always_inline int l2_output(struct __sk_buff *skb, const struct sender *from,
				     struct frame *f)
{
	bool own = f->dmac == from->mac || f->dmac == f->smac;
	__u32 target = CV_NONE;

	if (!source_is_own(from, f, true))
		return drop(from, CV_IPV_DROP_SOURCE);
	/* A tenant is nobody's router: one advertisement would turn the whole segment to it. */
	if (f->nd == ND_ROUTER_ADVERT || f->nd == ND_REDIRECT)
		return drop(from, CV_IPV_DROP_ROUTER);
	if (f->nd && !nd_is_own(skb, from, f))
		return drop(from, CV_IPV_DROP_SOURCE);
	if (f->group && (f->kind == FRAME_ARP || f->nd))
		target = l2_target(skb, from->slave->master, f);
	if (f->smac != from->mac)
		bpf_skb_store_bytes(skb, ETH_ALEN, &from->mac, ETH_ALEN, 0);
	if (f->kind == FRAME_ARP)
		arp_sanitise(skb, from->mac);
	else if (f->nd && !nd_sanitise(skb, f->nd, from->mac))
		return drop(from, CV_IPV_DROP_MALFORMED);
	if (f->group)
		return l2_group(skb, from, target == from->index ? CV_NONE : target);
	if (own)
		return l2_to_own_mac(skb, from, f);
	return l2_to_wire(skb, from);
}

/* ---- l3 and l3s ------------------------------------------------------------------ */

static __always_inline bool l3_carries(const struct frame *f)
{
	if (f->kind != FRAME_IP || f->nd || f->group || addr_is_group(f->family, &f->dst))
		return false;
	return !addr_is_link_local(f->family, &f->dst) && !addr_is_loopback(f->family, &f->dst);
}

/*
 * bpf_fib_lookup() as the host's stack will see the packet that it receives from a
 * device, which it writes over with the one that the route leaves by. It says
 * NOT_FWDED for the host's own addresses, and for those that it has no route to.
 */
static __always_inline long host_route(struct __sk_buff *skb, const struct frame *f, __u32 *ifindex)
{
	struct bpf_fib_lookup fib = {
		.family = f->family,
		.ifindex = *ifindex,
		.l4_protocol = f->proto,
	};
	long rc;

	fib_addresses(&fib, f);
	rc = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	*ifindex = fib.ifindex;
	return rc;
}

static __always_inline bool has_way_out(long rc)
{
	return rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       rc == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

static __always_inline bool host_forwards(struct __sk_buff *skb, const struct frame *f,
					  __u32 ifindex)
{
	long rc = host_route(skb, f, &ifindex);

	return has_way_out(rc) || rc == BPF_FIB_LKUP_RET_UNSUPP_LWT;
}

#define LOOPBACK_IFINDEX 1

/*
 * Is the host a router, by the administrator's will (net.ipv4.ip_forward,
 * net.ipv6.conf.all.forwarding)? It is told by devices whose own switch follows
 * that one: for IPv4 loopback's, where it is not the load balancer's; for IPv6 the
 * master's, where culvert has another (force_forwarding) for itself.
 */
static __always_inline bool host_is_router(struct __sk_buff *skb, const struct cv_ipv_master *m,
					   const struct frame *f)
{
	struct bpf_fib_lookup fib = { .family = f->family, .ifindex = LOOPBACK_IFINDEX };

	if (f->family == AF_INET) {
		if (READ_ONCE(m->forwarding) & CV_IPV_LO_TAKEN)
			return false;
		fib.ipv4_dst = f->dst.v4;
	} else {
		fib.ifindex = m->ifindex;
		__builtin_memcpy(fib.ipv6_dst, &f->dst, sizeof(f->dst));
	}
	return bpf_fib_lookup(skb, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/*
 * Would ip6_forward() refuse it, though l3 does not ask the host's leave? Then the
 * device that the host's route leaves by (the master, or the bridge above it, or
 * any other), else 0.
 */
static __always_inline __u32 l3_around(struct __sk_buff *skb, const struct sender *from,
				       const struct frame *f)
{
	__u32 to = skb->ifindex;

	if (f->family != AF_INET6 || !(from->master->forwarding & CV_IPV_AROUND6) ||
	    cv_ipv_mode_of(from->policy) == CV_IPV_L3S || host_is_router(skb, from->master, f))
		return 0;
	return has_way_out(host_route(skb, f, &to)) ? to : 0;
}

/* Its route out of the master, if the host's stack would do nothing with it but route it so. */
static __always_inline struct cv_ipv_route *l3_straight(struct __sk_buff *skb,
							const struct sender *from,
							const struct frame *f)
{
	if (cv_ipv_mode_of(from->policy) != CV_IPV_L3 || !is_ordinary(skb, f) ||
	    !host_is_bare(skb, f->family))
		return NULL;
	return route_of(skb, from->index, f, from->master->ifindex);
}

static __always_inline int l3_to_wire(struct __sk_buff *skb, const struct sender *from,
				      const struct frame *f, struct cv_ipv_route *route)
{
	if (f->family == AF_INET)
		skb->priority = 0; /* as ip_forward() does for this class of service */
	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	return route_take(skb, route, from->master->ifindex);
}

/* Up the host's stack, which routes it and lets its rules see it; or by the route alone. */
static __always_inline int l3_forward(struct __sk_buff *skb, const struct sender *from,
				      const struct frame *f)
{
	struct cv_ipv_route *straight = l3_straight(skb, from, f);
	bool forwards = true;
	__u32 around;

	if (likely(straight))
		return l3_to_wire(skb, from, f, straight);
	if (!(from->policy & CV_IPV_HOSTREACH) || unlikely(f->ttl <= 1))
		forwards = host_forwards(skb, f, skb->ifindex);
	if (!forwards && !(from->policy & CV_IPV_HOSTREACH))
		return drop(from, CV_IPV_DROP_HOST);
	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	around = l3_around(skb, from, f);
	if (around)
		return bpf_redirect_neigh(around, NULL, 0, 0);
	if (forwards)
		ttl_enter(skb, f);
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	return TC_ACT_UNSPEC;
}

/*
 * vepa: out of the master, whatever the host's routes to the other slave say. A
 * look-up that is bound to a device steps over another device's routes for IPv4,
 * but for IPv6 it takes them for the best match; so there it is the way to the
 * rest of the world that is asked for.
 */
static __always_inline int l3_to_switch(struct __sk_buff *skb, const struct sender *from,
					const struct frame *f)
{
	struct bpf_fib_lookup fib = { .family = AF_INET6, .ifindex = from->master->ifindex };
	struct bpf_redir_neigh nh = { .nh_family = AF_INET6 };
	long rc;

	count_packet(from->index, CV_IPV_TX_PACKETS, skb->len);
	if (f->family == AF_INET)
		return bpf_redirect_neigh(from->master->ifindex, NULL, 0, 0);
	rc = bpf_fib_lookup(skb, &fib, sizeof(fib), BPF_FIB_LOOKUP_OUTPUT);
	if ((rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH) ||
	    fib.ifindex != from->master->ifindex)
		return bpf_redirect_neigh(from->master->ifindex, NULL, 0, 0);
	__builtin_memcpy(nh.ipv6_nh, fib.ipv6_dst, sizeof(nh.ipv6_nh));
	return bpf_redirect_neigh(from->master->ifindex, &nh, sizeof(nh), 0);
}

static __always_inline int l3_output(struct __sk_buff *skb, const struct sender *from,
				     struct frame *f)
{
	__u32 to;

	if (!l3_carries(f))
		return drop(from, CV_IPV_DROP_GROUP);
	if (!source_is_own(from, f, false))
		return drop(from, CV_IPV_DROP_SOURCE);
	to = addr_owner(from->slave->master, f->family, &f->dst);
	if (to == CV_NONE)
		return l3_forward(skb, from, f);
	if (from->policy & CV_IPV_PRIVATE)
		return drop(from, CV_IPV_DROP_PRIVATE);
	if (!(from->policy & CV_IPV_VEPA))
		return to_neighbour(skb, from, to);
	return l3_to_switch(skb, from, f);
}

/* ---- the host end's two hooks; a device that is no slave (any longer) is shut ------- */

#define THE_LONG_WAY (-2)

/* From the slave's own address to somebody who is none of us: what l2_output() and l3_output() do with that. */
static __always_inline int plain_output(struct __sk_buff *skb, const struct sender *from,
					const struct frame *f)
{
	struct cv_ipv_route *route;

	if (addr_owner(from->slave->master, f->family, &f->src) != from->index ||
	    addr_owner(from->slave->master, f->family, &f->dst) != CV_NONE)
		return THE_LONG_WAY;
	if (cv_ipv_mode_of(from->policy) == CV_IPV_L2) {
		if (f->smac != from->mac || f->dmac == from->mac)
			return THE_LONG_WAY;
		return l2_to_wire(skb, from);
	}
	route = l3_carries(f) ? l3_straight(skb, from, f) : NULL;
	return route ? l3_to_wire(skb, from, f, route) : THE_LONG_WAY;
}

static __noinline int any_output(struct __sk_buff *skb, const struct sender *from)
{
	struct frame f;

	if (skb->vlan_present)
		return drop(from, CV_IPV_DROP_VLAN);
	parse_frame(skb, &f);
	if (f.kind == FRAME_MALFORMED)
		return drop(from, CV_IPV_DROP_MALFORMED);
	if (f.kind == FRAME_OTHER)
		return drop(from, skb->protocol == bpf_htons(ETH_P_8021Q) ||
						  skb->protocol == bpf_htons(ETH_P_8021AD) ?
					  CV_IPV_DROP_VLAN :
					  CV_IPV_DROP_PROTOCOL);
	if (nd_is_hidden(skb, &f))
		return drop(from, CV_IPV_DROP_MALFORMED);
	if (cv_ipv_mode_of(from->policy) == CV_IPV_L2)
		return l2_output(skb, from, &f);
	return l3_output(skb, from, &f);
}

static __always_inline int slave_output(struct __sk_buff *skb)
{
	struct sender from;
	struct frame f;
	int rc = THE_LONG_WAY;

	from.slave = slave_here(skb, &from.index);
	if (!from.slave)
		return TC_ACT_SHOT;
	from.master = master_at(from.slave->master);
	if (!from.master)
		return TC_ACT_SHOT;
	from.policy = READ_ONCE(from.master->policy);
	from.mac = READ_ONCE(from.master->mac);
	if (likely(cv_ipv_mode_of(from.policy) != CV_IPV_L3S && parse_plain(skb, &f)))
		rc = plain_output(skb, &from, &f);
	return likely(rc != THE_LONG_WAY) ? rc : any_output(skb, &from);
}

/* The host's complaints about what a slave sent (path MTU, no route) reach it even with hostreach off. */
static __always_inline bool is_icmp_error(struct __sk_buff *skb, const struct frame *f)
{
	__u8 type;

	if (f->family == AF_INET) {
		if (f->proto != IPPROTO_ICMP ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), &type, 1))
			return false;
		return type == 3 || type == 11 || type == 12;
	}
	return f->proto == IPPROTO_ICMPV6 &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type, 1) && type < 128;
}

/*
 * Into the slave through its host end: what the stack forwarded, copies that we
 * made, what the load balancer sends there, and what the host itself sends,
 * which alone has no device that it came from.
 */
static __always_inline int slave_input(struct __sk_buff *skb)
{
	__u32 index;
	struct cv_ipv_slave *s = slave_here(skb, &index);
	struct cv_ipv_master *m = s ? master_at(s->master) : NULL;
	struct frame f;

	if (!m)
		return TC_ACT_SHOT;
	if (!skb->ingress_ifindex && skb->tc_index != FROM_HOST) {
		parse_frame(skb, &f);
		if (f.kind != FRAME_IP || f.group)
			return TC_ACT_SHOT;
		if (!(READ_ONCE(m->policy) & CV_IPV_HOSTREACH) && !is_icmp_error(skb, &f)) {
			count(index, CV_IPV_DROP_HOST);
			return TC_ACT_SHOT;
		}
	}
	ttl_leave(skb);
	count_packet(index, CV_IPV_RX_PACKETS, skb->len);
	return TC_ACT_UNSPEC;
}

#endif
