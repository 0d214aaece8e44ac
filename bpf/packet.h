/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame, parsed once. Every step checks its own bounds; what does not parse
 * is not culvert's and passes to the stack, which judges it.
 */
#ifndef CULVERT_BPF_PACKET_H
#define CULVERT_BPF_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "common.h"

#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* SCTP: of linux/sctp.h only the types would be of use. */
struct sctp_head {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__u32 checksum; /* CRC32c, the low byte first */
};

struct sctp_chunk {
	__u8 type;
	__u8 flags;
	__be16 length;
};

#define SCTP_HEAD (sizeof(struct sctp_head) + sizeof(struct sctp_chunk))

/* RFC 9260, 3.2 */
enum sctp_chunk_type {
	CHUNK_INIT = 1,
	CHUNK_INIT_ACK = 2,
	CHUNK_ABORT = 6,
	CHUNK_SHUTDOWN = 7,
	CHUNK_SHUTDOWN_ACK = 8,
	CHUNK_ERROR = 9,
	CHUNK_COOKIE_ECHO = 10,
	CHUNK_COOKIE_ACK = 11,
	CHUNK_SHUTDOWN_COMPLETE = 14,
};

/* What an SCTP packet means to the states: told by its first chunk. */
enum sctp_event {
	SCTP_DATA, /* all that none of the others is: SACK, HEARTBEAT, ... */
	SCTP_INIT,
	SCTP_INIT_ACK,
	SCTP_COOKIE_ECHO,
	SCTP_COOKIE_ACK,
	SCTP_SHUTDOWN,
	SCTP_SHUTDOWN_ACK,
	SCTP_SHUTDOWN_COMPLETE,
	SCTP_ERROR,
	SCTP_ABORT,
	SCTP_EVENTS,
	SCTP_BUNDLED_ABORT, /* an ABORT behind another chunk: opens what that one does */
	SCTP_NO_CHUNK,
};

/*
 * What a connection is looked for by. From the client: (caddr, cport) and
 * (vaddr, vport). An answer of a masq connection is looked for with `reply`:
 * its other end is the real server (daddr, dport).
 */
struct conn_key {
	union cv_addr caddr;
	union cv_addr addr; /* vaddr, or daddr of a reply */
	__be16 cport;
	__be16 port; /* vport, or dport of a reply */
	__u8 proto;
	bool v6;
	bool reply;
	bool template;
};

struct flow {
	union {
		struct conn_key key; /* of the connection, if the packet is a client's */
		struct {
			union cv_addr saddr;
			union cv_addr daddr;
			__be16 sport;
			__be16 dport;
			__u8 proto;
			bool v6;
			__u16 zero; /* key.reply, key.template */
		};
	};
	union {
		__u8 tcp_flags;
		__u8 sctp_event; /* enum sctp_event */
	};
	__u8 ttl; /* or hop limit */
	__u8 tos; /* or traffic class */
	bool df;  /* must not be fragmented: DF, and every IPv6 packet */
	__u16 l4; /* offset of the transport header from the frame's start */
	bool quoted; /* an ICMP error is about it (schedule_icmp): of TCP its ports are all that is known */
	__u32 len; /* bytes of the network layer */
	__u32 mark;
};

enum parsed {
	PARSED,	     /* TCP, UDP or SCTP, for decide() */
	PARSE_ICMP,  /* ICMP or ICMPv6: for relay_icmp() */
	PARSE_IPSEC, /* AH or ESP: for find_related() */
	PARSE_OTHER, /* not IP, or a protocol that culvert does not balance */
	PARSE_MALFORMED,
	PARSE_FRAGMENT,
	PARSE_HARD, /* options or extension headers, SCTP's control chunks: for the thorough parser in tc */
};

/*
 * Does the packet, by its own length, hold `size` bytes of the transport header?
 * What stands behind its end is Ethernet's padding.
 */
static __always_inline bool holds(const struct flow *f, __u32 size)
{
	return f->l4 - ETH_HLEN + size <= f->len;
}

/* (Not 16 bytes: the compiler would put those into a section of their own, which libbpf does not know.) */
static const __u8 sctp_events[CHUNK_SHUTDOWN_COMPLETE + 1] = {
	[CHUNK_INIT] = SCTP_INIT,
	[CHUNK_INIT_ACK] = SCTP_INIT_ACK,
	[CHUNK_ABORT] = SCTP_ABORT,
	[CHUNK_SHUTDOWN] = SCTP_SHUTDOWN,
	[CHUNK_SHUTDOWN_ACK] = SCTP_SHUTDOWN_ACK,
	[CHUNK_ERROR] = SCTP_ERROR,
	[CHUNK_COOKIE_ECHO] = SCTP_COOKIE_ECHO,
	[CHUNK_COOKIE_ACK] = SCTP_COOKIE_ACK,
	[CHUNK_SHUTDOWN_COMPLETE] = SCTP_SHUTDOWN_COMPLETE,
};

static __always_inline __u8 sctp_event_of(__u8 chunk)
{
	return chunk < sizeof(sctp_events) ? sctp_events[chunk] : SCTP_DATA;
}

/* The connection's, if the packet is an answer: as its server sent it (`reply`), or from the virtual address by now. */
static __always_inline void answer_key(const struct flow *f, bool reply, struct conn_key *k)
{
	*k = (struct conn_key){ .reply = reply };
	k->caddr = f->daddr;
	k->addr = f->saddr;
	k->cport = f->dport;
	k->port = f->sport;
	k->proto = f->proto;
	k->v6 = f->v6;
}

/*
 * It has no ports, so that its fragments need not wait for each other. IPv6's AH is
 * an extension header to IPVS, and so not a protocol that it balances.
 */
static __always_inline bool is_ipsec(__u8 proto, bool v6)
{
	return proto == IPPROTO_ESP || (proto == IPPROTO_AH && !v6);
}

/* XDP takes what only carries data: most of what there is. */
static __always_inline enum parsed parse_sctp(void *l4, void *end, struct flow *f, bool thorough)
{
	struct sctp_head *h = l4;
	struct sctp_chunk *chunk = (void *)(h + 1);

	if ((void *)chunk > end || !holds(f, sizeof(*h)))
		return PARSE_MALFORMED;
	f->sport = h->source;
	f->dport = h->dest;
	f->sctp_event = SCTP_NO_CHUNK;
	if ((void *)(chunk + 1) <= end && holds(f, SCTP_HEAD))
		f->sctp_event = sctp_event_of(chunk->type);
	return thorough || f->sctp_event == SCTP_DATA ? PARSED : PARSE_HARD;
}

static __always_inline enum parsed parse_ports(void *l4, void *end, struct flow *f, bool thorough)
{
	if (f->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end || !holds(f, sizeof(*tcp)))
			return PARSE_MALFORMED;
		f->sport = tcp->source;
		f->dport = tcp->dest;
		f->tcp_flags = ((__u8 *)tcp)[13];
		return PARSED;
	}
	if (f->proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > end || !holds(f, sizeof(*udp)))
			return PARSE_MALFORMED;
		f->sport = udp->source;
		f->dport = udp->dest;
		f->tcp_flags = 0;
		return PARSED;
	}
	if (f->proto == IPPROTO_SCTP)
		return parse_sctp(l4, end, f, thorough);
	if (is_ipsec(f->proto, f->v6))
		return PARSE_IPSEC;
	return f->proto == (f->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ? PARSE_ICMP : PARSE_OTHER;
}

/* An IPv4 header at the Ethernet payload; with `thorough`, options too. */
static __always_inline enum parsed parse_ipv4(void *data, void *end, struct flow *f, bool thorough)
{
	struct iphdr *ip = data + ETH_HLEN;
	__u32 ihl;

	if ((void *)(ip + 1) > end)
		return PARSE_MALFORMED;
	if (unlikely(*(__u8 *)ip != 0x45)) {
		if ((*(__u8 *)ip & 0xf0) != 0x40 || (*(__u8 *)ip & 0x0f) < 5)
			return PARSE_MALFORMED;
		if (!thorough)
			return PARSE_HARD;
	}
	f->v6 = false;
	f->saddr.v4 = ip->saddr;
	f->daddr.v4 = ip->daddr;
	f->proto = ip->protocol;
	f->ttl = ip->ttl;
	f->tos = ip->tos;
	f->len = bpf_ntohs(ip->tot_len);
	f->df = ip->frag_off & bpf_htons(IP_DF);
	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET) && !is_ipsec(f->proto, f->v6))
		return PARSE_FRAGMENT;
	if (!thorough) {
		f->l4 = ETH_HLEN + sizeof(*ip);
		return parse_ports(ip + 1, end, f, false);
	}
	ihl = (*(__u8 *)ip & 0x0f) * 4;
	if (f->len < ihl)
		return PARSE_MALFORMED;
	f->l4 = ETH_HLEN + ihl;
	return parse_ports((void *)ip + ihl, end, f, true);
}

#define MAX_EXTENSIONS 6

/* Steps over one extension header; the next one's protocol, or -1 if there is none to step over. */
static __always_inline int skip_extension(void *data, void *end, __u32 *offset, __u8 next)
{
	struct ipv6_opt_hdr *ext;

	if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
		return -1;
	ext = data + *offset;
	if ((void *)(ext + 1) > end)
		return -1;
	*offset = bounded(*offset + (ext->hdrlen + 1) * 8, 0x3fff);
	return ext->nexthdr;
}

static __always_inline enum parsed parse_ipv6(void *data, void *end, struct flow *f, bool thorough)
{
	struct ipv6hdr *ip = data + ETH_HLEN;
	__u32 offset = ETH_HLEN + sizeof(*ip);

	if ((void *)(ip + 1) > end || (*(__u8 *)ip & 0xf0) != 0x60)
		return PARSE_MALFORMED;
	f->v6 = true;
	f->df = true;
	__builtin_memcpy(&f->saddr, &ip->saddr, sizeof(f->saddr));
	__builtin_memcpy(&f->daddr, &ip->daddr, sizeof(f->daddr));
	f->proto = ip->nexthdr;
	f->ttl = ip->hop_limit;
	f->tos = (bpf_ntohs(*(__be16 *)ip) >> 4) & 0xff;
	f->len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (thorough) {
		for (int i = 0; i < MAX_EXTENSIONS; i++) {
			int next = skip_extension(data, end, &offset, f->proto);

			if (next < 0)
				break;
			f->proto = next;
		}
	} else if (f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP && f->proto != IPPROTO_SCTP) {
		return PARSE_HARD;
	}
	f->l4 = offset;
	if (f->proto == IPPROTO_FRAGMENT)
		return PARSE_FRAGMENT;
	return parse_ports(data + offset, end, f, thorough);
}

/* An Ethernet frame. A VLAN tag makes it another device's, and so none of ours. */
static __always_inline enum parsed parse_frame(void *data, void *end, struct flow *f, bool thorough)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return PARSE_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(data, end, f, thorough);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(data, end, f, thorough);
	return PARSE_OTHER;
}

/*
 * Is the network layer's length within what arrived? A frame may be padded,
 * never shorter than its packet says.
 */
static __always_inline bool length_fits(const struct flow *f, __u32 frame_len)
{
	return f->len + ETH_HLEN <= frame_len;
}

#endif
