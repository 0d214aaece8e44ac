/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames as bytes: built from a short description, and what they must look like
 * afterwards, computed from scratch and not as the data path computes it.
 */
#ifndef PACKET_FRAME_H
#define PACKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#include <culvert/types.h>

#define FRAME_MAX 3072
#define ETH_LEN 14

struct frame {
	uint32_t len;
	uint8_t data[FRAME_MAX];
};

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

#define TTL_ZERO 256 /* of packet.ttl: 0 is the default there */

/* One byte of the finished frame, overwritten. Offsets from the network layer's start. */
struct patch {
	uint16_t at; /* 0 with value 0: none */
	uint8_t value;
};

/*
 * What is not said has the usual value: a TCP SYN from the client to the
 * virtual address, TTL 64, no payload.
 */
struct packet {
	bool v6;
	const char *src, *dst;
	uint16_t sport, dport; /* host byte order; 0: 40000, 80 */
	uint8_t proto;	       /* 0: TCP */
	uint8_t flags;	       /* TCP */
	bool no_flags;	       /* TCP with none of them; else 0 means SYN */
	const char *
		chunks; /* SCTP's, by their names, "+" between them; NULL: INIT. DATA has the payload */
	bool no_sum; /* SCTP: the checksum is still to come, and 0 */
	uint16_t ttl;
	uint8_t tos;
	bool df;
	uint16_t frag;	  /* IPv4: the field, in host byte order; IPv6: that of a fragment header */
	uint16_t payload; /* bytes */
	const void *text; /* the payload's; NULL: any */
	uint8_t options;  /* IPv4 options, in words of 4 bytes */
	const char *ext;  /* IPv6 extension headers, one letter each: see frame.c */
	uint16_t vlan;	  /* 802.1Q tag */
	uint16_t pad;	  /* bytes behind the packet, as Ethernet pads */
	uint16_t cut;	  /* bytes missing at the end */
	const uint8_t *dmac; /* NULL: the uplink's own */
	uint32_t mark;	     /* skb->mark, where the door knows one */
	struct patch patch[4];
};

union cv_addr addr_of(const char *text, bool *v6);

void frame_build(struct frame *f, const struct packet *p);

/* CRC32c (RFC 9260, appendix A), bit by bit, as it stands in an SCTP header. */
uint32_t crc32c(const void *bytes, size_t len);

/* The frame, sent on: other MACs (NULL: as they were) and one hop less. */
void frame_routed(struct frame *f, const uint8_t *dmac, const uint8_t *smac);

/* The frame's packet (TOS 0; of IPv4, with DF) inside another one, plain IP in IP. */
void frame_tunnel(struct frame *f, const char *src, const char *dst);

/* An ICMP or ICMPv6 error about the frame's packet, in a frame with the same link layer. */
struct icmp_error {
	uint8_t type, code;
	uint16_t mtu;
};
void frame_error(struct frame *f, struct icmp_error e);

/* An identification that the sender makes up, IPv4's or a fragment header's: `f` gets that of `from`. */
void frame_take_id(struct frame *f, const struct frame *from);

/* The first byte from `from` on that differs, or -1: lengths differ from the shorter's end on. */
int frame_differs(const struct frame *a, const struct frame *b, uint32_t from);
void frame_print(const char *what, const struct frame *f);

#endif
