/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the generator's two halves share: the packet it sends, and how a flow's
 * number becomes a client's address and port.
 *
 * A flow is a 32-bit number below `flows`. mix32() turns it into a client:
 * bijective, so no two flows share one, and keyed, so that no hash in the path
 * under test meets its own structure. 18 bits go to the address and 14 to the port.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <linux/types.h>

#define FRAME4 64 /* bytes handed to the device: Ethernet, IPv4, TCP, 10 of payload */
#define FRAME6 80 /* the same with IPv6's larger header, padded to whole words */
#define FRAME_MAX 80

#define CLIENT_PORT_BITS 14
#define CLIENT_PORT_BASE 1024
#define CLIENT_NET4 0x0a000000U /* 10.0.0.0/14: live flows */
#define FLOOD_NET4 0x10000000U	/* 16.0.0.0/4: the flood's random sources */

enum order {
	ORDER_RANDOM, /* any of the flows, each time anew */
	ORDER_INDEX,  /* one after the other: to open them */
};

/* What the sink tells apart. */
enum traffic_class { CLASS_LIVE, CLASS_FLOOD, CLASS_OTHER, CLASSES };

/* The generator's orders: fixed when it is loaded, constants to the JIT. */
struct traffic {
	__u32 flows;
	__u32 services; /* virtual addresses in use, counted up from the template's */
	__u32 key;	/* of mix32() */
	__u32 flood;	/* share of flood packets, in 1/65536 */
	__u32 order;	/* enum order */
	__u32 frame;	/* bytes */
	__u32 family;	/* AF_INET or AF_INET6 */
	__u32 reply;	/* answers: from the address above to the clients */
	__u32 ip_sum;	/* folded sum of the template's IPv4 header without its addresses */
	__u32 l4_sum;	/* ... of pseudo header and segment without addresses and client port */
	__u32 vip;	/* last word of the virtual address, host byte order */
	__u8 packet[FRAME_MAX];
};

/* A bijection on 32 bits: odd multipliers and xor-shifts. */
static inline __u32 mix32(__u32 x, __u32 key)
{
	x ^= key;
	x *= 0x9e3779b1U;
	x ^= x >> 15;
	x *= 0x85ebca6bU;
	x ^= x >> 13;
	return x;
}

#endif
