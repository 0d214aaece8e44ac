/* SPDX-License-Identifier: GPL-2.0-only */
/* Maps of the yardstick: what bench/yardstick.c fills and the program reads. */
#ifndef BENCH_YARDSTICK_H
#define BENCH_YARDSTICK_H

#include <linux/types.h>

#define YARD_RING 65537 /* places of a service's ring: a prime, as Maglev wants */
#define YARD_CPUS 128
#define YARD_SERVERS 4096

struct yard_vip {
	__be32 addr[4]; /* IPv4 in the first word */
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct yard_flow {
	__be32 src[4], dst[4];
	__be16 sport, dport;
	__u8 proto;
	__u8 pad[3];
};

struct yard_server {
	__be32 addr; /* of the tunnel's far end */
	__u8 dmac[6];
	__u8 smac[6];
};

struct yard_bytes {
	__u64 packets, bytes;
};

#endif
