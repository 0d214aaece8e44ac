/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame, as far as ipvlan looks into it. */
#ifndef CULVERT_BPF_IPVLAN_FRAME_H
#define CULVERT_BPF_IPVLAN_FRAME_H

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include "maps.h"

#define AF_INET 2
#define AF_INET6 10

#define ARPHRD_ETHER 1

#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT 134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT 136
#define ND_REDIRECT 137

#define ND_TARGET (ETH_HLEN + sizeof(struct ipv6hdr) + 8)
#define ND_OPTIONS (ND_TARGET + 16)

/* ARP over Ethernet for IPv4 (RFC 826), behind the Ethernet header. */
struct arp {
	__be16 htype;
	__be16 ptype;
	__u8 hlen;
	__u8 plen;
	__be16 op;
	__u8 sha[ETH_ALEN];
	__u8 spa[4];
	__u8 tha[ETH_ALEN];
	__u8 tpa[4];
} __attribute__((packed));

#define ARP_SHA (ETH_HLEN + offsetof(struct arp, sha))

enum frame_kind {
	FRAME_IP,  /* IPv4 or IPv6 */
	FRAME_ARP, /* src and dst are its sender and target */
	FRAME_OTHER,
	FRAME_MALFORMED,
};

struct frame {
	enum frame_kind kind;
	__u32 family;
	union cv_addr src;
	union cv_addr dst;
	__u64 smac; /* in the first 6 bytes, as cv_ipv_master.mac */
	__u64 dmac;
	bool group; /* to an Ethernet broadcast or multicast address */
	__u8 proto; /* of IP; of a later fragment too */
	__u8 ttl;
	__u8 nd;      /* ICMPv6 type if it is neighbour discovery, else 0 */
	__be16 dport; /* of an unfragmented UDP datagram over IPv4 */
	__be32 flow;  /* IPv6: traffic class and flow label */
};

static __always_inline bool addr_is_zero(const union cv_addr *a)
{
	return !(a->q[0] | a->q[1]);
}

static __always_inline bool addr_same(const union cv_addr *a, const union cv_addr *b)
{
	return !((a->q[0] ^ b->q[0]) | (a->q[1] ^ b->q[1]));
}

static __always_inline bool addr_is_link_local(__u32 family, const union cv_addr *a)
{
	return family == AF_INET6 && (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Multicast, or IPv4's limited broadcast; a subnet's broadcast is one only to who has the subnet. */
static __always_inline bool addr_is_group(__u32 family, const union cv_addr *a)
{
	if (family == AF_INET6)
		return a->b[0] == 0xff;
	return (a->b[0] & 0xf0) == 224 || a->v4 == 0xffffffff;
}

static __always_inline bool addr_is_loopback(__u32 family, const union cv_addr *a)
{
	if (family == AF_INET)
		return a->b[0] == 127;
	return !a->q[0] && a->q[1] == bpf_cpu_to_be64(1);
}

static __always_inline __u64 mac_at(const void *at)
{
	const __u16 *w = at;
	__u64 mac = 0;

	__builtin_memcpy(&mac, w, ETH_ALEN);
	return mac;
}

/* Makes `len` bytes readable where the frame has them; false if it has not. */
static __always_inline bool readable(struct __sk_buff *skb, __u32 len)
{
	if (likely((void *)(long)skb->data + len <= (void *)(long)skb->data_end))
		return true;
	if (skb->len < len || bpf_skb_pull_data(skb, len))
		return false;
	return (void *)(long)skb->data + len <= (void *)(long)skb->data_end;
}

static __always_inline enum frame_kind parse_arp(struct __sk_buff *skb, struct frame *f)
{
	struct arp *arp;

	if (!readable(skb, ETH_HLEN + sizeof(*arp)))
		return FRAME_MALFORMED;
	arp = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(arp + 1) > (void *)(long)skb->data_end)
		return FRAME_MALFORMED;
	if (arp->htype != bpf_htons(ARPHRD_ETHER) || arp->ptype != bpf_htons(ETH_P_IP) ||
	    arp->hlen != ETH_ALEN || arp->plen != 4)
		return FRAME_MALFORMED;
	f->family = AF_INET;
	__builtin_memcpy(&f->src.v4, arp->spa, 4);
	__builtin_memcpy(&f->dst.v4, arp->tpa, 4);
	return FRAME_ARP;
}

static __always_inline enum frame_kind parse_ip(struct __sk_buff *skb, struct frame *f)
{
	struct iphdr *ip;
	struct udphdr *udp;

	if (!readable(skb, ETH_HLEN + sizeof(*ip)))
		return FRAME_MALFORMED;
	ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return FRAME_MALFORMED;
	if (ip->version != 4 || ip->ihl < 5)
		return FRAME_MALFORMED;
	f->family = AF_INET;
	f->src.v4 = ip->saddr;
	f->dst.v4 = ip->daddr;
	f->proto = ip->protocol;
	f->ttl = ip->ttl;
	udp = (void *)(ip + 1);
	if (ip->protocol == IPPROTO_UDP && ip->ihl == 5 &&
	    (void *)(udp + 1) <= (void *)(long)skb->data_end && !(ip->frag_off & bpf_htons(0x3fff)))
		f->dport = udp->dest;
	return FRAME_IP;
}

static __always_inline enum frame_kind parse_ip6(struct __sk_buff *skb, struct frame *f)
{
	struct ipv6hdr *ip;
	struct icmp6hdr *icmp;

	if (!readable(skb, ETH_HLEN + sizeof(*ip)))
		return FRAME_MALFORMED;
	ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 6)
		return FRAME_MALFORMED;
	f->family = AF_INET6;
	__builtin_memcpy(&f->src, &ip->saddr, sizeof(f->src));
	__builtin_memcpy(&f->dst, &ip->daddr, sizeof(f->dst));
	f->proto = ip->nexthdr;
	f->ttl = ip->hop_limit;
	f->flow = *(__be32 *)ip & bpf_htonl(0x0fffffff);
	if (ip->nexthdr != IPPROTO_ICMPV6)
		return FRAME_IP;
	if (!readable(skb, ETH_HLEN + sizeof(*ip) + sizeof(*icmp)))
		return FRAME_IP;
	icmp = (void *)(long)skb->data + ETH_HLEN + sizeof(*ip);
	if ((void *)(icmp + 1) > (void *)(long)skb->data_end)
		return FRAME_IP;
	if (icmp->icmp6_type >= ND_ROUTER_SOLICIT && icmp->icmp6_type <= ND_REDIRECT)
		f->nd = icmp->icmp6_type;
	return FRAME_IP;
}

static __always_inline void parse_frame(struct __sk_buff *skb, struct frame *f)
{
	struct ethhdr *eth;

	__builtin_memset(f, 0, sizeof(*f));
	f->kind = FRAME_MALFORMED;
	if (!readable(skb, sizeof(*eth)))
		return;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return;
	f->dmac = mac_at(eth->h_dest);
	f->smac = mac_at(eth->h_source);
	f->group = eth->h_dest[0] & 1;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		f->kind = parse_ip(skb, f);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		f->kind = parse_ip6(skb, f);
	else if (eth->h_proto == bpf_htons(ETH_P_ARP))
		f->kind = parse_arp(skb, f);
	else
		f->kind = FRAME_OTHER;
}

/*
 * What most packets are: to one station, IPv4 without options, or IPv6 with TCP or UDP right behind its
 * header and no link-local address. False says nothing but that parse_frame() is to be asked.
 */
static __always_inline bool parse_plain(struct __sk_buff *skb, struct frame *f)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) > end || (eth->h_dest[0] & 1) || skb->vlan_present)
		return false;
	__builtin_memset(f, 0, sizeof(*f));
	f->kind = FRAME_IP;
	f->dmac = mac_at(eth->h_dest);
	f->smac = mac_at(eth->h_source);
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (*(__u8 *)ip != 0x45)
			return false;
		f->family = AF_INET;
		f->src.v4 = ip->saddr;
		f->dst.v4 = ip->daddr;
		f->proto = ip->protocol;
		f->ttl = ip->ttl;
		return true;
	}
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end || ip6->version != 6 ||
	    (ip6->nexthdr != IPPROTO_TCP && ip6->nexthdr != IPPROTO_UDP))
		return false;
	f->family = AF_INET6;
	__builtin_memcpy(&f->src, &ip6->saddr, sizeof(f->src));
	__builtin_memcpy(&f->dst, &ip6->daddr, sizeof(f->dst));
	f->proto = ip6->nexthdr;
	f->ttl = ip6->hop_limit;
	f->flow = *(__be32 *)ip6 & bpf_htonl(0x0fffffff);
	return !addr_is_link_local(AF_INET6, &f->src) && !addr_is_link_local(AF_INET6, &f->dst);
}

/* What a route is looked up by. */
static __always_inline void fib_addresses(struct bpf_fib_lookup *fib, const struct frame *f)
{
	if (f->family == AF_INET) {
		fib->ipv4_src = f->src.v4;
		fib->ipv4_dst = f->dst.v4;
	} else {
		fib->flowinfo = f->flow;
		__builtin_memcpy(fib->ipv6_src, &f->src, sizeof(f->src));
		__builtin_memcpy(fib->ipv6_dst, &f->dst, sizeof(f->dst));
	}
}

#endif
