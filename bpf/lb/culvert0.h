/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The third door: tc egress of culvert0, a device that leads nowhere. What is
 * routed there has crossed the host's PREROUTING and FORWARD or its OUTPUT, and
 * POSTROUTING: it may carry a firewall mark, and it may be the director's own.
 * What is not for a service goes back up the local stack, as if it had come in
 * by culvert0.
 */
#ifndef CULVERT_BPF_LB_CULVERT0_H
#define CULVERT_BPF_LB_CULVERT0_H

#include "tc.h"

/* Up the stack: where culvert0's packets are looked up the rules that lead to culvert0 do not hold. */
static __always_inline int culvert0_pass(struct __sk_buff *skb)
{
	if (skb->ifindex != settings.culvert0) /* it is on its way out; the loop ends here */
		return TC_ACT_SHOT;
	return tc_to_stack(skb);
}

static __always_inline int tc_culvert0_door(struct __sk_buff *skb)
{
	void *data, *end;
	struct flow f = {};
	enum parsed parsed;
	int rc;

	if (tunneled(skb))
		return tc_pass(CV_C_PASS_OTHER);
	rc = skb->ingress_ifindex ? live_routed(skb) : LIVE_NOT;
	if (rc != LIVE_NOT)
		return rc;
	bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	f.mark = skb->mark;
	parsed = parse_frame(data, end, &f, true);
	if (parsed == PARSE_FRAGMENT && cut_marked(skb))
		return cut_resume(skb, &f);
	if (skb->ingress_ifindex && f.len && data + ETH_HLEN <= end &&
	    increase_ttl(data, end, f.v6))
		f.ttl++;
	return tc_enter(skb, &f, parsed);
}

#endif
