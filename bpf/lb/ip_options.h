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

struct option_walk {
	__u8 options[IPOPT_MOST + 1];
	__u8 at;
	__u8 len;
	bool refused;
};

/* One option. A loop of the verifier's own is proved for every way that 40 bytes can be read: 800,000 instructions. */
static long option_next(__u32 round, void *arg)
{
	struct option_walk *w = arg;
	__u32 at = w->at, size;

	if (at >= w->len || at >= IPOPT_MOST || w->options[at] == IPOPT_EOL)
		return 1;
	if (w->options[at] == IPOPT_NOP) {
		w->at = at + 1;
		return 0;
	}
	size = w->options[at + 1];
	w->refused = w->options[at] == IPOPT_LSRR || w->options[at] == IPOPT_SSRR || size < 2 ||
		     at + size > w->len;
	w->at = at + size;
	return w->refused;
}

static __noinline bool options_for_stack(struct __sk_buff *skb, const struct flow *f)
{
	struct option_walk w = {};
	__u32 len;

	if (!f)
		return true;
	len = bounded(f->l4 - ETH_HLEN - sizeof(struct iphdr) - 1, 63) + 1;
	if (len > IPOPT_MOST ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), w.options, len))
		return true;
	w.len = len;
	bpf_loop(IPOPT_MOST, option_next, &w, 0);
	return w.refused;
}

#endif
