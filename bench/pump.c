/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump: sends, receives and measures for bench/run. Dispatch, and what all subcommands use. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "pump.h"

static const struct command {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "send", "generate traffic on a device", pump_send },
	{ "attach", "attach a bare program or a sink to a device", pump_attach },
	{ "yardstick", "attach the yardstick to a device", pump_yardstick },
	{ "count", "what a device's sink has counted", pump_count },
	{ "profile", "time a loaded XDP program, packet by packet", pump_profile },
	{ "stages", "time the steps of culvert's data path", pump_stages },
	{ "talk", "TCP between namespaces, over several paths by turns", pump_talk },
	{ "time", "how long a command takes", pump_time },
};

void die(const char *format, ...)
{
	va_list args;

	fputs("pump: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || n > max)
		die("not a number up to %llu: %s", (unsigned long long)max, text);
	return n;
}

unsigned int device(const char *name)
{
	unsigned int ifindex = if_nametoindex(name);

	if (!ifindex)
		die("no device %s in this namespace", name);
	return ifindex;
}

void mac(const char *text, uint8_t out[6])
{
	char junk;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &out[0], &out[1], &out[2], &out[3],
		   &out[4], &out[5], &junk) != 6)
		die("not a MAC address: %s", text);
}

int address(const char *text, struct in6_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, text, out) == 1)
		return AF_INET6;
	die("not an address: %s", text);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* And ahead of whatever else wants that CPU, ksoftirqd too: its work is done in our own time. */
void pin_to_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %u: %s", cpu, strerror(errno));
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 10 }))
		die("real-time priority: %s", strerror(errno));
}

static int usage(FILE *to)
{
	fputs("usage: pump COMMAND ...; each has --help\n", to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return usage(stderr);
}
