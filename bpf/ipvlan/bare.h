/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Would anything on the host, but its routes, have a say in a packet that it
 * forwards from this device? When nothing would, the host's stack need not be
 * crossed (straight.h). It is asked packet by packet, by following the kernel's
 * own structures, so that the first rule that somebody sets counts at once.
 *
 * In the way of a packet between the device's tc and another device's egress, in
 * this order (net/core/dev.c, net/ipv4/ip_forward.c, net/ipv6/ip6_output.c):
 *
 *	other programs and filters of tc	tcx_ingress, its miniq
 *	netfilter's ingress of the device	nf_hooks_ingress
 *	a bridge, bond or macvlan above it	rx_handler
 *	netfilter: prerouting, forward, postrouting	net->nf
 *	routes by rule: by port, and by mark	fib_rules_require_fldissect; skb->mark (straight.h)
 *	several next hops, chosen by port	multipath_hash_policy
 *	IPsec					policy_count, policy_default
 */
#ifndef CULVERT_BPF_IPVLAN_BARE_H
#define CULVERT_BPF_IPVLAN_BARE_H

#include <bpf/bpf_core_read.h>

#include "frame.h"

/* ---- what is asked of the kernel's types: by name, wherever they stand --------- */

#define KERNEL __attribute__((preserve_access_index))

struct nf_hook_entries;

struct netns_nf {
	struct nf_hook_entries *hooks_ipv4[5];
	struct nf_hook_entries *hooks_ipv6[5];
} KERNEL;

struct netns_xfrm {
	unsigned int policy_count[3]; /* in, out, forward; the kernel has three more */
	__u8 policy_default[3];
} KERNEL;

struct netns_ipv4 {
	unsigned int fib_rules_require_fldissect;
	__u8 sysctl_fib_multipath_hash_policy;
} KERNEL;

struct netns_sysctl_ipv6 {
	__u8 multipath_hash_policy;
} KERNEL;

struct netns_ipv6 {
	struct netns_sysctl_ipv6 sysctl;
	unsigned int fib6_rules_require_fldissect;
} KERNEL;

struct net {
	struct netns_ipv4 ipv4;
	struct netns_ipv6 ipv6;
	struct netns_nf nf;
	struct netns_xfrm xfrm;
} KERNEL;

typedef struct {
	struct net *net;
} KERNEL possible_net_t;

struct bpf_prog;
struct mini_Qdisc;

struct bpf_mprog_fp {
	struct bpf_prog *prog;
} KERNEL;

struct bpf_mprog_bundle {
	__u32 count;
} KERNEL;

struct bpf_mprog_entry {
	struct bpf_mprog_fp fp_items[2]; /* of 64 */
	struct bpf_mprog_bundle *parent;
} KERNEL;

struct tcx_entry {
	struct mini_Qdisc *miniq;
	struct bpf_mprog_bundle bundle;
} KERNEL;

struct net_device {
	possible_net_t nd_net;
	struct bpf_mprog_entry *tcx_ingress;
	struct nf_hook_entries *nf_hooks_ingress;
	void *rx_handler;
} KERNEL;

struct sk_buff {
	struct net_device *dev;
} KERNEL;

enum { HOOK_PREROUTING = 0, HOOK_FORWARD = 2, HOOK_POSTROUTING = 4 }; /* enum nf_inet_hooks */
enum {
	POLICY_OUT = 1,
	POLICY_FORWARD = 2,
	POLICY_BLOCK = 1
}; /* XFRM_POLICY_*, XFRM_USERPOLICY_BLOCK */

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

/* ---- the questions --------------------------------------------------------------- */

/* Are we the only program at the device's tc ingress? */
static __always_inline bool tc_is_ours(const struct net_device *dev)
{
	const struct bpf_mprog_entry *entry = dev->tcx_ingress;
	const struct tcx_entry *tcx;

	if (!entry || !entry->fp_items[0].prog || entry->fp_items[1].prog)
		return false;
	tcx = bpf_rdonly_cast((char *)entry->parent -
				      bpf_core_field_offset(struct tcx_entry, bundle),
			      bpf_core_type_id_kernel(struct tcx_entry));
	return !tcx->miniq;
}

static __always_inline bool netfilter_looks(const struct net_device *dev, const struct net *net,
					    __u32 family)
{
	if (!bpf_core_field_exists(net->nf))
		return false;
	if (bpf_core_field_exists(dev->nf_hooks_ingress) && dev->nf_hooks_ingress)
		return true;
	if (family == AF_INET)
		return net->nf.hooks_ipv4[HOOK_PREROUTING] || net->nf.hooks_ipv4[HOOK_FORWARD] ||
		       net->nf.hooks_ipv4[HOOK_POSTROUTING];
	return net->nf.hooks_ipv6[HOOK_PREROUTING] || net->nf.hooks_ipv6[HOOK_FORWARD] ||
	       net->nf.hooks_ipv6[HOOK_POSTROUTING];
}

/* Does a route depend on more of a packet than is given to bpf_fib_lookup()? */
static __always_inline bool routes_by_port(const struct net *net, __u32 family)
{
	if (family == AF_INET)
		return (bpf_core_field_exists(net->ipv4.fib_rules_require_fldissect) &&
			net->ipv4.fib_rules_require_fldissect) ||
		       (bpf_core_field_exists(net->ipv4.sysctl_fib_multipath_hash_policy) &&
			net->ipv4.sysctl_fib_multipath_hash_policy);
	return (bpf_core_field_exists(net->ipv6.fib6_rules_require_fldissect) &&
		net->ipv6.fib6_rules_require_fldissect) ||
	       net->ipv6.sysctl.multipath_hash_policy;
}

static __always_inline bool ipsec_looks(const struct net *net)
{
	if (!bpf_core_field_exists(net->xfrm))
		return false;
	return net->xfrm.policy_count[POLICY_OUT] || net->xfrm.policy_count[POLICY_FORWARD] ||
	       net->xfrm.policy_default[POLICY_OUT] == POLICY_BLOCK ||
	       net->xfrm.policy_default[POLICY_FORWARD] == POLICY_BLOCK;
}

static __always_inline bool host_is_bare(struct __sk_buff *skb, __u32 family)
{
	const struct sk_buff *kernel = bpf_cast_to_kern_ctx(skb);
	const struct net_device *dev = kernel->dev;
	const struct net *net = dev->nd_net.net;

	return tc_is_ours(dev) && !dev->rx_handler && !netfilter_looks(dev, net, family) &&
	       !routes_by_port(net, family) && !ipsec_looks(net);
}

#endif
