/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The template of the generator's packets, and the options that describe them. */
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#include "pump.h"

/* Sum of a header's 16-bit words, big endian; `len` is even. */
static uint32_t sum_words(const void *at, size_t len)
{
	const uint8_t *b = at;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += b[i] << 8 | b[i + 1];
	return sum;
}

static void put_ipv4(struct traffic *t, const struct target *to, struct iphdr *ip, size_t len)
{
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons(len),
		.frag_off = htons(0x4000), /* DF */
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};
	t->ip_sum = sum_words(ip, sizeof(*ip));
	t->vip = ntohl(to->vip.s6_addr32[0]);
}

static void put_ipv6(struct traffic *t, const struct target *to, struct ipv6hdr *ip, size_t len)
{
	struct in6_addr client;

	*ip = (struct ipv6hdr){
		.version = 6,
		.payload_len = htons(len - sizeof(*ip)),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = 64,
	};
	inet_pton(AF_INET6, "2001:db8:c::", &client);
	memcpy(t->reply ? &ip->daddr : &ip->saddr, &client, sizeof(client));
	memcpy(t->reply ? &ip->saddr : &ip->daddr, &to->vip, sizeof(to->vip));
	(t->reply ? &ip->saddr : &ip->daddr)->s6_addr32[3] = 0;
	t->vip = ntohl(to->vip.s6_addr32[3]);
}

void traffic_template(struct traffic *t, const struct target *to)
{
	struct ethhdr *eth = (struct ethhdr *)t->packet;
	uint8_t *l3 = t->packet + sizeof(*eth);
	struct tcphdr *tcp;
	size_t segment;

	t->family = to->family;
	t->frame = to->family == AF_INET6 ? FRAME6 : FRAME4;
	memcpy(eth->h_dest, to->dmac, 6);
	memcpy(eth->h_source, to->smac, 6);
	if (to->family == AF_INET6) {
		eth->h_proto = htons(ETH_P_IPV6);
		put_ipv6(t, to, (struct ipv6hdr *)l3, t->frame - sizeof(*eth));
		tcp = (struct tcphdr *)(l3 + sizeof(struct ipv6hdr));
	} else {
		eth->h_proto = htons(ETH_P_IP);
		put_ipv4(t, to, (struct iphdr *)l3, t->frame - sizeof(*eth));
		tcp = (struct tcphdr *)(l3 + sizeof(struct iphdr));
	}
	if (to->ethertype)
		eth->h_proto = htons(to->ethertype);

	*(t->reply ? &tcp->source : &tcp->dest) = htons(to->port);
	tcp->seq = htonl(1);
	tcp->doff = 5;
	((uint8_t *)tcp)[13] = to->tcp_flags;
	if (to->tcp_flags & TCP_ACK)
		tcp->ack_seq = htonl(1);
	tcp->window = htons(512);

	segment = t->packet + t->frame - (uint8_t *)tcp;
	t->l4_sum = sum_words(tcp, segment) + IPPROTO_TCP + segment;
	if (to->family == AF_INET6) /* the constant parts of the addresses */
		t->l4_sum += sum_words(l3 + offsetof(struct ipv6hdr, saddr), 32);
}

bool traffic_option(struct traffic_options *o, int option, const char *value)
{
	switch (option) {
	case 'f':
		o->traffic.flows = number(value, UINT32_MAX);
		return true;
	case 's':
		o->traffic.services = number(value, 1 << 24);
		return true;
	case 'F':
		o->traffic.flood = strtod(value, NULL) * 65536;
		return true;
	case 'v':
		o->to.family = address(value, &o->to.vip);
		return true;
	case 'P':
		o->to.port = number(value, UINT16_MAX);
		return true;
	case 'd':
		mac(value, o->to.dmac);
		return true;
	case 'm':
		mac(value, o->to.smac);
		return true;
	case 'k':
		o->traffic.key = number(value, UINT32_MAX);
		return true;
	case 'c':
		o->cpu = number(value, 4096);
		return true;
	case 'S':
		o->to.tcp_flags = TCP_SYN;
		return true;
	case 'i':
		o->traffic.order = ORDER_INDEX;
		return true;
	case 'R':
		o->traffic.reply = true;
		return true;
	case 'N':
		o->to.ethertype = 0x88b5; /* IEEE 802: local experiments */
		return true;
	}
	return false;
}
