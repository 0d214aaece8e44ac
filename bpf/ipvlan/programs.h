/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of ipvlan, one per hook: wiring only. */
#ifndef CULVERT_BPF_IPVLAN_PROGRAMS_H
#define CULVERT_BPF_IPVLAN_PROGRAMS_H

#include "master.h"

/*
 * Where a program runs: on which master or slave. Devices that the map does not
 * know (any longer) are left alone if they are masters and shut if they are slaves.
 */
static __always_inline struct cv_ipv_port *port_of(struct __sk_buff *skb, enum cv_ipv_kind kind)
{
	__u32 ifindex = skb->ifindex;
	struct cv_ipv_port *port = bpf_map_lookup_elem(&ports, &ifindex);

	return port && port->kind == kind ? port : NULL;
}

SEC("tc")
int master_in(struct __sk_buff *skb)
{
	struct cv_ipv_port *port = port_of(skb, CV_IPV_IS_MASTER);

	return port ? master_input(skb, port->index) : TC_ACT_UNSPEC;
}

SEC("tc")
int master_out(struct __sk_buff *skb)
{
	struct cv_ipv_port *port = port_of(skb, CV_IPV_IS_MASTER);

	return port ? master_output(skb, port->index) : TC_ACT_UNSPEC;
}

SEC("tc")
int slave_out(struct __sk_buff *skb)
{
	struct cv_ipv_port *port = port_of(skb, CV_IPV_IS_SLAVE);

	return port ? slave_output(skb, port->index) : TC_ACT_SHOT;
}

SEC("tc")
int slave_in(struct __sk_buff *skb)
{
	struct cv_ipv_port *port = port_of(skb, CV_IPV_IS_SLAVE);

	return port ? slave_input(skb, port->index) : TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";

#endif
