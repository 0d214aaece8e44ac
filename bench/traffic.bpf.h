/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the generator's packets, in BPF: the template word by word, then what
 * makes the flow. For the program that sends them and for the stopwatch.
 */
#ifndef BENCH_TRAFFIC_BPF_H
#define BENCH_TRAFFIC_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "traffic.h"

#define AF_INET6 10
#define L3 14
#define IP4_CSUM (L3 + 10)
#define IP4_SADDR (L3 + 12)
#define IP4_DADDR (L3 + 16)
#define IP6_SADDR (L3 + 8)
#define IP6_DADDR (L3 + 24)
#define TCP_CSUM 16

const volatile struct traffic traffic;

/* One CPU runs one generator: plain state. */
__u64 sent;
__u64 flooded;
__u64 rng; /* set by the loader: not 0 */

static __always_inline __u32 random32(void)
{
	__u64 x = rng;

	/* xorshift64; its upper half is the better one. */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	rng = x;
	return x >> 32;
}

struct flow {
	__u32 saddr; /* last word of the client's address, host byte order */
	__u32 daddr; /* last word of the virtual address, host byte order */
	__u16 sport; /* host byte order */
};

static __always_inline void client_of(__u32 n, struct flow *f)
{
	__u32 who = mix32(n, traffic.key);

	f->saddr = CLIENT_NET4 | who >> CLIENT_PORT_BITS;
	f->sport = CLIENT_PORT_BASE + (who & ((1 << CLIENT_PORT_BITS) - 1));
	f->daddr = traffic.vip + (__u32)((__u64)(who * 0xc2b2ae35U) * traffic.services >> 32);
}

static __always_inline void stranger(__u32 random, struct flow *f)
{
	f->saddr = FLOOD_NET4 | random >> 4;
	f->sport = CLIENT_PORT_BASE + (random32() & 0x7fff);
	f->daddr = traffic.vip;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* Sums of host-order words are the host-order form of the checksum. */
static __always_inline __u32 halves(__u32 word)
{
	return (word >> 16) + (word & 0xffff);
}

#define PUT16(at, v) (*(__u16 *)(data + (at)) = bpf_htons(v))
#define PUT32(at, v) (*(__u32 *)(data + (at)) = bpf_htonl(v))

static __always_inline void write_frame(__u8 *data, const struct flow *f, bool flood)
{
	__u32 addrs = halves(f->saddr) + halves(f->daddr);
	const bool v6 = traffic.family == AF_INET6;
	const __u32 l4 = v6 ? L3 + 40 : L3 + 20;
	__u32 l4_sum = traffic.l4_sum + addrs + f->sport;

	for (int i = 0; i < FRAME4 / 8; i++)
		((__u64 *)data)[i] = ((const volatile __u64 *)traffic.packet)[i];
	if (v6)
		for (int i = FRAME4 / 8; i < FRAME6 / 8; i++)
			((__u64 *)data)[i] = ((const volatile __u64 *)traffic.packet)[i];
	if (v6) {
		PUT32(IP6_SADDR + 12, traffic.reply ? f->daddr : f->saddr);
		PUT32(IP6_DADDR + 12, traffic.reply ? f->saddr : f->daddr);
	} else {
		PUT32(IP4_SADDR, traffic.reply ? f->daddr : f->saddr);
		PUT32(IP4_DADDR, traffic.reply ? f->saddr : f->daddr);
		PUT16(IP4_CSUM, fold(traffic.ip_sum + addrs));
	}
	PUT16(traffic.reply ? l4 + 2 : l4, f->sport);
	if (flood) {
		data[l4 + 13] = 0x02; /* SYN where the template has ACK, 0x10 */
		l4_sum += 0xffff - 0x10 + 0x02;
	}
	PUT16(l4 + TCP_CSUM, fold(l4_sum));
}

static __always_inline bool next_frame(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	bool flood = false;
	struct flow f;
	__u32 random;

	if (data + (traffic.family == AF_INET6 ? FRAME6 : FRAME4) > end)
		return false;

	random = traffic.order == ORDER_RANDOM ? random32() : 0;
	if (traffic.flood)
		flood = (random32() & 0xffff) < traffic.flood;

	if (flood) {
		stranger(random, &f);
		flooded++;
	} else if (traffic.order == ORDER_RANDOM) {
		client_of((__u64)random * traffic.flows >> 32, &f);
	} else {
		client_of(sent, &f);
	}
	write_frame(data, &f, flood);
	sent++;
	return true;
}

#endif
