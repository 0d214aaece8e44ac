/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether anybody on the host looks at a packet cannot be seen on this kernel: see bare.h. */
#ifndef CULVERT_BPF_IPVLAN_BARE_H
#define CULVERT_BPF_IPVLAN_BARE_H

#include "frame.h"

static __always_inline bool host_is_bare(struct __sk_buff *skb, __u32 family)
{
	return false;
}

#endif
