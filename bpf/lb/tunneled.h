/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net.ipv4.vs.ignore_tunneled: a packet of a protocol that is not balanced may be
 * a tunnel's, and then what this host takes out of it is not looked at either.
 * Where ip_vs_in() sets skb->ipvs_property, an uplink's door sets skb->tc_index,
 * which is the packet's through decapsulation and forwarding. It says whose word
 * that is: a packet that goes on into another namespace is looked at there.
 */
#ifndef CULVERT_BPF_LB_TUNNELED_H
#define CULVERT_BPF_LB_TUNNELED_H

#include "../maps.h"
#include "../packet.h"

static __always_inline __u16 tunneled_mark(void)
{
	return 0x8000 | geo.netns_cookie;
}

/* Has the packet come out of one that was marked? */
static __always_inline bool tunneled(const struct __sk_buff *skb)
{
	return unlikely(skb->tc_index == tunneled_mark()) && settings.ignore_tunneled;
}

/* All whose protocol says how their packets are balanced: ip_vs_proto_data_get() */
static __always_inline bool protocol_known(__u8 proto, bool v6)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || is_ipsec(proto, v6);
}

/* A packet, or a fragment, that is not balanced itself. */
static __noinline int tunneled_note(struct __sk_buff *skb, const struct flow *f)
{
	__u8 proto;

	if (!f)
		return 0;
	proto = f->proto;
	if (proto == IPPROTO_FRAGMENT && f->v6 &&
	    bpf_skb_load_bytes(skb, f->l4, &proto, sizeof(proto)))
		return 0;
	if (!protocol_known(proto, f->v6))
		skb->tc_index = tunneled_mark();
	return 0;
}

#endif
