// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mutate.h"
#include "world.h"

uint32_t mutate_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

/* ---- well-formed ------------------------------------------------------------------------ */

#define BASES 512
#define BASE_MAX 1514
static struct frame bases[BASES];

static uint32_t pick(uint64_t *r, uint32_t n)
{
	return mutate_random(r) % n;
}

static void random_transport(uint64_t *r, struct packet *p)
{
	static const uint16_t ports[] = { PORT_DR,	   PORT_DR,   PORT_UDP, PORT_MASQ,
					  PORT_MASQ,	   PORT_IPIP, PORT_GUE, PORT_GRE,
					  PORT_PERSISTENT, PORT_ONCE, 81,	21 };
	static const uint8_t flags[] = { SYN,	    ACK, ACK,	    SYN | ACK,
					 FIN | ACK, RST, ACK | PSH, SYN | FIN };
	static const uint8_t protos[] = { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_IPIP,
					  IPPROTO_IPV6, IPPROTO_GRE,	IPPROTO_ESP,  IPPROTO_AH };

	p->dport = ports[pick(r, sizeof(ports) / sizeof(ports[0]))];
	p->sport = (uint16_t)(3000 + pick(r, 12));
	p->flags = flags[pick(r, sizeof(flags))];
	if (p->dport == PORT_UDP || p->dport == PORT_ONCE)
		p->proto = IPPROTO_UDP;
	if (!pick(r, 16))
		p->proto = protos[pick(r, sizeof(protos))];
}

static void random_addresses(uint64_t *r, struct packet *p)
{
	static const char *const clients[2][4] = {
		{ "10.0.0.2", "10.0.0.7", "172.16.0.9", "127.0.0.1" },
		{ "fd00::2", "fd00::7", "2001:db8::9", "ff02::1" }
	};
	const char *client = clients[p->v6][pick(r, 16) ? pick(r, 3) : 3];

	p->src = client;
	if (!pick(r, 6)) { /* a real server's answer */
		uint16_t port = p->dport;

		p->src = server_addr(1 + pick(r, MUTATE_MASQ), p->v6);
		p->dst = client;
		p->dport = p->sport;
		p->sport = port;
	} else if (!pick(r, 12)) {
		p->dst = p->v6 ? "2001:db8:9::1" : "198.51.100.7";
	} else if (!pick(r, 24)) {
		p->dst = server_addr(1 + pick(r, 5), p->v6);
	}
}

static struct packet random_packet(uint64_t *r)
{
	static const char *const chains[] = { "H",   "D", "R",	      "HRD", "L",  "LL",
					      "HDF", "F", "DDDDDDDD", "RF",  "FF", "N" };
	static const uint16_t fragments[] = { 0x2000, 0x2001, 1,      2,     0x20,
					      0x1fff, 0x3fff, 0x8000, 0x2003 };
	static const uint16_t sizes[] = { 0, 0, 0, 1, 7, 8, 63, 500, 1000, 1400 };
	struct packet p = { .v6 = pick(r, 2) };

	random_transport(r, &p);
	random_addresses(r, &p);
	p.payload = sizes[pick(r, sizeof(sizes) / sizeof(sizes[0]))];
	p.df = pick(r, 2);
	if (!pick(r, 10))
		p.ttl = pick(r, 2) ? 1 : TTL_ZERO;
	if (!pick(r, 8))
		p.frag = fragments[pick(r, sizeof(fragments) / sizeof(fragments[0]))];
	if (!pick(r, 8))
		p.options = (uint8_t)pick(r, 11);
	if (p.v6 && (p.frag || !pick(r, 6)))
		p.ext = p.frag ? "F" : chains[pick(r, sizeof(chains) / sizeof(chains[0]))];
	if (p.v6 && p.frag) /* its field has the offset in the high bits */
		p.frag = (uint16_t)(p.frag << 3 | p.frag >> 13);
	if (!pick(r, 32))
		p.vlan = (uint16_t)(1 + pick(r, 4000));
	if (!pick(r, 16))
		p.pad = (uint16_t)pick(r, 20);
	return p;
}

static const struct icmp_error errors[2][5] = {
	{ { 3, 3, 0 }, { 3, 4, 1280 }, { 11, 0, 0 }, { 12, 0, 0 }, { 3, 4, 0 } },
	{ { 1, 4, 0 }, { 2, 0, 1280 }, { 3, 0, 0 }, { 4, 0, 0 }, { 2, 0, 1 } },
};

void mutate_begin(void)
{
	uint64_t r = 1;

	for (unsigned int i = 0; i < BASES; i++) {
		struct packet p = random_packet(&r);

		frame_build(&bases[i], &p);
		if (!p.vlan && !pick(&r, 12))
			frame_error(&bases[i], errors[p.v6][pick(&r, 5)]);
		else if (!p.vlan && p.payload < 1000 && !pick(&r, 24))
			frame_tunnel(&bases[i], p.v6 ? "fd00::7" : CLIENT, p.v6 ? VIP6 : VIP);
		if (bases[i].len > BASE_MAX)
			bases[i].len = BASE_MAX;
	}
}

/* ---- damage ----------------------------------------------------------------------------- */

static void put16(struct frame *f, uint32_t at, uint16_t value)
{
	if (at + 2 > f->len)
		return;
	f->data[at] = (uint8_t)(value >> 8);
	f->data[at + 1] = (uint8_t)value;
}

/* Header bytes mostly, up to where a second header may begin. */
static uint32_t some_place(uint64_t *r, const struct frame *f)
{
	uint32_t span = pick(r, 8) ? 80 : f->len;

	return f->len <= 14 ? 0 : 12 + pick(r, (span < f->len ? span : f->len) - 12);
}

void mutate_damage(uint64_t *r, struct frame *f)
{
	static const uint16_t edges[] = { 0,	  1,	  2,	  7,	  8,	 19,	 20,
					  28,	  40,	  0x7f,	  0xff,	  0x100, 0x1fff, 0x2000,
					  0x4000, 0x7fff, 0x8000, 0xfff8, 0xffff };
	static const uint8_t lengths[] = {
		14, 14, 16, 18, 22, 24
	}; /* IHL; total length; payload length */
	uint32_t at = some_place(r, f), n;

	switch (pick(r, 10)) {
	case 0:
		f->data[at] ^= (uint8_t)(1U << pick(r, 8));
		break;
	case 1:
		f->data[at] = (uint8_t)mutate_random(r);
		break;
	case 2:
		put16(f, at, edges[pick(r, sizeof(edges) / sizeof(edges[0]))]);
		break;
	case 3: /* a length, off by a little */
		at = lengths[pick(r, sizeof(lengths))];
		put16(f, at, (uint16_t)((f->data[at] << 8 | f->data[at + 1]) + pick(r, 9) - 4));
		break;
	case 4: /* truncated */
		f->len = 14 + pick(r, f->len - 13);
		break;
	case 5: /* longer than it says */
		n = pick(r, 64);
		if (f->len + n <= BASE_MAX) {
			memset(f->data + f->len, 0xa5, n);
			f->len += n;
		}
		break;
	case 6: /* bytes taken out or doubled */
		n = 1 + pick(r, 8);
		if (at + n < f->len) {
			memmove(f->data + at, f->data + at + n, f->len - at - n);
			f->len -= n;
		}
		break;
	case 7:
		n = 1 + pick(r, 8);
		if (at + n < f->len && f->len + n <= BASE_MAX) {
			memmove(f->data + at + n, f->data + at, f->len - at);
			f->len += n;
		}
		break;
	case 8: { /* the rest is another packet's */
		const struct frame *other = &bases[pick(r, BASES)];

		if (at < other->len) {
			memcpy(f->data + at, other->data + at, other->len - at);
			f->len = other->len;
		}
		break;
	}
	default: /* another type: VLAN, QinQ, ARP, the other IP */
		put16(f, 12,
		      (uint16_t[]){ 0x8100, 0x88a8, 0x0806, 0x86dd, 0x0800, 0x8847 }[pick(r, 6)]);
	}
	if (f->len < 14)
		f->len = 14;
}

void mutate_packet(uint64_t seed, struct frame *f, uint32_t *mark)
{
	uint64_t r = seed * 0x9e3779b97f4a7c15ULL;
	const struct frame *base = &bases[pick(&r, BASES)];
	uint32_t hurt = pick(&r, 8);

	f->len = base->len;
	memcpy(f->data, base->data, base->len);
	/* Half are whole, so that there are connections to attack. */
	for (hurt = hurt < 4 ? 0 : hurt - 3; hurt; hurt--)
		mutate_damage(&r, f);
	*mark = pick(&r, 64) ? 0 : pick(&r, 3);
}

void mutate_rounds(void (*play_round)(uint64_t round), const uint64_t *sent_in, uint64_t quick,
		   uint64_t thorough)
{
	const char *one = getenv("CULVERT_SEED"), *many = getenv("CULVERT_STORM");
	uint64_t goal = many ? strtoull(many, NULL, 10) : getenv("CULVERT_LONG") ? thorough : quick;
	uint64_t round = one ? strtoull(one, NULL, 10) : (uint64_t)time(NULL) * 1000;

	do
		play_round(round++);
	while (!one && *sent_in < goal);
}
