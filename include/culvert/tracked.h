/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a packet of a connection that the kernel's conntrack masquerades
 * (net.ipv4.vs.conntrack) says to the host's netfilter which real server is its:
 * by skb->priority, which is 0 in what comes in and which nftables can read; or,
 * where the packet comes in once more by culvert0, which takes the priority
 * off, by its Ethernet source address.
 */
#ifndef CULVERT_TRACKED_H
#define CULVERT_TRACKED_H

#include "types.h"

#define CV_TRACKED_PREFIX 0xc5000000U
#define CV_TRACKED_MASK 0xff000000U
#define CV_TRACKED_OWN_PORT 0x00400000U /* the packet keeps its port */
#define CV_TRACKED_DEST 0x003fffffU	/* index of the destination */

/*
 * The first two bytes of that source address, which no other frame of culvert0's has (CV_CULVERT0_MAC);
 * the value stands behind, in network byte order.
 */
#define CV_TRACKED_MAC     \
	{                  \
		0x06, 0x63 \
	}

#endif
