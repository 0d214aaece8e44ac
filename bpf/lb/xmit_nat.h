/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Masquerading (NAT): a client's packet gets the real server's address and port
 * for its destination, an answer the virtual ones for its source
 * (ip_vs_nat_xmit(), handle_response()).
 */
#ifndef CULVERT_BPF_LB_XMIT_NAT_H
#define CULVERT_BPF_LB_XMIT_NAT_H

#include "conn.h"
#include "crc32c.h"
#include "csum.h"
#include "xmit_dr.h"

/* What one end of a packet becomes. */
struct nat {
	union cv_addr to;
	__be16 to_port;
	bool source;   /* the source is rewritten (an answer), else the destination */
	bool fragment; /* the packet is not whole ... */
	__u32 whole;   /* ... and this many bytes of transport, header and all, would be */
};

/* The real server's end of the connection in `slot` for a client's packet, the virtual one for an answer. */
static __always_inline bool nat_of(bool v6, __u32 slot, bool source, struct nat *n)
{
	n->source = source;
	if (v6) {
		struct cv_conn6 *e = bpf_map_lookup_elem(&conn6, &slot);

		if (!e)
			return false;
		n->to = source ? e->vaddr : e->daddr;
		n->to_port = source ? e->c.vport : e->c.dport;
		return true;
	}
	struct cv_conn4 *e = bpf_map_lookup_elem(&conn4, &slot);

	if (!e)
		return false;
	n->to.v4 = source ? e->vaddr : e->daddr;
	n->to_port = source ? e->c.vport : e->c.dport;
	return true;
}

static __always_inline const union cv_addr *nat_from(const struct flow *f, const struct nat *n)
{
	return n->source ? &f->saddr : &f->daddr;
}

static __always_inline __be16 nat_from_port(const struct flow *f, const struct nat *n)
{
	return n->source ? f->sport : f->dport;
}

/* Where the transport checksum stands in its header; 0: the protocol has none that covers the addresses. */
static __always_inline __u32 l4_check_at(__u8 proto)
{
	return proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
	       proto == IPPROTO_UDP ? offsetof(struct udphdr, check) :
				      0;
}

/* Of SCTP's checksum: what the other port changes in it, over `bytes` bytes. */
static __always_inline __u32 nat_crc(const struct flow *f, const struct nat *n, __u32 bytes)
{
	__u32 change = (__u16)(nat_from_port(f, n) ^ n->to_port);

	return crc32c_change(n->source ? change : change << 16, bytes);
}

/*
 * Is there a checksum to go by? UDP may have none (over IPv6 a tunnel's: RFC 6935): the
 * kernel gives such a packet one (udp_dnat_handler()), which takes all of its bytes. SCTP's
 * 0 may be the checksum or stand for one that is still to come. tc sees to both.
 */
static __always_inline bool nat_needs_sum(const struct flow *f, void *data, void *end)
{
	void *l4 = data + ETH_HLEN + (f->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct sctp_head *sctp = l4;
	struct udphdr *udp = l4;

	if (f->proto == IPPROTO_SCTP)
		return (void *)(sctp + 1) > end || !sctp->checksum;
	return f->proto == IPPROTO_UDP && ((void *)(udp + 1) > end || !udp->check);
}

/* The addresses and ports of a frame whose headers have their plain lengths: XDP's. `source`: n->source, a constant. */
static __always_inline bool nat_write(bool v6, bool source, void *data, void *end,
				      const struct flow *f, const struct nat *n)
{
	__u64 change = csum_of_addr(v6, nat_from(f, n), &n->to);
	__u32 l4 = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__be16 *ports = data + l4;
	__sum16 *check = NULL;

	if (f->proto == IPPROTO_SCTP) {
		struct sctp_head *sctp = (void *)ports;

		if ((void *)(sctp + 1) > end)
			return false;
		sctp->checksum ^= nat_crc(f, n, f->len - (l4 - ETH_HLEN));
	} else if (f->proto == IPPROTO_TCP) {
		if ((void *)ports + sizeof(struct tcphdr) > end)
			return false;
		check = (void *)ports + offsetof(struct tcphdr, check);
	} else {
		if ((void *)ports + sizeof(struct udphdr) > end)
			return false;
		check = (void *)ports + offsetof(struct udphdr, check);
	}
	if (v6) {
		struct ipv6hdr *ip = data + ETH_HLEN;

		__builtin_memcpy(source ? &ip->saddr : &ip->daddr, &n->to, sizeof(n->to));
	} else {
		struct iphdr *ip = data + ETH_HLEN;

		ip->check = csum_apply(ip->check, change);
		if (source)
			ip->saddr = n->to.v4;
		else
			ip->daddr = n->to.v4;
	}
	ports[source ? 0 : 1] = n->to_port;
	if (!check)
		return true;
	*check = csum_apply(*check, change + csum_of_port(nat_from_port(f, n), n->to_port));
	if (f->proto == IPPROTO_UDP && !*check)
		*check = 0xffff;
	return true;
}

#endif
