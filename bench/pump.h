/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump: the bench's instrument. Each subcommand is a function of one file. */
#ifndef BENCH_PUMP_H
#define BENCH_PUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>

#include "traffic.h"

int pump_send(int argc, char **argv);
int pump_attach(int argc, char **argv);
int pump_yardstick(int argc, char **argv);
int pump_count(int argc, char **argv);
int pump_profile(int argc, char **argv);
int pump_stages(int argc, char **argv);
int pump_time(int argc, char **argv);
int pump_talk(int argc, char **argv);

/* Says one line on standard error and exits: this is a tool, not a library. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* These end the program when the text is not what they parse. */
uint64_t number(const char *text, uint64_t max);
unsigned int device(const char *name);
void mac(const char *text, uint8_t out[6]);
int address(const char *text, struct in6_addr *out); /* its family */

uint64_t now_ns(void);
void pin_to_cpu(unsigned int cpu);

/* ---- the traffic (packets.c) ---------------------------------------------- */

struct target {
	struct in6_addr vip; /* IPv4 in the first word */
	int family;
	uint16_t port;
	uint8_t dmac[6], smac[6];
	uint8_t tcp_flags;
	uint16_t ethertype; /* 0: the family's; else a frame that is not IP */
};

#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Fills frame, family, vip, the sums and the packet of t. */
void traffic_template(struct traffic *t, const struct target *to);

/* Options that describe traffic, shared by `send` and `profile`. */
#define TRAFFIC_OPTIONS                                                                            \
	{ "flows", required_argument, NULL, 'f' }, { "services", required_argument, NULL, 's' },   \
		{ "flood", required_argument, NULL, 'F' },                                         \
		{ "vip", required_argument, NULL, 'v' }, { "port", required_argument, NULL, 'P' }, \
		{ "dmac", required_argument, NULL, 'd' },                                          \
		{ "smac", required_argument, NULL, 'm' }, { "key", required_argument, NULL, 'k' }, \
		{ "cpu", required_argument, NULL, 'c' }, { "syn", no_argument, NULL, 'S' },        \
		{ "index", no_argument, NULL, 'i' }, { "reply", no_argument, NULL, 'R' },          \
	{                                                                                          \
		"not-ip", no_argument, NULL, 'N'                                                   \
	}
#define TRAFFIC_HELP                                                             \
	"  --vip ADDRESS     the first virtual address (192.0.2.1 is none)\n"    \
	"  --port N          its port (80)\n"                                    \
	"  --services N      as many addresses, counted up from the first (1)\n" \
	"  --flows N         live flows (1)\n"                                   \
	"  --index           each flow once, in order, instead of at random\n"   \
	"  --syn             SYN segments instead of ACKs\n"                     \
	"  --reply           from there to the clients, instead of to it\n"      \
	"  --flood SHARE     SYNs from random sources among them, 0 to 1 (0)\n"  \
	"  --not-ip          frames of a local experiment's EtherType instead\n" \
	"  --dmac, --smac    MAC addresses\n"                                    \
	"  --key N           of the flows' addresses (1)\n"                      \
	"  --cpu N           runs there (0)\n"

struct traffic_options {
	struct traffic traffic;
	struct target to;
	unsigned int cpu;
};
#define TRAFFIC_DEFAULTS                                                                   \
	{                                                                                  \
		.traffic = { .flows = 1, .services = 1, .key = 1, .order = ORDER_RANDOM }, \
		.to = {.port = 80,                                                         \
		       .tcp_flags = TCP_ACK }                                              \
	}

/* True if the option was one of TRAFFIC_OPTIONS. */
bool traffic_option(struct traffic_options *o, int option, const char *value);

/* ---- the stopwatch (profile.c) --------------------------------------------- */

struct stopwatch_bpf;
struct stopwatch_bpf *stopwatch_load(const struct traffic *t);
/* Nanoseconds of a packet under the watch: of a program, or with -1 of one that does nothing. */
double stopwatch_ns(struct stopwatch_bpf *skel, const struct traffic *t, unsigned int ifindex,
		    int prog, uint32_t packets);
double median(double *v, size_t n);
int xdp_program_on(unsigned int ifindex, uint32_t id); /* 0: the device's own */

#endif
