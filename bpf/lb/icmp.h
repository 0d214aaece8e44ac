/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors in answer to a packet that cannot go on, from the
 * address it was for (the virtual one): icmp_send() and icmpv6_send() choose
 * that source too when the address is local. Built in memory (whole.h) and written
 * over the packet itself, in tc.
 */
#ifndef CULVERT_BPF_LB_ICMP_H
#define CULVERT_BPF_LB_ICMP_H

#include <linux/pkt_cls.h>

#include "../packet.h"
#include "whole.h"

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
	__be32 rest; /* "fragmentation needed": the MTU in the low half; "too big": in the whole */
};

/* RFC 1812, 4.3.2.3: as much of the packet as fits in 576 bytes; RFC 4443, 2.4 (c): in 1280. */
#define ICMP_WHOLE 576
#define ICMPV6_WHOLE 1280

struct icmp_error {
	__u8 type;
	__u8 code;
	bool whole;  /* about what is in memory, not what is in the frame */
	bool router; /* from the director's own address, not from the one that the packet was for */
	__u32 mtu;   /* of "fragmentation needed" and "packet too big", else 0 */
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
				    .code = v6 ? 0 : ICMP_FRAG_NEEDED,
				    .mtu = mtu };
}

/*
 * As many errors as net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst allow by
 * default, per CPU: a thousand a second after a burst of fifty. Those by which a
 * sender learns the way's MTU are not limited (icmpv4_mask_allow(), icmpv6_mask_allow()).
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

static __always_inline bool icmp_allowed(const struct icmp_error *e)
{
	__u32 zero = 0, now = READ_ONCE(clock.now), passed;
	struct icmp_credit *credit;

	if (e->mtu)
		return true;
	credit = bpf_map_lookup_elem(&icmp_credits, &zero);
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

static __always_inline void icmp4_write(struct whole *w, const struct flow *f,
					const struct icmp_error *e)
{
	struct icmp4_head *h = (void *)whole_at(w, 0);

	__builtin_memset(h, 0, sizeof(*h));
	h->ip.version = 4;
	h->ip.ihl = 5;
	h->ip.tos = (f->tos & 0x1e) | 0xc0; /* icmp_send(): precedence internetwork control */
	h->ip.id = (__u16)bpf_get_prandom_u32();
	h->ip.tot_len = bpf_htons(w->len);
	h->ip.ttl = 64;
	h->ip.protocol = IPPROTO_ICMP;
	h->ip.saddr = f->daddr.v4;
	h->ip.daddr = f->saddr.v4;
	h->ip.check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&h->ip, sizeof(h->ip), 0));
	h->icmp.type = e->type;
	h->icmp.code = e->code;
	h->icmp.rest = bpf_htonl(e->mtu);
	h->icmp.checksum = csum_fold(whole_sum(w, sizeof(h->ip), w->len, 0));
}

static __always_inline void icmp6_write(struct whole *w, const struct flow *f,
					const struct icmp_error *e)
{
	struct icmp6_head *h = (void *)whole_at(w, 0);
	__u32 sum;

	__builtin_memset(h, 0, sizeof(*h));
	h->ip.version = 6;
	h->ip.payload_len = bpf_htons(w->len - sizeof(h->ip));
	h->ip.nexthdr = IPPROTO_ICMPV6;
	h->ip.hop_limit = 64;
	__builtin_memcpy(&h->ip.saddr, &f->daddr, sizeof(f->daddr));
	__builtin_memcpy(&h->ip.daddr, &f->saddr, sizeof(f->saddr));
	h->icmp.type = e->type;
	h->icmp.code = e->code;
	h->icmp.rest = bpf_htonl(e->mtu);
	sum = bpf_htons(IPPROTO_ICMPV6) + bpf_htons(w->len - sizeof(h->ip));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&h->ip.saddr, 2 * sizeof(f->saddr), sum);
	h->icmp.checksum = csum_fold(whole_sum(w, sizeof(h->ip), w->len, sum));
}

/* The frame becomes an error about the packet in memory, still without a link layer to go by. */
GLOBAL int icmp_write(struct __sk_buff *skb, struct flow *f, const struct icmp_error *e,
		      struct whole *w)
{
	__u32 head, most, len;

	if (!f || !e || !w)
		return -1;
	head = f->v6 ? sizeof(struct icmp6_head) : sizeof(struct icmp4_head);
	most = (f->v6 ? ICMPV6_WHOLE : ICMP_WHOLE) - head;
	len = head + (w->len < most ? w->len : most);
	w->start = WHOLE_ROOM - head;
	w->len = len;
	if (f->v6)
		icmp6_write(w, f, e);
	else
		icmp4_write(w, f, e);
	len = bounded(len - 1, 2047) + 1;
	if (frame_blank(skb, f->v6) || bpf_skb_change_tail(skb, ETH_HLEN + len, 0))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, whole_at(w, 0), len, 0);
}

/* The packet becomes an error about itself. */
GLOBAL int icmp_make(struct __sk_buff *skb, struct flow *f, const struct icmp_error *e)
{
	struct whole *w = whole_mine();

	if (!f || !e || !w)
		return -1;
	if (!e->whole &&
	    whole_load(skb, w, ETH_HLEN, f->len < ICMPV6_WHOLE ? f->len : ICMPV6_WHOLE))
		return -1;
	return icmp_write(skb, f, e, w);
}

#endif
