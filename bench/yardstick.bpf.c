// SPDX-License-Identifier: GPL-2.0-only
/*
 * A yardstick: the well-known shape of an XDP load balancer, of our own making.
 * Parse; find the virtual service in a hash map; find the flow in this CPU's
 * LRU hash map; else take the server from the service's consistent-hash ring
 * and remember it; count per CPU; send directly or in an IPv4 tunnel. It has no
 * TCP states, no timeouts, no fragments, no errors to answer, no neighbours:
 * what a complete one adds, it would have to pay for on top.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "yardstick.h"

const volatile __u32 to_ifindex;
const volatile __u32 tunnel; /* IP in IP, else only the MAC addresses change */
const volatile __u32 tunnel_saddr;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct yard_vip);
	__type(value, __u32);
} vips SEC(".maps");

struct yard_lru {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024); /* bench/yardstick.c sets it */
	__type(key, struct yard_flow);
	__type(value, __u32);
} lru0 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, YARD_CPUS);
	__type(key, __u32);
	__array(values, struct yard_lru);
} flows_of_cpu SEC(".maps") = { .values = { &lru0 } };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, YARD_RING);
	__type(key, __u32);
	__type(value, __u32);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, YARD_SERVERS);
	__type(key, __u32);
	__type(value, struct yard_server);
} servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, struct yard_bytes);
} traffic_of_vip SEC(".maps");

static __always_inline int parse(struct xdp_md *ctx, struct yard_flow *f, __u8 *tcp_flags)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct tcphdr *tcp;

	if ((void *)(eth + 1) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
			return -1;
		f->src[0] = ip->saddr;
		f->dst[0] = ip->daddr;
		f->proto = ip->protocol;
		tcp = (void *)(ip + 1);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return -1;
		__builtin_memcpy(f->src, &ip->saddr, 16);
		__builtin_memcpy(f->dst, &ip->daddr, 16);
		f->proto = ip->nexthdr;
		tcp = (void *)(ip + 1);
	} else {
		return -1;
	}
	if (f->proto != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return -1;
	f->sport = tcp->source;
	f->dport = tcp->dest;
	*tcp_flags = ((__u8 *)tcp)[13];
	return 0;
}

static __always_inline __u32 hash_client(const struct yard_flow *f)
{
	__u64 h = 0x9e3779b97f4a7c15ULL;

	for (int i = 0; i < 4; i++)
		h = (h ^ f->src[i]) * 0xff51afd7ed558ccdULL;
	h = (h ^ f->sport) * 0xc4ceb9fe1a85ec53ULL;
	return h >> 32;
}

/* The server of a flow: remembered by this CPU, or the ring's. */
static __always_inline struct yard_server *server_of(const struct yard_flow *f, bool syn)
{
	__u32 cpu = bpf_get_smp_processor_id(), place, server;
	void *lru = bpf_map_lookup_elem(&flows_of_cpu, &cpu);
	__u32 *known = NULL;

	if (!lru)
		lru = &lru0;
	if (!syn)
		known = bpf_map_lookup_elem(lru, f);
	if (!known) {
		place = hash_client(f) % YARD_RING;
		known = bpf_map_lookup_elem(&ring, &place);
		if (!known)
			return NULL;
		server = *known;
		bpf_map_update_elem(lru, f, &server, BPF_ANY);
	} else {
		server = *known;
	}
	return bpf_map_lookup_elem(&servers, &server);
}

static __always_inline int send(struct xdp_md *ctx, const struct yard_server *s)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth->h_dest, s->dmac, 6);
	__builtin_memcpy(eth->h_source, s->smac, 6);
	return bpf_redirect(to_ifindex, 0);
}

static __always_inline __u16 ip_csum(const struct iphdr *ip)
{
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += ((const __u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static __always_inline int send_tunnelled(struct xdp_md *ctx, const struct yard_server *s,
					  __u16 inner, bool v6)
{
	struct ethhdr *eth;
	struct iphdr *ip;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	eth->h_proto = bpf_htons(ETH_P_IP);
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(inner + sizeof(*ip)),
		.ttl = 64,
		.protocol = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
		.saddr = tunnel_saddr,
		.daddr = s->addr,
	};
	ip->check = ip_csum(ip);
	return send(ctx, s);
}

SEC("xdp")
int yardstick(struct xdp_md *ctx)
{
	struct yard_flow f = {};
	struct yard_vip vip = {};
	struct yard_bytes *bytes;
	struct yard_server *s;
	__u8 tcp_flags = 0;
	__u32 *service;
	long len;

	if (parse(ctx, &f, &tcp_flags))
		return XDP_PASS;
	__builtin_memcpy(vip.addr, f.dst, 16);
	vip.port = f.dport;
	vip.proto = f.proto;
	service = bpf_map_lookup_elem(&vips, &vip);
	if (!service)
		return XDP_PASS;
	s = server_of(&f, tcp_flags & 2);
	if (!s)
		return XDP_DROP;
	len = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	bytes = bpf_map_lookup_elem(&traffic_of_vip, service);
	if (bytes) {
		bytes->packets++;
		bytes->bytes += len;
	}
	return tunnel ? send_tunnelled(ctx, s, len - sizeof(struct ethhdr), f.dst[3] != 0) :
			send(ctx, s);
}

char LICENSE[] SEC("license") = "GPL";
