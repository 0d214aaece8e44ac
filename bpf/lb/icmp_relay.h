/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors about packets of connections, in tc
 * (ip_vs_in_icmp(), ip_vs_out_icmp(), ip_vs_nat_icmp()):
 *
 *   from the client's side, about a packet from the virtual address: to the
 *   real server, the way the connection's own packets go;
 *   from a masq real server's side, about a packet to it: to the client, from
 *   the virtual address, about the packet as the client sent it;
 *   about a tunnel packet of ours: to the client, about the packet inside.
 */
#ifndef CULVERT_BPF_LB_ICMP_RELAY_H
#define CULVERT_BPF_LB_ICMP_RELAY_H

#include "cut.h"
#include "decide.h"
#include "icmp.h"
#include "open.h"
#include "tc_xmit.h"
#include "tracked.h"

#define ICMP_SOURCE_QUENCH 4
#define ICMPV6_INFO_MASK 0x80

/* The packet that an error is about: `at` is its offset in the frame, `l4` that of its ports. */
struct about {
	struct conn_key key;
	__u32 at;
	__u32 l4;
	__u8 type; /* of the error */
	__u8 code;
	__u16 mtu;	     /* that "fragmentation needed" tells */
	bool df;	     /* IPv4: the embedded packet must not be cut */
	bool portless;	     /* AH or ESP */
	struct conn_id conn; /* that it is about */
	struct nat nat;	     /* what becomes of it, with masq */
	struct flow flow;    /* what its client would have sent ... */
	struct decision d;   /* ... and what becomes of that */
};

/* Per CPU, as tc_scratch is and for the same reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct about);
} relaying SEC(".maps");

static __always_inline bool icmp_is_error(bool v6, __u8 type)
{
	if (v6)
		return !(type & ICMPV6_INFO_MASK);
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_TIME_EXCEEDED;
}

/* Steps over the extension headers of the embedded packet. Is it no fragment but a first one? */
static __always_inline bool about_extensions(struct __sk_buff *skb, struct about *a)
{
	struct {
		__u8 next, len;
		__be16 offset; /* of a fragment header */
	} h;

	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 proto = a->key.proto;

		if (proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING &&
		    proto != IPPROTO_DSTOPTS && proto != IPPROTO_FRAGMENT)
			return true;
		if (bpf_skb_load_bytes(skb, a->l4, &h, sizeof(h)))
			return false;
		if (proto == IPPROTO_FRAGMENT) {
			if (h.offset & bpf_htons(0xfff8))
				return false;
			h.len = 0;
		}
		a->l4 = bounded(a->l4 + (h.len + 1) * 8, 0x3fff);
		a->key.proto = h.next;
	}
	return false;
}

/* Addresses and ports of the embedded packet, as it was sent. Fragments but the first have no ports. */
static __always_inline bool about_parse(struct __sk_buff *skb, bool v6, struct about *a)
{
	__be16 ports[2];

	if (v6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, a->at, &ip, sizeof(ip)))
			return false;
		__builtin_memcpy(&a->key.caddr, &ip.saddr, 16);
		__builtin_memcpy(&a->key.addr, &ip.daddr, 16);
		a->key.proto = ip.nexthdr;
		a->l4 = a->at + sizeof(ip);
		if (!about_extensions(skb, a))
			return false;
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, a->at, &ip, sizeof(ip)) || ip.ihl < 5 ||
		    ip.frag_off & bpf_htons(IP_OFFSET))
			return false;
		a->key.caddr.v4 = ip.saddr;
		a->key.addr.v4 = ip.daddr;
		a->key.proto = ip.protocol;
		a->df = ip.frag_off & bpf_htons(IP_DF);
		a->l4 = a->at + ip.ihl * 4;
	}
	a->key.v6 = v6;
	if (is_ipsec(a->key.proto, v6)) { /* of the ISAKMP connection: find_related() */
		a->portless = true;
		a->key.proto = IPPROTO_UDP;
		a->key.cport = a->key.port = bpf_htons(PORT_ISAKMP);
		return true;
	}
	if (a->key.proto != IPPROTO_TCP && a->key.proto != IPPROTO_UDP &&
	    a->key.proto != IPPROTO_SCTP)
		return false;
	if (bpf_skb_load_bytes(skb, a->l4, ports, sizeof(ports)))
		return false;
	a->key.cport = ports[0];
	a->key.port = ports[1];
	return true;
}

/* About a packet from the virtual address to the client: the connection's key is the other way round. */
static __always_inline void about_reverse(struct about *a)
{
	union cv_addr addr = a->key.caddr;
	__be16 port = a->key.cport;

	a->key.caddr = a->key.addr;
	a->key.cport = a->key.port;
	a->key.addr = addr;
	a->key.port = port;
}

/*
 * Rewrites one address of the error (`source` of the outer header or its
 * destination) and the matching end of the embedded packet (its destination or
 * its source). In IPv4 the embedded header's own checksum absorbs its change,
 * so that the ICMP checksum sees only the port's; ICMPv6 covers both addresses.
 */
static __noinline int relay_nat(struct __sk_buff *skb, struct flow *f, struct about *a)
{
	struct nat *n;
	__u32 outer, inner, port_at, check = 0, change;
	__be16 from_port;

	if (!f || !a)
		return -1;
	n = &a->nat;
	outer = f->v6 ? (n->source ? offsetof(struct ipv6hdr, saddr) :
				     offsetof(struct ipv6hdr, daddr)) :
			(n->source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
	inner = f->v6 ? (n->source ? offsetof(struct ipv6hdr, daddr) :
				     offsetof(struct ipv6hdr, saddr)) :
			(n->source ? offsetof(struct iphdr, daddr) : offsetof(struct iphdr, saddr));
	port_at = a->l4 + (n->source ? 2 : 0);
	from_port = a->key.port;
	check = f->l4 + offsetof(struct icmp_head, checksum);
	if (f->v6) {
		change = csum_narrow(csum_of_addr(true, nat_from(f, n), &n->to) +
				     csum_of_addr(true, &a->key.addr, &n->to));
		if (bpf_l4_csum_replace(skb, check, 0, change, 0))
			return -1;
	} else if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check),
				       nat_from(f, n)->v4, n->to.v4, 4) ||
		   bpf_l3_csum_replace(skb, a->at + offsetof(struct iphdr, check), a->key.addr.v4,
				       n->to.v4, 4)) {
		return -1;
	}
	if (bpf_skb_store_bytes(skb, ETH_HLEN + outer, &n->to, f->v6 ? 16 : 4, 0) ||
	    bpf_skb_store_bytes(skb, a->at + inner, &n->to, f->v6 ? 16 : 4, 0))
		return -1;
	if (!a->portless && (bpf_l4_csum_replace(skb, check, from_port, n->to_port, 2) ||
			     bpf_skb_store_bytes(skb, port_at, &n->to_port, 2, 0)))
		return -1;
	return bpf_skb_pull_data(skb, f->l4);
}

/* No error answers an error, not even one that is too large or out of hops. */
static __always_inline int relay_sent(int rc)
{
	if (rc < SEND_TTL)
		return rc;
	return tc_drop(rc == SEND_TTL ? CV_C_DROP_TTL : CV_C_DROP_TOOBIG);
}

/* To the real server, as the connection's packets go. */
static __noinline int relay_to_server(struct __sk_buff *skb, struct flow *f, struct about *a,
				      __u32 slot)
{
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	__u32 index;
	int rc;

	if (!f || !a || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn_at(f->v6, slot);
	if (!c)
		return tc_drop(CV_C_DROP_ERROR);
	index = c->dest;
	dest = dest_at(index);
	if (!dest) /* one that was taken out still hears of what it sent: ip_vs_in_icmp() does not ask */
		return tc_drop(CV_C_DROP_NODEST);
	if (is_tracked(c)) {
		count_in_of(dest, index, f->len);
		return tracked_pass(skb, f, c);
	}
	tc_hop(skb, dest, READ_ONCE(clock.now), &s->hop);
	count_in_of(dest, index, f->len);
	if (c->method == CV_MASQ) {
		if (!nat_of(f->v6, slot, false, &a->nat) || relay_nat(skb, f, a))
			return tc_drop(CV_C_DROP_ERROR);
		if (s->hop.nh.flags & CV_NH_LOCAL)
			return tc_nat_up(skb, f->v6, &a->nat);
	}
	if (s->hop.nh.flags & CV_NH_LOCAL || c->method == CV_LOCALNODE)
		return tc_pass(CV_C_PASS_LOCAL);
	if (!s->hop.nh.ifindex)
		return tc_drop(CV_C_DROP_NOROUTE);
	if (c->method != CV_TUNNEL)
		return relay_sent(tc_send_dr(skb, f, &s->hop));
	rc = tc_send_tunnel(skb, f, dest, s, c->cport);
	return rc == SEND_CUT && !whole_take(skb, f) ? SEND_WHOLE : relay_sent(rc);
}

/* To the client, from the virtual address. */
static __noinline int relay_to_client(struct __sk_buff *skb, struct flow *f, struct about *a,
				      __u32 slot)
{
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;

	if (!f || !a || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn_at(f->v6, slot);
	if (!c || c->method != CV_MASQ)
		return tc_pass(CV_C_PASS_OTHER);
	dest = dest_at(c->dest);
	if (!dest || !nat_of(f->v6, slot, true, &a->nat))
		return tc_drop(CV_C_DROP_ERROR);
	tc_way_back(skb, f, &a->nat.to, &s->hop);
	if (!s->hop.nh.ifindex && !(s->hop.nh.flags & CV_NH_LOCAL))
		return tc_drop(CV_C_DROP_NOROUTE);
	count_out(dest, c->dest, f->len);
	if (relay_nat(skb, f, a))
		return tc_drop(CV_C_DROP_ERROR);
	if (s->hop.nh.flags & CV_NH_LOCAL)
		return tc_to_stack(skb);
	return relay_sent(tc_send_dr(skb, f, &s->hop));
}

/* The bytes between the outer IP header of a tunnel's packet and the inner one; -1: it is none (ipvs_udp_decap(), ipvs_gre_decap()). */
static __always_inline int relay_shim(struct __sk_buff *skb, const struct about *a, __u32 *type)
{
	__u8 head[4];

	switch (a->key.proto) {
	case IPPROTO_IPIP:
		*type = CV_TUN_IPIP;
		return 0;
	case IPPROTO_UDP: /* GUE: version 0, data, and how many words of fields */
		*type = CV_TUN_GUE;
		if (bpf_skb_load_bytes(skb, a->l4 + sizeof(struct udphdr), head, sizeof(head)) ||
		    head[0] & 0xe0 || head[1] != IPPROTO_IPIP)
			return -1;
		return sizeof(struct udphdr) + sizeof(head) + (head[0] & 0x1f) * 4;
	case IPPROTO_GRE_: /* with a checksum or without, nothing else */
		*type = CV_TUN_GRE;
		if (bpf_skb_load_bytes(skb, a->l4, head, sizeof(head)) || head[0] & 0x7f ||
		    head[1] || head[2] != ETH_P_IP >> 8 || head[3] != (ETH_P_IP & 0xff))
			return -1;
		return head[0] ? 8 : 4;
	}
	return -1;
}

/*
 * "Fragmentation needed": the way to the server is narrower than was known. The client is
 * told what was known, less an IP header, and what it sends then is answered by what has
 * been learnt: as in ip_vs_in_icmp(), after ipv4_update_pmtu().
 */
static __always_inline __u32 relay_narrow(struct cv_dest *d, __u32 told)
{
	struct cv_nexthop *nh = &d->nh[READ_ONCE(d->nh_cur) & 1];
	__u32 known = nh->mtu;

	if (told < PMTU_LEAST)
		told = PMTU_LEAST;
	if (!known || told < known) {
		WRITE_ONCE(d->pmtu_until, READ_ONCE(clock.now) + PMTU_STANDS);
		WRITE_ONCE(d->pmtu, told);
		WRITE_ONCE(nh->mtu, told);
	}
	return (known ? known : told) - sizeof(struct iphdr);
}

/* Is it for an address of the director's? RTCF_LOCAL, in ip_vs_in_icmp(). */
static __always_inline bool relay_for_us(struct __sk_buff *skb, const struct flow *f,
					 struct tc_scratch *s)
{
	if (!s)
		return false;
	tc_lookup(skb, &f->daddr, false, &s->hop);
	return s->hop.nh.flags & CV_NH_LOCAL;
}

/*
 * About a tunnel's packet that the director sent: the client hears of it as if the
 * virtual address had had the trouble.
 */
static __noinline int relay_tunnel(struct __sk_buff *skb, struct flow *f, struct about *a)
{
	struct tc_scratch *s = tc_scratch();
	struct icmp_error e = {};
	struct conn_id id = {};
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct whole *w;
	__u32 type = 0, about_len;
	int shim;

	if (!f || !a || f->v6)
		return tc_pass(CV_C_PASS_OTHER);
	shim = relay_shim(skb, a, &type);
	a->at = a->l4 + shim;
	if (shim < 0 || !about_parse(skb, false, a) || !conn_find_slot(&a->key, 0, &id))
		return tc_pass(CV_C_PASS_OTHER);
	c = conn_at(false, id.slot);
	dest = c ? dest_at(c->dest) : NULL;
	if (!dest || c->method != CV_TUNNEL || dest->tun_type != type || !relay_for_us(skb, f, s))
		return tc_pass(CV_C_PASS_OTHER);
	e.type = a->type;
	e.code = a->code;
	if (e.type == ICMP_DEST_UNREACH && e.code == ICMP_FRAG_NEEDED) {
		e.mtu = relay_narrow(dest, a->mtu);
		if (!a->df) /* its client lets packets be cut, and does not want to know */
			return tc_drop(CV_C_DROP_TOOBIG);
	}
	if (!icmp_allowed(&e))
		return tc_drop(e.type == ICMP_TIME_EXCEEDED ? CV_C_DROP_TTL : CV_C_DROP_NOROUTE);
	f->saddr = a->key.caddr;
	f->daddr = a->key.addr;
	f->tos = 0;
	w = whole_mine();
	about_len = f->len - (a->at - ETH_HLEN);
	if (f->len <= a->at - ETH_HLEN || !w || whole_load(skb, w, a->at, about_len) ||
	    icmp_write(skb, f, &e, w))
		return tc_drop(CV_C_DROP_ERROR);
	tc_lookup(skb, &f->saddr, false, &s->hop);
	if (!s->hop.nh.ifindex)
		return tc_drop(CV_C_DROP_NOROUTE);
	count_out(dest, c->dest, about_len);
	count_cause(CV_C_ANSWERED);
	return tc_out(skb, &s->hop);
}

/*
 * An ICMP packet: TC_NEXT unless it is an error about a connection; SEND_WHOLE
 * if it is in memory to be sent (relay_slot()); SEND_SCHEDULE: relay_schedule().
 */
GLOBAL int relay_icmp(struct __sk_buff *skb, struct flow *f)
{
	struct icmp_head h;
	struct about *a;
	__u32 zero = 0, type;

	a = bpf_map_lookup_elem(&relaying, &zero);
	if (!a || !f || bpf_skb_load_bytes(skb, f->l4, &h, sizeof(h)) ||
	    !icmp_is_error(f->v6, h.type))
		return tc_pass(CV_C_PASS_OTHER);
	__builtin_memset(a, 0, sizeof(*a));
	a->at = f->l4 + sizeof(h);
	a->type = h.type;
	a->code = h.code;
	a->mtu = bpf_ntohl(h.rest);
	if (!about_parse(skb, f->v6, a))
		return relay_tunnel(skb, f, a);
	if (settings.num_masq) {
		a->key.reply = true;
		if (conn_find_slot(&a->key, 0, &a->conn))
			return relay_to_client(skb, f, a, a->conn.slot);
		a->key.reply = false;
	}
	about_reverse(a);
	if (conn_find_slot(&a->key, 0, &a->conn))
		return relay_to_server(skb, f, a, a->conn.slot);
	if (!f->v6 && a->key.proto == IPPROTO_UDP && !a->portless && relay_shim(skb, a, &type) >= 0)
		return relay_tunnel(skb, f, a);
	return settings.schedule_icmp && !a->portless ? SEND_SCHEDULE :
							tc_pass(CV_C_PASS_NOSERVICE);
}

/* The connection that the error is about which relay_icmp() left in memory. */
static __always_inline __u32 relay_slot(void)
{
	__u32 zero = 0;
	struct about *a = bpf_map_lookup_elem(&relaying, &zero);

	return a ? a->conn.slot : CV_NONE;
}

/*
 * net.ipv4.vs.schedule_icmp: no connection, but perhaps a service. It gets one,
 * as if the client had opened it, which ends soon unless the client goes on.
 */
static __always_inline int relay_schedule(struct __sk_buff *skb, struct flow *f)
{
	__u32 zero = 0;
	struct about *a = bpf_map_lookup_elem(&relaying, &zero);
	int v;

	if (!a)
		return tc_drop(CV_C_DROP_ERROR);
	a->flow.key = a->key;
	a->flow.quoted = true;
	a->flow.mark = f->mark;
	v = admit(&a->flow, &a->d);
	if (v == V_PASS)
		return tc_pass(a->d.cause);
	if (v != V_SEND) /* no error answers an error */
		return tc_drop(v == V_DROP ? a->d.cause : CV_C_DROP_NODEST);
	v = relay_icmp(skb, f);
	return v == SEND_SCHEDULE ? tc_drop(CV_C_DROP_LOCKED) : v;
}

#endif
