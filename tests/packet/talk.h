/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversation of one client with one service, a packet at a time. "c:SYN" is
 * a packet from the client, "s:ACK" one from the real server that has the
 * connection, which only masq sees. The words are those of the recorded facts.
 */
#ifndef PACKET_TALK_H
#define PACKET_TALK_H

#include "case.h"

struct talk {
	enum door door;
	bool v6;
	uint8_t proto;	      /* 0: TCP */
	char method;	      /* m, g, i: as ipvsadm's options */
	unsigned int servers; /* r1...; 0: one */
	/* talk_begin()'s: */
	uint32_t service, first_dest;
	unsigned int server;  /* that the connection went to last */
	struct packet client; /* as the connection's client sends */
};

/* A service for it, in the present state. */
void talk_begin(struct talk *t);

/* One packet; whether it was sent on. */
enum fate talk_say(struct talk *t, const char *step);

/* Several, with spaces between them. */
void talk_say_all(struct talk *t, const char *steps);

#endif
