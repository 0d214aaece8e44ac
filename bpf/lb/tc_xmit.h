/* SPDX-License-Identifier: GPL-2.0-only */
/* How the tc door changes and sends packets: by helpers, which keep partial checksums and GSO right. */
#ifndef CULVERT_BPF_LB_TC_XMIT_H
#define CULVERT_BPF_LB_TC_XMIT_H

#include <linux/pkt_cls.h>

#include "frame_sum.h"
#include "nexthop.h"
#include "xmit_dr.h"
#include "xmit_nat.h"
#include "xmit_tunnel.h"

/* TCX_NEXT, and of clsact "go on with the next filter". */
#define TC_NEXT TC_ACT_UNSPEC

#define PACKET_HOST 0

/* Bytes of headers that parsing and rewriting want to see: Ethernet, IP with options or extensions, TCP. */
#define HEADERS 128

/*
 * What tc's functions work with besides the packet, per CPU: the stack's 512
 * bytes are too few for it. A program runs to its end before the next begins on
 * the same CPU, and redirects happen after that.
 */
struct tc_scratch {
	struct hop hop;
	struct tun_plan plan;
	struct outer outer;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tc_scratch);
} scratch SEC(".maps");

static __always_inline struct tc_scratch *tc_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

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

/*
 * Up the local stack as if it had come in by culvert0, which takes packets from
 * the director's own addresses, where any other device's would be martians.
 */
static __always_inline int tc_to_stack(struct __sk_buff *skb)
{
	const __u8 mac[ETH_ALEN] = CV_CULVERT0_MAC;

	if (!settings.culvert0)
		return TC_NEXT;
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), mac, ETH_ALEN, 0))
		return tc_drop(CV_C_DROP_ERROR);
	return bpf_redirect(settings.culvert0, BPF_F_INGRESS);
}

/*
 * What the stack has routed to culvert0 forgets its route: a frame that waited
 * for its neighbour is sent by that (neigh_update()), with culvert0's address and
 * to nobody. BPF takes a route away only in exchange for a tunnel's key, which
 * nobody reads here.
 */
static const volatile __u64 no_tunnel =
	0; /* the oldest layout of struct bpf_tunnel_key, which has 8 bytes */

static __always_inline void tc_forget_route(struct __sk_buff *skb)
{
	bpf_skb_set_tunnel_key(skb, (void *)&no_tunnel, sizeof(no_tunnel), 0);
}

/* Sends the frame to a next hop through the kernel's neighbour output, which resolves it if need be. */
static __always_inline int tc_out(struct __sk_buff *skb, const struct hop *hop)
{
	struct bpf_redir_neigh nh = { .nh_family = hop->family };

	if (unlikely(hop->nh.flags & CV_NH_UNRESOLVED) && skb->ifindex == settings.culvert0)
		tc_forget_route(skb);
	__builtin_memcpy(nh.ipv6_nh, &hop->gw, sizeof(nh.ipv6_nh));
	return bpf_redirect_neigh(hop->nh.ifindex, &nh, sizeof(nh), 0);
}

/* gso_size of SCTP's: it is cut where SCTP itself has cut it. */
#define GSO_BY_FRAGS 0xffff

/*
 * Once more through the hook that it came to: an uplink's is on the way in,
 * culvert0's on the way out, where forwarding took one of its TTL.
 */
static __always_inline int tc_again(struct __sk_buff *skb)
{
	void *data, *end;

	if (skb->ifindex != settings.culvert0)
		return bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN + 1 > end)
		return -1;
	if (skb->ingress_ifindex && !decrease_ttl(data, end, *(__u8 *)(data + ETH_HLEN) >> 4 == 6))
		return -1;
	return bpf_clone_redirect(skb, skb->ifindex, 0);
}

/*
 * Does it go over the link as it is? Of a GSO packet, do those that it is cut
 * into, each of which has its headers (skb_gso_network_seglen())?
 */
static __always_inline bool tc_fits(struct __sk_buff *skb, const struct flow *f, __u32 mtu)
{
	__u32 header = f->l4 - ETH_HLEN + sizeof(struct udphdr);
	__u8 words;

	if (!mtu) /* there is none known */
		return true;
	if (likely(!skb->gso_size))
		return f->len <= mtu;
	if (skb->gso_size == GSO_BY_FRAGS)
		return true;
	if (f->proto == IPPROTO_TCP &&
	    !bpf_skb_load_bytes(skb, f->l4 + offsetof(struct tcphdr, ack_seq) + 4, &words, 1))
		header = f->l4 - ETH_HLEN + (words >> 4) * 4;
	return header + skb->gso_size <= mtu;
}

/*
 * What sending returns besides a tc action, for the caller to see to (for the
 * sake of the stack's 512 bytes): the packet cannot go on and an ICMP error says
 * why; or it cannot go on as it is.
 */
#define SEND_TTL 0x10000
#define SEND_TOO_BIG 0x20000 /* the MTU in the low 16 bits */
#define SEND_NO_ROUTE 0x80000
#define SEND_SILENT 0xa0000   /* the next hop does not answer */
#define SEND_CUT 0x30000      /* by way of memory: whole_take() */
#define SEND_REMAKE 0x60000   /* likewise, put together of its fragments: frag_remake() */
#define SEND_WHOLE 0x70000    /* is in memory: cut_send() */
#define SEND_SCHEDULE 0x90000 /* an ICMP error: relay_schedule() */
#define SEND_SPLIT 0x50000    /* segment by segment: split.h; nothing was done yet */

/* Larger than the way takes: told so, or cut, as it wishes. */
static __always_inline int tc_too_big(const struct flow *f, __u32 mtu)
{
	return f->df ? (int)(SEND_TOO_BIG | mtu) : SEND_CUT;
}

/* route_lookup() once for all of tc: it takes much of the stack. `from` may be NULL. */
#define ROUTE_V6 1U
#define ROUTE_FORWARDED 2U /* not the director's own: from the device that the packet came in by */

GLOBAL int tc_route(struct __sk_buff *skb, const union cv_addr *addr, const union cv_addr *from,
		    __u32 how, struct hop *hop)
{
	struct route_of of = { .from = from, .iif = LOOPBACK_IFINDEX };

	if (!addr || !hop)
		return 0;
	if (how & ROUTE_FORWARDED && skb->ingress_ifindex)
		of.iif = skb->ingress_ifindex;
	return way_back_lookup(skb, addr, how & ROUTE_V6, &of, hop);
}

static __always_inline void tc_lookup(struct __sk_buff *skb, const union cv_addr *addr, bool v6,
				      struct hop *hop)
{
	tc_route(skb, addr, NULL, v6, hop);
}

/* Of an answer that will be from `virtual`: way_back_lookup(). */
static __always_inline void tc_way_back(struct __sk_buff *skb, const struct flow *f,
					const union cv_addr *virtual, struct hop *hop)
{
	bool own = settings.snat_reroute;

	tc_route(skb, &f->daddr, own ? virtual : &f->saddr,
		 (f->v6 ? ROUTE_V6 : 0) | (own ? 0 : ROUTE_FORWARDED), hop);
}

static __always_inline void tc_hop(struct __sk_buff *skb, struct cv_dest *dest, __u32 now,
				   struct hop *hop)
{
	__u32 at = nexthop_current(skb, dest, now);

	hop->nh = dest->nh[at & 1];
	hop->gw = dest->gw[at & 1];
	hop->family = dest->gw_family[at & 1];
	hop->src = dest->src[at & 1];
	if (!hop->nh.ifindex &&
	    !(hop->nh.flags & (CV_NH_LOCAL | CV_NH_LOST))) { /* perhaps just not known yet */
		tc_lookup(skb, &dest->addr, dest->flags & CV_DEST_IPV6, hop);
		nexthop_judge(dest, hop);
	}
	if (unlikely(hop->nh.flags & CV_NH_UNRESOLVED) && neigh_silent(dest, now)) {
		hop->nh.ifindex = 0;
		hop->nh.flags = CV_NH_SILENT;
	}
}

/* There is no way to the real server, or nobody at its end: then a hop was taken already (ip_vs_nat_xmit()). */
static __always_inline int tc_no_way(const struct hop *hop)
{
	return hop->nh.flags & CV_NH_SILENT ? SEND_SILENT : SEND_NO_ROUTE;
}

/* One hop less, and out. */
static __always_inline int tc_forward(struct __sk_buff *skb, struct flow *f, struct hop *hop)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN > end || !decrease_ttl(data, end, f->v6))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(hop->nh.flags & CV_NH_UNRESOLVED ? CV_C_RESOLVING : CV_C_SENT);
	return tc_out(skb, hop);
}

static __always_inline int tc_send_dr(struct __sk_buff *skb, struct flow *f, struct hop *hop)
{
	if (f->ttl <= 1)
		return SEND_TTL;
	if (!tc_fits(skb, f, hop->nh.mtu))
		return tc_too_big(f, hop->nh.mtu);
	return tc_forward(skb, f, hop);
}

/* ---- masq ---------------------------------------------------------------- */

/*
 * UDP without a checksum gets one: over all of its bytes, as udp_dnat_handler() computes it.
 * `change`: of the addresses in f. (IPv4's are their first words, and the others 0.)
 */
static __always_inline int tc_udp_sum(struct __sk_buff *skb, const struct flow *f, __u32 change)
{
	__u32 len = f->len - (f->l4 - ETH_HLEN), sum;
	__u16 check;

	sum = csum_narrow((__u64)change + bpf_htons(IPPROTO_UDP) + bpf_htons(len));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&f->saddr, 2 * sizeof(f->saddr), sum);
	check = csum_fold(frame_sum(skb, f->l4, f->l4 + len, sum));
	if (!check)
		check = 0xffff;
	return bpf_skb_store_bytes(skb, f->l4 + offsetof(struct udphdr, check), &check,
				   sizeof(check), 0);
}

/* The port and the transport checksum; of what a fragment's checksum covers, most is elsewhere. */
static __always_inline int tc_nat_l4(struct __sk_buff *skb, struct flow *f, struct nat *n)
{
	__u32 check_at = f->l4 + l4_check_at(f->proto);
	__u32 change = csum_narrow(csum_of_addr(f->v6, nat_from(f, n), &n->to));
	__u64 udp = f->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u16 check = 0;

	if (bpf_skb_load_bytes(skb, check_at, &check, sizeof(check)) ||
	    bpf_skb_store_bytes(skb, f->l4 + (n->source ? 0 : 2), &n->to_port, 2, 0))
		return -1;
	if (f->proto == IPPROTO_UDP && !check)
		return n->fragment ? 0 : tc_udp_sum(skb, f, change);
	if (bpf_l4_csum_replace(skb, check_at, 0, change, BPF_F_PSEUDO_HDR | udp))
		return -1;
	return bpf_l4_csum_replace(skb, check_at, nat_from_port(f, n), n->to_port, 2 | udp);
}

/*
 * SCTP's port and checksum, of which only the port counts: there is no pseudo
 * header. A checksum of 0 is mostly one that the device, or the stack on the way
 * out, is to compute over the packet as it leaves, with zeroes in its place; it
 * stays that, unless this is the packet in 2^32 whose checksum is 0.
 */
static __always_inline int tc_nat_sctp(struct __sk_buff *skb, struct flow *f, struct nat *n)
{
	__u32 check_at = f->l4 + offsetof(struct sctp_head, checksum), check;
	__u32 len = n->fragment ? n->whole : f->len - (f->l4 - ETH_HLEN);

	if (nat_from_port(f, n) == n->to_port)
		return 0;
	if (n->fragment && !n->whole) /* what the port changes depends on how much follows it */
		return -1;
	if (bpf_skb_load_bytes(skb, check_at, &check, sizeof(check)))
		return -1;
	if (check ||
	    (!n->fragment && skb->gso_segs <= 1 && !crc32c_frame(skb, f->l4, f->l4 + len))) {
		check ^= nat_crc(f, n, len);
		if (bpf_skb_store_bytes(skb, check_at, &check, sizeof(check), 0))
			return -1;
	}
	return bpf_skb_store_bytes(skb, f->l4 + (n->source ? 0 : 2), &n->to_port, 2, 0);
}

/* Addresses, ports and checksums; skb's headers are linear afterwards as before. */
static __noinline int tc_nat(struct __sk_buff *skb, struct flow *f, struct nat *n)
{
	__u32 at;

	if (!f || !n)
		return -1;
	at = ETH_HLEN +
	     (f->v6 ? (n->source ? offsetof(struct ipv6hdr, saddr) :
				   offsetof(struct ipv6hdr, daddr)) :
		      (n->source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)));
	if (!f->v6 && bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check),
					  nat_from(f, n)->v4, n->to.v4, 4))
		return -1;
	if (bpf_skb_store_bytes(skb, at, &n->to, f->v6 ? 16 : 4, 0))
		return -1;
	if ((f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) && tc_nat_l4(skb, f, n))
		return -1;
	if (f->proto == IPPROTO_SCTP && tc_nat_sctp(skb, f, n))
		return -1;
	return bpf_skb_pull_data(skb, f->l4);
}

#define LOOPBACK_IFINDEX 1 /* in every namespace */

static __always_inline bool is_loopback(bool v6, const union cv_addr *a)
{
	return v6 ? !a->q[0] && a->q[1] == bpf_cpu_to_be64(1) : a->b[0] == 127;
}

/* A server on the loopback device has the director's own clients alone: "stopping DNAT to loopback address", ip_vs_nat_xmit(). */
static __always_inline bool tc_nat_stops(const struct __sk_buff *skb, bool v6, const struct nat *n)
{
	return unlikely(is_loopback(v6, &n->to)) &&
	       (skb->ifindex != settings.culvert0 || skb->ingress_ifindex);
}

/*
 * A rewritten packet goes up to a real server that is the director itself. Over IPv6 one on the
 * loopback device gets them by that device alone (ipv6_rcv()).
 */
static __always_inline int tc_nat_up(struct __sk_buff *skb, bool v6, const struct nat *n)
{
	const __u8 none[ETH_ALEN] = {};

	if (tc_nat_stops(skb, v6, n))
		return tc_drop(CV_C_DROP_NOROUTE);
	if (!v6 || likely(!is_loopback(v6, &n->to)))
		return tc_pass(CV_C_PASS_LOCAL);
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), none, ETH_ALEN, 0))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(CV_C_PASS_LOCAL);
	return bpf_redirect(LOOPBACK_IFINDEX, BPF_F_INGRESS);
}

static __noinline int tc_send_nat(struct __sk_buff *skb, struct flow *f, __u32 slot,
				  struct hop *hop)
{
	struct nat n = {};
	bool local;

	if (!f || !hop)
		return tc_drop(CV_C_DROP_ERROR);
	local = hop->nh.flags & CV_NH_LOCAL;
	if (!local && !hop->nh.ifindex)
		return tc_no_way(hop);
	if (!local && f->ttl <= 1)
		return SEND_TTL;
	if (!local && !tc_fits(skb, f, hop->nh.mtu))
		return tc_too_big(f, hop->nh.mtu);
	if (!nat_of(f->v6, slot, false, &n) || tc_nat(skb, f, &n))
		return tc_drop(CV_C_DROP_ERROR);
	return local ? tc_nat_up(skb, f->v6, &n) : tc_forward(skb, f, hop);
}

/* ---- tunnels ------------------------------------------------------------- */

/* The frame gets its outer headers, which have no checksum over the packet; of a GSO packet, so do the packets that it is cut into. */
static __noinline int tc_encap(struct __sk_buff *skb, struct tc_scratch *s)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	struct tun_plan *p;
	struct outer *o;
	__u32 len;

	if (!s)
		return -1;
	p = &s->plan;
	o = &s->outer;
	tun_build(p, o);
	len = bounded(o->len - 1, sizeof(o->bytes) - 1) + 1;
	flags |= o->v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	if (p->type == CV_TUN_GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (p->type == CV_TUN_GRE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
	if (bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, o->bytes, len, 0);
}

static __noinline int tc_send_tunnel(struct __sk_buff *skb, struct flow *f, struct cv_dest *dest,
				     struct tc_scratch *s, __be16 cport)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct hop *hop;
	__u32 room;

	if (!f || !dest || !s)
		return tc_drop(CV_C_DROP_ERROR);
	hop = &s->hop;
	room = hop->nh.mtu ? hop->nh.mtu - tun_overhead(dest) : 0;
	if (f->ttl <= 1)
		return SEND_TTL;
	if (room && room < tun_least(dest))
		return tc_drop(CV_C_DROP_TOOBIG);
	if (!tc_fits(skb, f, room) && f->df && (f->v6 || settings.pmtu_disc))
		return SEND_TOO_BIG | room;
	if (!tc_fits(skb, f, room) || tun_has_sum(dest->tun_type, dest->tun_flags))
		return SEND_CUT;
	tun_plan(dest, hop->src.q[0] ? &hop->src : &dest->src_default, f, cport, &s->plan);
	if (data + ETH_HLEN > end || !decrease_ttl(data, end, f->v6) || tc_encap(skb, s))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(hop->nh.flags & CV_NH_UNRESOLVED ? CV_C_RESOLVING : CV_C_SENT);
	return tc_out(skb, hop);
}

#endif
