/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pump talk: TCP between namespaces over several paths by turns, a few hundred microseconds each, so
 * that whatever else the machine does meets them all alike: ping-pong, or bulk to a server or from it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#include "pump.h"

#define LANES 8
#define TURNS 100000
#define MESSAGE 64
#define TRIPS 50	   /* round trips in one turn */
#define BULK (2U << 20)	   /* bytes in one turn */
#define PIECE (256U << 10) /* of them in one system call */

enum what { PING_PONG, TO_SERVER, FROM_SERVER };

struct lane {
	int server, client; /* connected to each other */
	double *ns;	    /* of each turn: a trip there and back, or a KiB */
};

struct talk {
	enum what what;
	double seconds;
	unsigned int cpu, peer_cpu;
	bool two; /* client and server are processes of their own */
	size_t lanes, turns;
	struct lane lane[LANES];
};

/* ---- connections ------------------------------------------------------------------- */

static void enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die("namespace %s: %s", netns, strerror(errno));
	close(fd);
}

/* The same congestion control everywhere, and one that does not pace: the path is measured. */
static void prepare(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY: %s", strerror(errno));
}

/* "SERVER-NAMESPACE,CLIENT-NAMESPACE,ADDRESS of the server" */
static void lane_connect(struct lane *l, char *text)
{
	const char *server = strtok(text, ","), *client = strtok(NULL, ","),
		   *addr = strtok(NULL, ",");
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 }; /* and whatever port is free */
	socklen_t size = sizeof(to);
	struct timeval patience = { .tv_sec = 5 };
	char mapped[INET6_ADDRSTRLEN + 8];
	int listener;

	if (!addr)
		die("a lane is SERVER-NAMESPACE,CLIENT-NAMESPACE,ADDRESS");
	enter(server);
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&to, &size) < 0)
		die("server in %s: %s", server, strerror(errno));
	enter(client);
	snprintf(mapped, sizeof(mapped), strchr(addr, ':') ? "%s" : "::ffff:%s", addr);
	if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1)
		die("not an address: %s", addr);
	l->client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(l->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	prepare(l->client);
	if (connect(l->client, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("%s from %s: %s", addr, client, strerror(errno));
	l->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (l->server < 0)
		die("%s from %s: %s", addr, client, strerror(errno));
	prepare(l->server);
	close(listener);
}

/* ---- turns --------------------------------------------------------------------------- */

static void send_all(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("send: %s", strerror(errno));
}

static void recv_all(int fd, void *data, size_t len)
{
	if (recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)
		die("recv: %s", strerror(errno));
}

static void ping_pong(const struct talk *t, const struct lane *l)
{
	char message[MESSAGE] = { 0 };

	for (unsigned int i = 0; i < TRIPS; i++) {
		send_all(l->client, message, sizeof(message));
		if (!t->two) {
			recv_all(l->server, message, sizeof(message));
			send_all(l->server, message, sizeof(message));
		}
		recv_all(l->client, message, sizeof(message));
	}
}

/* What a call moved; -1 is nothing for now. */
static size_t moved(ssize_t n, const char *call)
{
	if (n < 0 && errno != EAGAIN)
		die("%s: %s", call, strerror(errno));
	return n < 0 ? 0 : (size_t)n;
}

static void bulk(int from, int to)
{
	static char data[PIECE];
	size_t sent = 0, got = 0;

	while (got < BULK) {
		size_t room = BULK - sent < PIECE ? BULK - sent : PIECE;
		size_t out =
			room ? moved(send(from, data, room, MSG_DONTWAIT | MSG_NOSIGNAL), "send") :
			       0;
		size_t in = moved(recv(to, data, PIECE, MSG_DONTWAIT), "recv");

		sent += out;
		got += in;
		/* The kernel has put its work off, and needs the processor for it. */
		if (!in && !out)
			poll(&(struct pollfd){ .fd = to, .events = POLLIN }, 1, 1);
	}
}

static double turn(const struct talk *t, const struct lane *l)
{
	uint64_t start = now_ns();

	if (t->what == PING_PONG)
		ping_pong(t, l);
	else if (t->what == TO_SERVER)
		bulk(l->client, l->server);
	else
		bulk(l->server, l->client);
	return (double)(now_ns() - start) / (t->what == PING_PONG ? TRIPS : BULK >> 10);
}

/* A server that sends back what it gets, until its client goes. */
static void echo(const struct talk *t, int fd)
{
	char message[MESSAGE];

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_to_cpu(t->peer_cpu);
	while (recv(fd, message, sizeof(message), MSG_WAITALL) == sizeof(message))
		send_all(fd, message, sizeof(message));
	_exit(0);
}

static void converse(struct talk *t)
{
	uint64_t end;

	for (size_t i = 0; i < t->lanes; i++) {
		t->lane[i].ns = calloc(TURNS, sizeof(*t->lane[i].ns));
		if (!t->lane[i].ns)
			die("no memory");
		if (t->two)
			echo(t, t->lane[i].server);
	}
	pin_to_cpu(t->cpu);
	for (unsigned int warm = 0; warm < 3; warm++)
		for (size_t i = 0; i < t->lanes; i++)
			turn(t, &t->lane[i]);
	end = now_ns() + (uint64_t)(t->seconds * 1e9);
	for (; now_ns() < end && t->turns < TURNS; t->turns++)
		for (size_t i = 0; i < t->lanes; i++) {
			/* Forth and back: nobody is always behind the same other. */
			struct lane *l = &t->lane[t->turns % 2 ? t->lanes - 1 - i : i];

			l->ns[t->turns] = turn(t, l);
		}
	if (t->turns < 10)
		die("%g s are %zu turns, which is too few", t->seconds, t->turns);
}

/* ---- what is told --------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quartile(const double *sorted, size_t n, unsigned int which)
{
	return sorted[n * which / 4];
}

/* Each lane's time, undisturbed (the lower quartile), and its ratio to the first lane's in the same turn. */
static void tell(const struct talk *t)
{
	double *ratio = calloc(t->turns, sizeof(*ratio)), *ns = calloc(t->turns, sizeof(*ns));

	if (!ratio || !ns)
		die("no memory");
	for (size_t i = 0; i < t->lanes; i++) {
		memcpy(ns, t->lane[i].ns, t->turns * sizeof(*ns));
		for (size_t k = 0; k < t->turns; k++)
			ratio[k] = ns[k] / t->lane[0].ns[k];
		qsort(ns, t->turns, sizeof(*ns), by_size);
		qsort(ratio, t->turns, sizeof(*ratio), by_size);
		printf("%s{\"ns\": %.2f, \"ratio\": [%.4f, %.4f, %.4f], \"turns\": %zu}",
		       i ? ",\n " : "[", quartile(ns, t->turns, 1), quartile(ratio, t->turns, 1),
		       quartile(ratio, t->turns, 2), quartile(ratio, t->turns, 3), t->turns);
	}
	puts("]");
}

static int usage(FILE *to)
{
	fputs("usage: pump talk [OPTION]... LANE...\n"
	      "  LANE is SERVER-NAMESPACE,CLIENT-NAMESPACE,ADDRESS; the first is what the others are compared with\n"
	      "  --what ping|in|out  ping-pong, bulk to the server, bulk from it (ping)\n"
	      "  --seconds S         in all (1)\n"
	      "  --cpu N             where the client runs, or one thread that is both (0)\n"
	      "  --peer-cpu N        where the server runs, as a process of its own (ping only)\n",
	      to);
	return to == stdout ? 0 : 2;
}

static enum what what_of(const char *text)
{
	static const char *const names[] = { "ping", "in", "out" };

	for (unsigned int i = 0; i < 3; i++)
		if (!strcmp(text, names[i]))
			return (enum what)i;
	die("--what is ping, in or out, not %s", text);
}

int pump_talk(int argc, char **argv)
{
	static const struct option options[] = {
		{ "what", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 's' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "peer-cpu", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct talk t = { .seconds = 1 };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout);
		else if (option == 'w')
			t.what = what_of(optarg);
		else if (option == 's')
			t.seconds = strtod(optarg, NULL);
		else if (option == 'c')
			t.cpu = (unsigned int)number(optarg, CPU_SETSIZE - 1);
		else if (option == 'p')
			t.two = true, t.peer_cpu = (unsigned int)number(optarg, CPU_SETSIZE - 1);
		else
			return usage(stderr);
	}
	if (optind == argc || argc - optind > LANES || (t.two && t.what != PING_PONG))
		return usage(stderr);
	while (optind < argc)
		lane_connect(&t.lane[t.lanes++], argv[optind++]);
	converse(&t);
	tell(&t);
	return 0;
}
