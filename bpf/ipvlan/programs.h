/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs of ipvlan, one per hook: wiring only. */
#ifndef CULVERT_BPF_IPVLAN_PROGRAMS_H
#define CULVERT_BPF_IPVLAN_PROGRAMS_H

#include "master.h"

SEC("tc")
int master_in(struct __sk_buff *skb)
{
	return master_input(skb);
}

SEC("tc")
int master_out(struct __sk_buff *skb)
{
	return master_output(skb);
}

SEC("tc")
int slave_out(struct __sk_buff *skb)
{
	return slave_output(skb);
}

SEC("tc")
int slave_in(struct __sk_buff *skb)
{
	return slave_input(skb);
}

char _license[] SEC("license") = "GPL";

#endif
