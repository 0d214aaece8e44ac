// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * culvert track: keeps ipvlan up to date with what tenants and administrators do
 * to their devices. Without it packets flow as well; see culvert-track(8).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <jansson.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "ipvlan.h"
#include "text.h"

static const char help[] =
	"usage: culvert track [--once] [-q|--quiet] [-j|--json]\n"
	"\n"
	"Follows the addresses that tenants set on their slaves, and lets the slaves follow their\n"
	"master's MAC address, MTU and carrier, until it is stopped. One line for each thing it does.\n"
	"\n"
	"      --once   brings everything up to date and ends\n"
	"  -q, --quiet  says nothing\n"
	"  -j, --json   a JSON object on each line\n";

struct options {
	bool once, quiet, json;
};

static const char *const event_names[] = {
	[CV_IPV_EV_ADDR_NEW] = "address-added",
	[CV_IPV_EV_ADDR_GONE] = "address-removed",
	[CV_IPV_EV_ADDR_REFUSED] = "address-refused",
	[CV_IPV_EV_MASTER] = "master-changed",
	[CV_IPV_EV_GONE] = "removed",
	[CV_IPV_EV_RESYNC] = "resynchronised",
};

static void say(const struct cv_ipv_report *what, void *arg)
{
	const struct options *o = arg;
	char addr[INET6_ADDRSTRLEN + 4] = "", name[TEXT_ROOM(IFNAMSIZ)],
				     netns[TEXT_ROOM(NETNS_NAME)];

	if (o->quiet)
		return;
	if (what->addr) {
		inet_ntop(what->addr->family, &what->addr->addr, addr, sizeof(addr));
		snprintf(addr + strlen(addr), 5, "/%u", what->addr->plen);
	}
	if (o->json) {
		json_t *line = json_pack("{s:s}", "event", event_names[what->event]);

		if (*what->name)
			json_object_set_new(line, "ifname", text_json(what->name));
		if (*what->netns)
			json_object_set_new(line, "netns", text_json(what->netns));
		if (*addr)
			json_object_set_new(line, "address", json_string(addr));
		json_dumpf(line, stdout, JSON_COMPACT);
		json_decref(line);
		putchar('\n');
	} else {
		printf("%s%s%s%s%s%s%s\n", event_names[what->event], *what->name ? " " : "",
		       text_plain(what->name, name, sizeof(name)), *addr ? " " : "", addr,
		       *what->netns ? " netns " : "",
		       text_plain(what->netns, netns, sizeof(netns)));
	}
	fflush(stdout);
}

static int parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--once"))
			o->once = true;
		else if (!strcmp(argv[i], "--quiet") || !strcmp(argv[i], "-q"))
			o->quiet = true;
		else if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j"))
			o->json = true;
		else
			return cmd_error("track", "unknown option \"%s\"", argv[i]);
	}
	return 0;
}

/* SIGINT and SIGTERM become readable: no work is left half done. */
static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int follow(struct cv_ipv_track *t)
{
	_cleanup_fd_ int signals = watch_signals();
	struct pollfd fds[] = {
		{ .fd = cv_ipv_track_fd(t), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int err;

	for (;;) {
		err = cv_ipv_track_run(t);
		/* Somebody else is at it for long: what there is to do stays noted. */
		if (err && err != -EBUSY)
			return err;
		if (poll(fds, 2, err ? 1000 : -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return 0;
	}
}

int cmd_track(int argc, char **argv)
{
	_cleanup_(cv_ipv_track_free) struct cv_ipv_track *t = NULL;
	struct options o = { 0 };
	int err;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(help, stdout);
		return CMD_OK;
	}
	if (parse(argc, argv, &o))
		return CMD_FAILED;
	err = cv_ipv_track_new(&t, say, &o);
	if (!err && !o.once)
		err = follow(t);
	if (err)
		return cmd_error("track", "%s", *cv_why() ? cv_why() : strerror(-err));
	return CMD_OK;
}
