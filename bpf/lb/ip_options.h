/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv4 options. Most mean nothing to a load balancer; a source route, and what
 * ip_options_compile() makes no sense of, are for the stack to refuse, as it
 * does before IPVS sees the packet.
 */
#ifndef CULVERT_BPF_LB_IP_OPTIONS_H
#define CULVERT_BPF_LB_IP_OPTIONS_H

#include "../packet.h"

/* Bytes of options: RFC 791, 3.1 */
#define IPOPT_MOST 40

static __always_inline bool has_ip_options(const struct flow *f)
{
	return !f->v6 && f->l4 > ETH_HLEN + sizeof(struct iphdr);
}

static __noinline bool options_for_stack(struct __sk_buff *skb, const struct flow *f)
{
	__u8 options[IPOPT_MOST] = {};
	__u32 len, next = 0;

	if (!f)
		return true;
	len = bounded(f->l4 - ETH_HLEN - sizeof(struct iphdr) - 1, 63) + 1;
	if (len > sizeof(options) || bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), options, len))
		return true;
	for (__u32 at = 0; at < IPOPT_MOST - 1; at++) {
		if (at < next)
			continue;
		if (at >= len || options[at] == IPOPT_EOL)
			return false;
		if (options[at] == IPOPT_LSRR || options[at] == IPOPT_SSRR)
			return true;
		if (options[at] == IPOPT_NOP)
			continue;
		if (options[at + 1] < 2 || at + options[at + 1] > len)
			return true;
		next = at + options[at + 1];
	}
	return false;
}

#endif
