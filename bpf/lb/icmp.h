/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors in answer to a packet that cannot go on, from the
 * address it was for (the virtual one): icmp_send() and icmpv6_send() choose
 * that source too when the address is local. Built in place out of the packet
 * itself, in tc.
 */
#ifndef CULVERT_BPF_LB_ICMP_H
#define CULVERT_BPF_LB_ICMP_H

#include <linux/pkt_cls.h>

#include "../packet.h"
#include "frame_sum.h"

/* RFC 792, RFC 4443: linux/icmp.h wants the C library's headers, which BPF has not. */
#define ICMP_DEST_UNREACH 3
#define ICMP_HOST_UNREACH 1
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMP_TIME_EXCEEDED 11
#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_ADDR_UNREACH 3
#define ICMPV6_PORT_UNREACH 4
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_TIME_EXCEED 3

struct icmp_head {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 rest;	/* "fragmentation needed": the MTU in the low half; "too big": in the whole */
};

/* RFC 1812, 4.3.2.3: as much of the packet as fits in 576 bytes; RFC 4443, 2.4 (c): in 1280. */
#define ICMP_WHOLE 576
#define ICMPV6_WHOLE 1280

struct icmp_error {
	__u8 type;
	__u8 code;
	__u32 mtu;	/* of "fragmentation needed" and "packet too big", else 0 */
};

static __always_inline struct icmp_error icmp_port_unreach(bool v6)
{
	return (struct icmp_error){ .type = v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH,
				    .code = v6 ? ICMPV6_PORT_UNREACH : ICMP_PORT_UNREACH };
}

/* No route to the real server: ipv4_link_failure(), ip6_link_failure(). */
static __always_inline struct icmp_error icmp_host_unreach(bool v6)
{
	return (struct icmp_error){ .type = v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH,
				    .code = v6 ? ICMPV6_ADDR_UNREACH : ICMP_HOST_UNREACH };
}

static __always_inline struct icmp_error icmp_ttl_exceeded(bool v6)
{
	return (struct icmp_error){ .type = v6 ? ICMPV6_TIME_EXCEED : ICMP_TIME_EXCEEDED };
}

static __always_inline struct icmp_error icmp_too_big(bool v6, __u32 mtu)
{
	return (struct icmp_error){ .type = v6 ? ICMPV6_PKT_TOOBIG : ICMP_DEST_UNREACH,
				    .code = v6 ? 0 : ICMP_FRAG_NEEDED, .mtu = mtu };
}

/*
 * As many errors as net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst allow by
 * default, per CPU: a thousand a second after a burst of fifty.
 */
#define ICMP_PER_TICK (1000 / CV_HZ)
#define ICMP_BURST 50

struct icmp_credit {
	__u32 tick;
	__u32 left;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_credit);
} icmp_credits SEC(".maps");

static __always_inline bool icmp_allowed(void)
{
	__u32 zero = 0, now = READ_ONCE(clock.now), passed;
	struct icmp_credit *credit = bpf_map_lookup_elem(&icmp_credits, &zero);

	if (!credit)
		return false;
	passed = now - credit->tick;
	credit->tick = now;
	if (passed > ICMP_BURST)
		credit->left = ICMP_BURST;
	else
		credit->left += passed * ICMP_PER_TICK;
	if (credit->left > ICMP_BURST)
		credit->left = ICMP_BURST;
	if (!credit->left)
		return false;
	credit->left--;
	return true;
}

struct icmp4_head {
	struct iphdr ip;
	struct icmp_head icmp;
};

struct icmp6_head {
	struct ipv6hdr ip;
	struct icmp_head icmp;
};

static __always_inline int icmp4_write(struct __sk_buff *skb, const struct flow *f, const struct icmp_error *e,
				       __u32 quoted)
{
	struct icmp4_head h = {};
	__u32 at = ETH_HLEN + sizeof(h.ip);

	h.ip.version = 4;
	h.ip.ihl = 5;
	h.ip.tos = (f->tos & 0x1e) | 0xc0;	/* icmp_send(): precedence internetwork control */
	h.ip.id = (__u16)bpf_get_prandom_u32();
	h.ip.tot_len = bpf_htons(sizeof(h) + quoted);
	h.ip.ttl = 64;
	h.ip.protocol = IPPROTO_ICMP;
	h.ip.saddr = f->daddr.v4;
	h.ip.daddr = f->saddr.v4;
	h.ip.check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&h.ip, sizeof(h.ip), 0));
	h.icmp.type = e->type;
	h.icmp.code = e->code;
	h.icmp.rest = bpf_htonl(e->mtu);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
		return -1;
	h.icmp.checksum = csum_fold(frame_sum(skb, at, at + sizeof(h.icmp) + quoted, 0));
	return bpf_skb_store_bytes(skb, at + offsetof(struct icmp_head, checksum), &h.icmp.checksum, 2, 0);
}

static __always_inline int icmp6_write(struct __sk_buff *skb, const struct flow *f, const struct icmp_error *e,
				       __u32 quoted)
{
	struct icmp6_head h = {};
	__u32 at = ETH_HLEN + sizeof(h.ip), sum;
	struct {
		union cv_addr saddr, daddr;
		__be32 len, proto;
	} pseudo = {};

	h.ip.version = 6;
	h.ip.payload_len = bpf_htons(sizeof(h.icmp) + quoted);
	h.ip.nexthdr = IPPROTO_ICMPV6;
	h.ip.hop_limit = 64;
	__builtin_memcpy(&h.ip.saddr, &f->daddr, sizeof(f->daddr));
	__builtin_memcpy(&h.ip.daddr, &f->saddr, sizeof(f->saddr));
	h.icmp.type = e->type;
	h.icmp.code = e->code;
	h.icmp.rest = bpf_htonl(e->mtu);
	pseudo.saddr = f->daddr;
	pseudo.daddr = f->saddr;
	pseudo.len = bpf_htonl(sizeof(h.icmp) + quoted);
	pseudo.proto = bpf_htonl(IPPROTO_ICMPV6);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
		return -1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	h.icmp.checksum = csum_fold(frame_sum(skb, at, at + sizeof(h.icmp) + quoted, sum));
	return bpf_skb_store_bytes(skb, at + offsetof(struct icmp_head, checksum), &h.icmp.checksum, 2, 0);
}

/* The packet becomes an error about itself, still without a link layer to go by. */
static __noinline int icmp_make(struct __sk_buff *skb, struct flow *f, const struct icmp_error *e)
{
	__u32 head, whole, quoted;

	if (!f || !e)
		return -1;
	head = f->v6 ? sizeof(struct icmp6_head) : sizeof(struct icmp4_head);
	whole = f->v6 ? ICMPV6_WHOLE : ICMP_WHOLE;
	quoted = f->len;
	if (quoted > whole - head)
		quoted = whole - head;
	if (bpf_skb_change_tail(skb, ETH_HLEN + quoted, 0) ||
	    bpf_skb_adjust_room(skb, head, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return f->v6 ? icmp6_write(skb, f, e, quoted) : icmp4_write(skb, f, e, quoted);
}

#endif
