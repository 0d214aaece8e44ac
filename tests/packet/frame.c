// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "world.h"

union cv_addr addr_of(const char *text, bool *v6)
{
	union cv_addr a = {};
	bool six = strchr(text, ':');

	if (inet_pton(six ? AF_INET6 : AF_INET, text, &a) != 1) {
		fprintf(stderr, "not an address: %s\n", text);
		abort();
	}
	if (v6)
		*v6 = six;
	return a;
}

/* ---- checksums (RFC 1071) ------------------------------------------------- */

static uint32_t sum(const void *bytes, size_t len, uint32_t more)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i += 2)
		more += (uint32_t)(b[i] << 8 | (i + 1 < len ? b[i + 1] : 0));
	return more;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

/* Of a transport header with its payload, behind an IPv4 or IPv6 header. */
static uint16_t transport_sum(const struct frame *f, uint32_t l4, uint8_t proto)
{
	const uint8_t *ip = f->data + ETH_LEN;
	uint32_t len = f->len - l4, s;

	s = *ip >> 4 == 4 ? sum(ip + 12, 8, 0) : sum(ip + 8, 32, 0);
	return fold(sum(f->data + l4, len, s + proto + len));
}

uint32_t crc32c(const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= b[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return htole32(~crc);
}

/* ---- building -------------------------------------------------------------- */

static void *append(struct frame *f, size_t size)
{
	uint8_t *at = f->data + f->len;

	if (f->len + size > FRAME_MAX)
		abort();
	memset(at, 0, size);
	f->len += (uint32_t)size;
	return at;
}

static void put_link(struct frame *f, const struct packet *p)
{
	struct ethhdr *eth = append(f, sizeof(*eth));
	uint16_t *tag;

	memcpy(eth->h_dest, p->dmac ? p->dmac : UP_MAC, ETH_ALEN);
	memcpy(eth->h_source, CLIENT_MAC, ETH_ALEN);
	eth->h_proto = htons(p->vlan ? ETH_P_8021Q : p->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (!p->vlan)
		return;
	tag = append(f, 2 * sizeof(*tag));
	tag[0] = htons(p->vlan);
	tag[1] = htons(p->v6 ? ETH_P_IPV6 : ETH_P_IP);
}

static void put_ipv4(struct frame *f, const struct packet *p, uint8_t proto, uint8_t ttl)
{
	struct iphdr *ip = append(f, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5 + p->options;
	ip->tos = p->tos;
	ip->id = htons(0x1234);
	ip->frag_off = htons(p->frag | (p->df ? 0x4000 : 0));
	ip->ttl = ttl;
	ip->protocol = proto;
	ip->saddr = addr_of(p->src ? p->src : CLIENT, NULL).v4;
	ip->daddr = addr_of(p->dst ? p->dst : VIP, NULL).v4;
	memset(append(f, 4U * p->options), 1, 4U * p->options); /* no operation */
}

/* Which extension header a letter stands for, and how many units of 8 bytes it has. */
static const struct {
	char letter;
	uint8_t type, units;
} extensions[] = {
	{ 'H', IPPROTO_HOPOPTS, 1 }, { 'R', IPPROTO_ROUTING, 1 },  { 'D', IPPROTO_DSTOPTS, 1 },
	{ 'L', IPPROTO_DSTOPTS, 9 }, { 'F', IPPROTO_FRAGMENT, 1 }, { 'N', IPPROTO_NONE, 0 },
};

static unsigned int extension(char letter)
{
	for (unsigned int i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		if (extensions[i].letter == letter)
			return i;
	}
	abort();
}

static void put_extensions(struct frame *f, const struct packet *p, uint8_t *next, uint8_t proto)
{
	for (const char *c = p->ext ? p->ext : ""; *c; c++) {
		unsigned int which = extension(*c), size = 8U * extensions[which].units;
		uint8_t *h = append(f, size);

		*next = extensions[which].type;
		if (!size)
			return;
		next = h;
		if (*c == 'F') {
			memcpy(h + 2, &(uint16_t){ htons(p->frag) }, 2);
			continue;
		}
		h[1] = extensions[which].units - 1;
		if (*c != 'R') { /* PadN over the rest */
			h[2] = 1;
			h[3] = (uint8_t)(size - 4);
		}
	}
	*next = proto;
}

static void put_ipv6(struct frame *f, const struct packet *p, uint8_t proto, uint8_t ttl)
{
	struct ipv6hdr *ip = append(f, sizeof(*ip));
	union cv_addr a;

	ip->version = 6;
	ip->priority = p->tos >> 4;
	ip->flow_lbl[0] = (uint8_t)(p->tos << 4);
	ip->hop_limit = ttl;
	a = addr_of(p->src ? p->src : CLIENT6, NULL);
	memcpy(&ip->saddr, &a, sizeof(a));
	a = addr_of(p->dst ? p->dst : VIP6, NULL);
	memcpy(&ip->daddr, &a, sizeof(a));
	put_extensions(f, p, &ip->nexthdr, proto);
}

static void put_payload(struct frame *f, const struct packet *p)
{
	uint8_t *bytes = append(f, p->payload);

	for (unsigned int i = 0; i < p->payload; i++)
		bytes[i] = p->text ? ((const uint8_t *)p->text)[i] : (uint8_t)(i * 7 + 1);
}

static const struct {
	const char *name;
	uint8_t type;
} chunks[] = {
	{ "DATA", 0 },	{ "INIT", 1 },	       { "INIT_ACK", 2 },
	{ "SACK", 3 },	{ "HEARTBEAT", 4 },    { "HEARTBEAT_ACK", 5 },
	{ "ABORT", 6 }, { "SHUTDOWN", 7 },     { "SHUTDOWN_ACK", 8 },
	{ "ERROR", 9 }, { "COOKIE_ECHO", 10 }, { "COOKIE_ACK", 11 },
	{ "ECNE", 12 }, { "CWR", 13 },	       { "SHUTDOWN_COMPLETE", 14 },
	{ "AUTH", 15 }, { "ASCONF", 0xc1 },
};

static void put_chunk(struct frame *f, const struct packet *p, const char *name, size_t len)
{
	uint32_t at = f->len;
	unsigned int i = 0;
	uint8_t *c;

	while (strncmp(chunks[i].name, name, len) != 0 || chunks[i].name[len]) {
		if (++i == sizeof(chunks) / sizeof(chunks[0])) {
			fprintf(stderr, "no such chunk: %s\n", name);
			abort();
		}
	}
	c = append(f, 4);
	c[0] = chunks[i].type;
	if (chunks[i].type == 0)
		put_payload(f, p);
	if (strncmp(name, "COOKIE_ECHO", 11) == 0)
		append(f, 7); /* the cookie, which is no multiple of four long */
	memcpy(c + 2, &(uint16_t){ htons((uint16_t)(f->len - at)) }, 2);
	append(f, (at - f->len) & 3);
}

static void put_sctp(struct frame *f, const struct packet *p, uint16_t sport, uint16_t dport)
{
	uint32_t l4 = f->len, sum;
	uint8_t *h = append(f, 12);

	memcpy(h, &sport, 2);
	memcpy(h + 2, &dport, 2);
	h[7] = 1; /* the tag */
	for (const char *c = p->chunks ? p->chunks : "INIT"; *c && strcmp(c, "NO_CHUNK") != 0;) {
		size_t len = strcspn(c, "+");

		put_chunk(f, p, c, len);
		c += len + (c[len] == '+');
	}
	sum = p->no_sum ? 0 : crc32c(f->data + l4, f->len - l4);
	memcpy(h + 8, &sum, sizeof(sum));
}

static void put_transport(struct frame *f, const struct packet *p, uint8_t proto)
{
	uint16_t sport = htons(p->sport ? p->sport : 40000),
		 dport = htons(p->dport ? p->dport : 80);
	uint32_t l4 = f->len;

	if (proto == IPPROTO_TCP) {
		struct tcphdr *tcp = append(f, sizeof(*tcp));

		tcp->source = sport;
		tcp->dest = dport;
		tcp->seq = htonl(1000);
		tcp->doff = 5;
		((uint8_t *)tcp)[13] = p->flags || p->no_flags ? p->flags : SYN;
		tcp->window = htons(8192);
		put_payload(f, p);
		tcp->check = transport_sum(f, l4, proto);
	} else if (proto == IPPROTO_UDP) {
		struct udphdr *udp = append(f, sizeof(*udp));

		udp->source = sport;
		udp->dest = dport;
		udp->len = htons((uint16_t)(sizeof(*udp) + p->payload));
		put_payload(f, p);
		udp->check = transport_sum(f, l4, proto);
		if (!udp->check) /* 0 would say that there is none (RFC 768) */
			udp->check = 0xffff;
	} else if (proto == IPPROTO_SCTP) {
		put_sctp(f, p, sport, dport);
	} else {
		memset(append(f, 8), proto, 8);
		put_payload(f, p);
	}
}

static void ipv4_checksum(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = fold(sum(ip, ip->ihl * 4U, 0));
}

static void put_lengths(struct frame *f, uint32_t l3, bool v6)
{
	if (v6) {
		struct ipv6hdr *ip = (void *)(f->data + l3);

		ip->payload_len = htons((uint16_t)(f->len - l3 - sizeof(*ip)));
	} else {
		struct iphdr *ip = (void *)(f->data + l3);

		ip->tot_len = htons((uint16_t)(f->len - l3));
		ipv4_checksum(ip);
	}
}

void frame_build(struct frame *f, const struct packet *p)
{
	uint8_t proto = p->proto ? p->proto : IPPROTO_TCP;
	uint8_t ttl = p->ttl == TTL_ZERO ? 0 : p->ttl ? (uint8_t)p->ttl : 64;
	uint32_t l3;

	f->len = 0;
	put_link(f, p);
	l3 = f->len;
	if (p->v6)
		put_ipv6(f, p, proto, ttl);
	else
		put_ipv4(f, p, proto, ttl);
	put_transport(f, p, proto);
	put_lengths(f, l3, p->v6);
	append(f, p->pad);
	f->len -= p->cut;
	for (unsigned int i = 0; i < sizeof(p->patch) / sizeof(p->patch[0]); i++) {
		if (p->patch[i].at || p->patch[i].value)
			f->data[l3 + p->patch[i].at] = p->patch[i].value;
	}
}

/* ---- what becomes of them -------------------------------------------------- */

static bool frame_v6(const struct frame *f)
{
	return f->data[ETH_LEN] >> 4 == 6;
}

void frame_routed(struct frame *f, const uint8_t *dmac, const uint8_t *smac)
{
	if (dmac)
		memcpy(f->data, dmac, ETH_ALEN);
	if (smac)
		memcpy(f->data + ETH_ALEN, smac, ETH_ALEN);
	if (frame_v6(f)) {
		((struct ipv6hdr *)(f->data + ETH_LEN))->hop_limit--;
	} else {
		struct iphdr *ip = (void *)(f->data + ETH_LEN);

		ip->ttl--;
		ipv4_checksum(ip);
	}
}

void frame_tunnel(struct frame *f, const char *src, const char *dst)
{
	struct frame inner = *f;
	bool v6, inner_v6 = frame_v6(f);
	union cv_addr s = addr_of(src, NULL), d = addr_of(dst, &v6);
	const uint8_t *ip = inner.data + ETH_LEN;
	uint8_t ttl = inner_v6 ? ip[7] : ip[8], proto = inner_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	f->len = ETH_LEN;
	f->data[12] = v6 ? 0x86 : 0x08;
	f->data[13] = v6 ? 0xdd : 0x00;
	if (v6) {
		struct ipv6hdr *outer = append(f, sizeof(*outer));

		*outer = (struct ipv6hdr){ .version = 6, .nexthdr = proto, .hop_limit = ttl };
		memcpy(&outer->saddr, &s, sizeof(s));
		memcpy(&outer->daddr, &d, sizeof(d));
	} else {
		struct iphdr *outer = append(f, sizeof(*outer));

		*outer = (struct iphdr){ .version = 4,
					 .ihl = 5,
					 .ttl = ttl,
					 .protocol = proto,
					 .frag_off = inner_v6 ? 0 : htons(0x4000),
					 .saddr = s.v4,
					 .daddr = d.v4 };
	}
	memcpy(append(f, inner.len - ETH_LEN), ip, inner.len - ETH_LEN);
	put_lengths(f, ETH_LEN, v6);
}

/* RFC 1812, 4.3.2.3 and RFC 4443, 2.4 (c): how long an error is at most. */
#define ERROR4_MAX 576
#define ERROR6_MAX 1280

static void error4(struct frame *f, const struct frame *about, struct icmp_error e)
{
	const struct iphdr *old = (const void *)(about->data + ETH_LEN);
	uint32_t quoted = ntohs(old->tot_len), room = ERROR4_MAX - sizeof(*old) - 8;
	struct iphdr *ip = append(f, sizeof(*ip));
	uint8_t *icmp = append(f, 8);

	if (quoted > room)
		quoted = room;
	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .tos = 0xc0 | (old->tos & 0x1e),
			      .ttl = 64,
			      .protocol = IPPROTO_ICMP,
			      .saddr = old->daddr,
			      .daddr = old->saddr };
	icmp[0] = e.type;
	icmp[1] = e.code;
	memcpy(icmp + 6, &(uint16_t){ htons(e.mtu) }, 2);
	memcpy(append(f, quoted), old, quoted);
	memcpy(icmp + 2, &(uint16_t){ fold(sum(icmp, 8 + quoted, 0)) }, 2);
	put_lengths(f, ETH_LEN, false);
}

static void error6(struct frame *f, const struct frame *about, struct icmp_error e)
{
	const struct ipv6hdr *old = (const void *)(about->data + ETH_LEN);
	uint32_t quoted = sizeof(*old) + ntohs(old->payload_len);
	uint32_t room = ERROR6_MAX - sizeof(*old) - 8;
	struct ipv6hdr *ip = append(f, sizeof(*ip));
	uint8_t *icmp = append(f, 8);

	if (quoted > room)
		quoted = room;
	ip->version = 6;
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = 64;
	ip->saddr = old->daddr;
	ip->daddr = old->saddr;
	icmp[0] = e.type;
	icmp[1] = e.code;
	memcpy(icmp + 6, &(uint16_t){ htons(e.mtu) }, 2);
	memcpy(append(f, quoted), old, quoted);
	memcpy(icmp + 2, &(uint16_t){ transport_sum(f, f->len - quoted - 8, IPPROTO_ICMPV6) }, 2);
	put_lengths(f, ETH_LEN, true);
}

void frame_error(struct frame *f, struct icmp_error e)
{
	struct frame about = *f;

	f->len = ETH_LEN;
	if (frame_v6(&about))
		error6(f, &about, e);
	else
		error4(f, &about, e);
}

void frame_take_id(struct frame *f, const struct frame *from)
{
	if (frame_v6(f)) {
		if (f->data[ETH_LEN + 6] == IPPROTO_FRAGMENT &&
		    from->data[ETH_LEN + 6] == IPPROTO_FRAGMENT)
			memcpy(f->data + ETH_LEN + 44, from->data + ETH_LEN + 44, 4);
		return;
	}
	memcpy(f->data + ETH_LEN + 4, from->data + ETH_LEN + 4, 2);
	ipv4_checksum((void *)(f->data + ETH_LEN));
}

int frame_differs(const struct frame *a, const struct frame *b, uint32_t from)
{
	uint32_t shorter = a->len < b->len ? a->len : b->len;

	for (uint32_t i = from; i < shorter; i++) {
		if (a->data[i] != b->data[i])
			return (int)i;
	}
	return a->len == b->len ? -1 : (int)shorter;
}

void frame_print(const char *what, const struct frame *f)
{
	fprintf(stderr, "%s, %u bytes:", what, f->len);
	for (uint32_t i = 0; i < f->len && i < 192; i++)
		fprintf(stderr, "%s%02x", i % 32 ? " " : "\n\t", f->data[i]);
	fprintf(stderr, "%s\n", f->len > 192 ? " ..." : "");
}
