/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that nobody would send but an attacker: well-formed ones of all that
 * the data path knows, damaged. A packet is made of its seed alone.
 */
#ifndef PACKET_MUTATE_H
#define PACKET_MUTATE_H

#include "frame.h"

/* Real servers whose answers are looked for are r1 to r3; others are used by other methods. */
#define MUTATE_MASQ 3

/* Ports of the services that the packets are for. */
enum {
	PORT_DR = 80,
	PORT_UDP = 53,
	PORT_MASQ = 443,
	PORT_IPIP = 8080,
	PORT_GUE = 8081,
	PORT_GRE = 8082,
	PORT_PERSISTENT = 25,
	PORT_ONCE = 69
};

uint32_t mutate_random(uint64_t *state);

/* Makes the well-formed packets that mutate_packet() begins with. */
void mutate_begin(void);

/* Something about the frame, of `r`'s choosing, is no longer as it should be. */
void mutate_damage(uint64_t *r, struct frame *f);

/* `mark`: the firewall mark that goes with it, mostly 0. */
void mutate_packet(uint64_t seed, struct frame *f, uint32_t *mark);

/*
 * Plays round after round until as many packets as a quick or a long test has were sent, which `*sent_in`
 * counts. CULVERT_SEED=N: that round alone; CULVERT_STORM=N: that many packets.
 */
void mutate_rounds(void (*play_round)(uint64_t round), const uint64_t *sent_in, uint64_t quick,
		   uint64_t thorough);

#endif
