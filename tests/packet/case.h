/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of {what, packet in, verdict, packet out, map changes}, played through
 * both doors, each time from the same state, which must come to the same.
 */
#ifndef PACKET_CASE_H
#define PACKET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "path.h"
#include "table.h"
#include "world.h"

struct packet_case {
	const char *what;
	struct packet in;
	enum fate fate;
	enum cv_cause cause;	 /* what the packet is counted as */
	struct icmp_error error; /* SENT: not the packet goes out but this about it */
	unsigned int server;	 /* SENT: to which real server; 0: r1 */
	unsigned int conns;	 /* connections that it makes: 0 or 1 */
};

/* Plays one packet in the present state. How much of what it does is not as the case says; prints that. */
unsigned int case_play(struct path *p, enum door door, const struct packet_case *c);

/*
 * Plays every case through every door, each from the state that `set_up` makes
 * after a reset. With the option --bench: prints ns per packet instead.
 */
void cases_play(struct path *p, void (*set_up)(struct path *p), const struct packet_case *cases,
		unsigned int n);
#define CASES(array) array, sizeof(array) / sizeof((array)[0])

/* ---- smaller steps, for tests that tell a story -------------------------------- */

/* What is being played: stands before the text of a fault(), and of the expectations below. */
__attribute__((format(printf, 1, 2))) void now_playing(const char *format, ...);

/* Fails the test. */
__attribute__((format(printf, 1, 2))) void fault(const char *format, ...);
void expect_equal(const char *what, long got, long want);

/* Sends it and fails the test unless this becomes of it. */
void expect_fate(struct path *p, enum door door, const struct packet *in, enum fate fate);
/* `in` is sent on as `out`: byte for byte, from XDP with these MAC addresses (from tc they come later). */
void expect_sent(struct path *p, enum door door, const struct packet *in, const struct packet *out,
		 const uint8_t *dmac, const uint8_t *smac);
/*
 * Which real server (1 to SERVERS) the packet went to; 0: to none. Counters,
 * connection and (from XDP) the frame must agree.
 */
unsigned int server_of(struct path *p, enum door door, const struct packet *in);
/* The packet's connection is in this state with this timeout (s). */
void expect_conn(struct path *p, const struct packet *of, const char *state, uint32_t timeout);
void expect_counts(struct path *p, uint32_t dest, uint32_t active, uint32_t inactive);
void expect_audit(struct path *p);

/* A line for docs/reliability.md (tools/reliability), when the run collects them: NAME is TABLE.WHAT. */
void figure(const char *name, uint64_t value, const char *unit);

/* ---- for random sequences, which are cut down when they break something ---------- */

extern char broken[512]; /* what it was */
extern bool shrinking;	 /* what breaks on the way is not told */

/* Notes it; returns false. */
__attribute__((format(printf, 1, 2))) bool breaks(const char *format, ...);

/*
 * Both doors did the same with a packet; MAC addresses are tc's later. The id of an IPv4 header of
 * our own is made up: an ICMP error's, and where there are tunnels any header may be one.
 */
bool doors_agree(const struct outcome *by_xdp, const struct outcome *by_tc, bool tunnels);

/* ---- the programs' frame --------------------------------------------------------- */

extern bool bench; /* --bench was given */
extern struct path *path;

/* main() of a test program: loads `path` with these sizes and runs the group. */
int packet_main(int argc, char **argv, const struct sizes *sizes, const char *name,
		const struct CMUnitTest *tests, size_t n);
#define PACKET_MAIN(name, sizes, tests)                                 \
	int main(int argc, char **argv)                                 \
	{                                                               \
		return packet_main(argc, argv, sizes, name, tests,      \
				   sizeof(tests) / sizeof((tests)[0])); \
	}

#endif
