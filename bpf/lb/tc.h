/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tc door: for devices without XDP, for what XDP leaves over, and for
 * packets with partial checksums and GSO. What it lets pass goes on to the next
 * program on the hook and then up the stack.
 */
#ifndef CULVERT_BPF_LB_TC_H
#define CULVERT_BPF_LB_TC_H

#include <linux/pkt_cls.h>

#include "decide.h"
#include "icmp.h"
#include "xmit_dr.h"

/* TCX_NEXT, and of clsact "go on with the next filter". */
#define TC_NEXT TC_ACT_UNSPEC

#define PACKET_HOST 0

/* Bytes of headers that parsing and rewriting want to see: Ethernet, IP with options or extensions, TCP. */
#define HEADERS 128

static __always_inline int tc_pass(__u32 cause)
{
	count_cause(cause);
	return TC_NEXT;
}

static __always_inline int tc_drop(__u32 cause)
{
	count_cause(cause);
	return TC_ACT_SHOT;
}

/* Sends the frame to a next hop through the kernel's neighbour output, which resolves it if need be. */
static __always_inline long redirect_to(__u32 ifindex, const union cv_addr *gw, __u32 family)
{
	struct bpf_redir_neigh nh = { .nh_family = family };

	__builtin_memcpy(nh.ipv6_nh, gw, sizeof(nh.ipv6_nh));
	return bpf_redirect_neigh(ifindex, &nh, sizeof(nh), 0);
}

/* Sends an ICMP error about the packet back to its sender. */
static __noinline int tc_answer(struct __sk_buff *skb, struct flow *f, struct icmp_error *e, __u32 otherwise)
{
	struct cv_nexthop nh;
	union cv_addr gw = {};
	__u32 family = 0;

	if (!f || !e || skb->gso_segs > 1 || !icmp_allowed())
		return tc_drop(otherwise);
	nexthop_lookup(skb, &f->saddr, f->v6, &nh, &gw, &family);
	if (!nh.ifindex || icmp_make(skb, f, e))
		return tc_drop(otherwise);
	count_cause(CV_C_ANSWERED);
	return redirect_to(nh.ifindex, &gw, family);
}

/* Does it go over the link as it is? What a GSO packet is cut into does if the MSS was negotiated. */
static __always_inline bool tc_fits(const struct __sk_buff *skb, const struct flow *f, __u32 mtu)
{
	if (skb->gso_segs > 1)
		return skb->gso_size + f->l4 - ETH_HLEN + sizeof(struct tcphdr) <= mtu;
	return f->len <= mtu;
}

/*
 * What tc_send() returns besides a tc action: the packet cannot go on and an
 * ICMP error says why. (The error is built by the caller, for the sake of the
 * stack's 512 bytes.)
 */
#define SEND_TTL 0x10000
#define SEND_TOO_BIG 0x20000	/* the MTU in the low 16 bits */

struct hop {
	struct cv_nexthop nh;
	union cv_addr gw;
	__u32 family;
};

static __always_inline int tc_send_dr(struct __sk_buff *skb, struct flow *f, struct hop *hop)
{
	void *data, *end;

	if (f->ttl <= 1)
		return SEND_TTL;
	if (!tc_fits(skb, f, hop->nh.mtu))
		return SEND_TOO_BIG | hop->nh.mtu;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN > end || !decrease_ttl(data, end, f->v6))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(hop->nh.flags & CV_NH_UNRESOLVED ? CV_C_RESOLVING : CV_C_SENT);
	return redirect_to(hop->nh.ifindex, &hop->gw, hop->family);
}

static __always_inline void tc_hop(struct __sk_buff *skb, struct cv_dest *dest, __u32 now, struct hop *hop)
{
	__u32 at;

	nexthop_of(skb, dest, now);
	at = dest->nh_cur & 1;
	hop->nh = dest->nh[at];
	hop->gw = dest->gw[at];
	hop->family = dest->gw_family[at];
	if (!hop->nh.ifindex && !(hop->nh.flags & CV_NH_LOCAL))	/* perhaps just not known yet */
		nexthop_lookup(skb, &dest->addr, dest->flags & CV_DEST_IPV6, &hop->nh, &hop->gw, &hop->family);
}

/* A packet of a connection, on its way: its state, its timer, its figures, and out. */
static __noinline int tc_send(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn)
{
	__u32 now = READ_ONCE(clock.now), index;
	struct cv_conn_common *c;
	struct hop hop = {};
	struct cv_dest *dest;

	if (!f || !conn || !conn->c)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn->c;
	index = c->dest;
	dest = dest_at(index);
	if (!dest)
		return tc_drop(CV_C_DROP_ERROR);
	tc_hop(skb, dest, now, &hop);
	if (!conn_same(conn))
		return tc_drop(CV_C_DROP_LOCKED);
	conn_step(conn, dest, f->proto, FROM_CLIENT, f->tcp_flags);
	c->in_pkts++;
	count_in(index, f->len);
	if (hop.nh.flags & CV_NH_LOCAL || c->method == CV_LOCALNODE)
		return tc_pass(CV_C_PASS_LOCAL);
	if (!hop.nh.ifindex)
		return tc_drop(CV_C_DROP_NOROUTE);
	WRITE_ONCE(dest->neigh_seen, now);
	return tc_send_dr(skb, f, &hop);
}

static __always_inline int tc_balance(struct __sk_buff *skb, struct flow *f)
{
	struct icmp_error e = {};
	struct decision d = {};
	struct conn_ref conn = {};
	__u32 otherwise = CV_C_DROP_NODEST;
	int rc;

	switch (f->v6 ? decide(f, true, &d, &conn) : decide(f, false, &d, &conn)) {
	case V_SEND:
		rc = tc_send(skb, f, &conn);
		if (rc < SEND_TTL)
			return rc;
		e = rc == SEND_TTL ? icmp_ttl_exceeded(f->v6) : icmp_too_big(f->v6, rc & 0xffff);
		otherwise = rc == SEND_TTL ? CV_C_DROP_TTL : CV_C_DROP_TOOBIG;
		break;
	case V_PASS:
		return tc_pass(d.cause);
	case V_DROP:
		return tc_drop(d.cause);
	case V_UNREACH:
		e = icmp_port_unreach(f->v6);
		break;
	}
	return tc_answer(skb, f, &e, otherwise);
}

/* What the kernel calls PACKET_HOST tells the device's own address, which XDP then goes by. */
static __always_inline void learn_uplink(const struct __sk_buff *skb, const struct ethhdr *eth)
{
	struct cv_uplink *u = &uplinks[skb->ifindex % CV_UPLINKS];

	if (likely(u->ifindex == skb->ifindex && *(__u32 *)u->mac == *(__u32 *)eth->h_dest &&
		   *(__u16 *)(u->mac + 4) == *(__u16 *)(eth->h_dest + 4)))
		return;
	u->ifindex = 0;
	__builtin_memcpy(u->mac, eth->h_dest, ETH_ALEN);
	WRITE_ONCE(u->ifindex, skb->ifindex);
}

static __always_inline int tc_uplink_door(struct __sk_buff *skb)
{
	void *data, *end;
	struct flow f = {};
	enum parsed parsed;

	if (!settings.num_services || skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return TC_NEXT;
	bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN > end)
		return tc_pass(CV_C_PASS_MALFORMED);
	learn_uplink(skb, data);
	f.mark = skb->mark;
	parsed = parse_frame(data, end, &f, true);
	if (parsed == PARSE_FRAGMENT)
		return tc_pass(CV_C_FRAGMENT);
	if (parsed == PARSE_MALFORMED || (parsed == PARSED && !length_fits(&f, skb->len)))
		return tc_pass(CV_C_PASS_MALFORMED);
	if (parsed != PARSED)
		return tc_pass(CV_C_PASS_OTHER);
	return tc_balance(skb, &f);
}

#endif
