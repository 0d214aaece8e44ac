/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around the data path: a network namespace of the test's own, with
 * real devices, addresses, routes and neighbours for bpf_fib_lookup() to find.
 * It goes when the process ends.
 *
 *   wire0 ------ up0 (uplink)   10.0.0.1/24, fd00::1/64   virtual: 10.0.0.100, fd00::100
 *   rack0 ------ real0          192.168.7.1/24, fd07::1/64
 *
 * The client is behind wire0, and the default route is to it; real servers r1
 * to r9 are behind rack0. All of them are permanent neighbours.
 */
#ifndef PACKET_WORLD_H
#define PACKET_WORLD_H

#include <stdint.h>

#define CLIENT "10.0.0.2"
#define CLIENT6 "fd00::2"
#define VIP "10.0.0.100"
#define VIP6 "fd00::100"

#define SERVERS 9

extern const uint8_t UP_MAC[6], REAL_MAC[6], CLIENT_MAC[6];

/* "192.168.7.1N" or "fd07::1N"; what r0 (the director's own) is: "192.168.7.1". Constant memory. */
const char *server_addr(unsigned int number, int v6);
void server_mac(unsigned int number, uint8_t mac[6]);

struct world {
	int up, wire, real, rack; /* ifindexes */
};
extern struct world world;

/* Makes it once per process. Exits when it cannot. */
void world_make(void);

/* One line for ip(8) in the namespace; fails the test if ip does. */
__attribute__((format(printf, 1, 2))) void world_ip(const char *format, ...);
__attribute__((format(printf, 2, 3))) void world_sysctl(const char *value, const char *format, ...);

#endif
