// SPDX-License-Identifier: GPL-2.0-or-later
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

const uint8_t UP_MAC[6] = { 2, 0, 0, 0, 0, 1 };
const uint8_t REAL_MAC[6] = { 2, 0, 0, 0, 7, 1 };
const uint8_t CLIENT_MAC[6] = { 2, 0, 0, 0, 0, 2 };

struct world world;

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(2);
}

const char *server_addr(unsigned int number, int v6)
{
	static char text[2][SERVERS + 1][16];
	char *t = text[!!v6][number];

	if (number > SERVERS)
		abort();
	if (!*t)
		sprintf(t, number ? "%s1%u" : "%s1", v6 ? "fd07::" : "192.168.7.", number);
	return t;
}

void server_mac(unsigned int number, uint8_t mac[6])
{
	memcpy(mac, (uint8_t[]){ 2, 0, 0, 0, 7, (uint8_t)(0x10 + number) }, 6);
}

void world_sysctl(const char *value, const char *format, ...)
{
	char path[128] = "/proc/sys/";
	va_list ap;
	FILE *f;

	va_start(ap, format);
	vsnprintf(path + strlen(path), sizeof(path) - strlen(path), format, ap);
	va_end(ap);
	f = fopen(path, "w");
	if (!f || fputs(value, f) < 0 || fclose(f))
		give_up(path);
}

static void run_ip(const char *lines)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip || fputs(lines, ip) < 0 || pclose(ip)) {
		fprintf(stderr, "ip -batch failed on:\n%s\n", lines);
		exit(2);
	}
}

void world_ip(const char *format, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	strcat(line, "\n");
	run_ip(line);
}

/* XDP wants a receive queue that XDP was set up on, which the loader does; ND would only disturb. */
static const char links[] = "link set lo up\n"
			    "link add up0 address 02:00:00:00:00:01 type veth peer name wire0\n"
			    "link add real0 address 02:00:00:00:07:01 type veth peer name rack0\n"
			    "link set up0 addrgenmode none\n"
			    "link set wire0 addrgenmode none\n"
			    "link set real0 addrgenmode none\n"
			    "link set rack0 addrgenmode none\n"
			    "link set up0 up\n"
			    "link set wire0 up arp off\n"
			    "link set real0 up\n"
			    "link set rack0 up arp off\n"
			    "addr add 10.0.0.1/24 dev up0\n"
			    "addr add 10.0.0.100/32 dev up0\n"
			    "addr add fd00::1/64 dev up0 nodad\n"
			    "addr add fd00::100/128 dev up0 nodad\n"
			    "addr add 192.168.7.1/24 dev real0\n"
			    "addr add fd07::1/64 dev real0 nodad\n"
			    "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev up0 nud permanent\n"
			    "neigh add fd00::2 lladdr 02:00:00:00:00:02 dev up0 nud permanent\n"
			    "route add default via 10.0.0.2\n"
			    "route add ::/0 via fd00::2\n";

static void add_servers(void)
{
	char lines[4096] = "";

	for (unsigned int n = 1; n <= SERVERS; n++) {
		for (int v6 = 0; v6 < 2; v6++)
			sprintf(lines + strlen(lines),
				"neigh add %s lladdr 02:00:00:00:07:%02x dev real0 nud permanent\n",
				server_addr(n, v6), 0x10 + n);
	}
	run_ip(lines);
}

static int index_of(const char *name)
{
	int index = (int)if_nametoindex(name);

	if (!index)
		give_up(name);
	return index;
}

void world_make(void)
{
	if (world.up)
		return;
	if (unshare(CLONE_NEWNET) < 0)
		give_up("unshare (packet tests need root)");
	run_ip(links);
	add_servers();
	world_sysctl("1", "net/ipv4/conf/lo/forwarding");
	world_sysctl("1", "net/ipv6/conf/lo/forwarding");
	world.up = index_of("up0");
	world.wire = index_of("wire0");
	world.real = index_of("real0");
	world.rack = index_of("rack0");
}
