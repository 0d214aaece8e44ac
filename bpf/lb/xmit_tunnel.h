/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tunnelling: the packet goes inside another one to the real server
 * (ip_vs_tunnel_xmit()): IP in IP, GUE (UDP, draft-ietf-intarea-gue) or GRE (RFC 2784), over
 * IPv4 or IPv6 whatever the inner one is.
 */
#ifndef CULVERT_BPF_LB_XMIT_TUNNEL_H
#define CULVERT_BPF_LB_XMIT_TUNNEL_H

#include "conn.h"
#include "csum.h"

#define IPPROTO_GRE_ 47
#define GRE_CSUM bpf_htons(0x8000)
#define GUE_PORTS_FROM \
	32768 /* as net.ipv4.ip_local_port_range, which udp_flow_src_port() draws from */
#define GUE_PORTS 28232

/*
 * An outer packet's headers in front of the inner packet: an IPv4 or IPv6
 * header and up to 8 bytes of GRE or 12 of UDP and GUE.
 */
#define TUN_MOST (sizeof(struct ipv6hdr) + 12)

struct outer {
	__u8 bytes[64]; /* a power of two, for the verifier */
	__u32 len;
	bool v6;
};

struct tun_plan {
	union cv_addr src;
	union cv_addr dst;
	__u32 inner_len; /* bytes of the inner packet */
	__be16 cport;	 /* the client's: GUE's source port is made of it */
	__be16 tun_port;
	__u8 type;  /* enum cv_tun_type */
	__u8 flags; /* CV_TUN_* */
	__u8 ttl;
	__u8 tos;
	bool v6; /* outer */
	bool inner_v6;
	bool df;
};

/* Bytes that the tunnel puts in front of the inner packet. */
static __always_inline __u32 tun_overhead(const struct cv_dest *d)
{
	__u32 ip = d->flags & CV_DEST_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	switch (d->tun_type) {
	case CV_TUN_GUE:
		return ip + sizeof(struct udphdr) + 4;
	case CV_TUN_GRE:
		return ip + (d->tun_flags & CV_TUN_CSUM ? 8 : 4);
	}
	return ip;
}

/* A tunnel that leaves less than this carries nothing: __ip_vs_get_out_rt() and its sister of IPv6. */
static __always_inline __u32 tun_least(const struct cv_dest *d)
{
	return d->flags & CV_DEST_IPV6 ? 1280 : 68;
}

/*
 * Does the tunnel's own header have a checksum over the packet? GUE's with
 * --tun-remcsum is one too: the remote checksum offload is for packets of which
 * the director would otherwise have to complete the inner one (ipvs_gue_encap()),
 * which culvert does.
 */
static __always_inline bool tun_has_sum(__u8 type, __u8 flags)
{
	return (type == CV_TUN_GUE && flags & (CV_TUN_CSUM | CV_TUN_REMCSUM)) ||
	       (type == CV_TUN_GRE && flags & CV_TUN_CSUM);
}

static __always_inline bool tun_summed(const struct tun_plan *p)
{
	return tun_has_sum(p->type, p->flags);
}

/* What the outer TOS takes from the inner one: all, but a mark of congestion becomes ECT(0) (RFC 3168, 9.1.1). */
static __always_inline __u8 tun_tos(__u8 tos)
{
	return (tos & 3) == 3 ? (tos & ~3) | 2 : tos;
}

/* The header between the outer IP header and the inner packet; its length. Checksums are the caller's. */
static __always_inline __u32 tun_shim(const struct tun_plan *p, __u8 *at, __u8 *proto)
{
	__u8 inner = p->inner_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	if (p->type == CV_TUN_GUE) {
		struct udphdr *udp = (void *)at;

		udp->source = bpf_htons(GUE_PORTS_FROM + scale(p->cport * 0x9e3779b1U, GUE_PORTS));
		udp->dest = p->tun_port;
		udp->len = bpf_htons(sizeof(*udp) + 4 + p->inner_len);
		udp->check = 0;
		at[8] = 0; /* version 0, data, no fields */
		at[9] = inner;
		at[10] = at[11] = 0;
		*proto = IPPROTO_UDP;
		return sizeof(*udp) + 4;
	}
	if (p->type == CV_TUN_GRE) {
		__be16 *gre = (void *)at;

		gre[0] = p->flags & CV_TUN_CSUM ? GRE_CSUM : 0;
		gre[1] = bpf_htons(p->inner_v6 ? ETH_P_IPV6 : ETH_P_IP);
		*proto = IPPROTO_GRE_;
		if (!(p->flags & CV_TUN_CSUM))
			return 4;
		gre[2] = gre[3] = 0;
		return 8;
	}
	*proto = inner;
	return 0;
}

static __always_inline __u32 tun_write6(const struct tun_plan *p, void *at)
{
	struct ipv6hdr *ip = at;
	__u8 proto;
	__u32 shim = tun_shim(p, (void *)(ip + 1), &proto);

	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tun_tos(p->tos) << 20);
	ip->payload_len = bpf_htons(shim + p->inner_len);
	ip->nexthdr = proto;
	ip->hop_limit = p->ttl;
	__builtin_memcpy(&ip->saddr, &p->src, sizeof(p->src));
	__builtin_memcpy(&ip->daddr, &p->dst, sizeof(p->dst));
	return sizeof(*ip) + shim;
}

static __always_inline __u32 tun_write4(const struct tun_plan *p, void *at)
{
	struct iphdr *ip = at;
	__u32 *word = at;
	__u8 proto;
	__u32 shim = tun_shim(p, (void *)(ip + 1), &proto);

	*(__be16 *)ip = bpf_htons(0x4500 | tun_tos(p->tos));
	ip->tot_len = bpf_htons(sizeof(*ip) + shim + p->inner_len);
	ip->frag_off = p->df ? bpf_htons(IP_DF) : 0;
	ip->id = p->df ? 0 : (__u16)bpf_get_prandom_u32();
	ip->ttl = p->ttl;
	ip->protocol = proto;
	ip->check = 0;
	ip->saddr = p->src.v4;
	ip->daddr = p->dst.v4;
	ip->check = csum_fold(csum_narrow((__u64)word[0] + word[1] + word[2] + word[3] + word[4]));
	return sizeof(*ip) + shim;
}

/* The outer headers, TUN_MOST bytes at most, at `at`; how many they are: tun_overhead(). */
static __always_inline __u32 tun_write(const struct tun_plan *p, void *at)
{
	return p->v6 ? tun_write6(p, at) : tun_write4(p, at);
}

static __always_inline void tun_build(const struct tun_plan *p, struct outer *o)
{
	__builtin_memset(o, 0, sizeof(*o));
	o->v6 = p->v6;
	o->len = tun_write(p, o->bytes);
}

/* The plan for a packet of a connection to `d`. */
static __always_inline void tun_plan(const struct cv_dest *d, const union cv_addr *src,
				     const struct flow *f, __be16 cport, struct tun_plan *p)
{
	p->src = *src;
	p->dst = d->addr;
	p->inner_len = f->len;
	p->cport = cport;
	p->tun_port = d->tun_port;
	p->type = d->tun_type;
	p->flags = d->tun_flags;
	p->ttl = f->ttl - 1;
	p->tos = f->tos;
	p->v6 = d->flags & CV_DEST_IPV6;
	p->inner_v6 = f->v6;
	p->df = !f->v6 && f->df && settings.pmtu_disc;
}

#endif
