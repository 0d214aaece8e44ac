// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert attach: lets a device's packets reach the load balancer. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "options.h"
#include "text.h"

static bool read_mode(const char *text, void *into)
{
	static const char *const modes[] = {
		[CV_MODE_AUTO] = "auto",
		[CV_MODE_XDP] = "xdp",
		[CV_MODE_TC] = "tc",
	};

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, modes[i]) == 0) {
			*(enum cv_mode *)into = i;
			return true;
		}
	}
	return false;
}

/* Sizes are chosen when the instance is made; later they can only be confirmed. */
static int check_sizes(const struct cv *cv, const struct cv_sizes *wanted)
{
	struct cv_sizes s;

	cv_get_sizes(cv, &s);
	if ((!wanted->max_conns || wanted->max_conns == s.max_conns) &&
	    (!wanted->max_conns6 || wanted->max_conns6 == s.max_conns6) &&
	    (!wanted->max_services || wanted->max_services == s.max_services) &&
	    (!wanted->max_dests || wanted->max_dests == s.max_dests))
		return CMD_OK;
	return cmd_error(
		"attach",
		"the instance is there already, for %u connections of IPv4 and %u of IPv6, "
		"%u services and %u destinations; `culvert detach --all` removes it",
		s.max_conns, s.max_conns6, s.max_services, s.max_dests);
}

static void say_done(const struct cv *cv, const struct cv_attachment *a, bool json)
{
	char name[TEXT_ROOM(sizeof(a->ifname))], why[TEXT_ROOM(sizeof(a->no_xdp))];
	struct cv_memory m;
	uint64_t bytes;

	cv_memory(cv, &m);
	bytes = m.conns4 + m.conns6 + m.counters + m.services + m.dests + m.other;
	if (json) {
		json_t *j = json_pack("{s:o, s:i, s:s, s:b, s:s, s:I}", "device",
				      text_json(a->ifname), "ifindex", (int)a->ifindex, "mode",
				      a->mode == CV_MODE_XDP ? "xdp" : "tc", "native", a->native,
				      "tc", a->tcx ? "tcx" : "clsact", "memory", (json_int_t)bytes);

		if (*a->no_xdp)
			json_object_set_new(j, "no_xdp", text_json(a->no_xdp));
		json_dumpf(j, stdout, 0);
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("%s: %s", text_plain(a->ifname, name, sizeof(name)),
	       a->mode == CV_MODE_XDP ? "XDP in the driver, and tc" : "tc");
	if (*a->no_xdp)
		printf(" (%s)", text_plain(a->no_xdp, why, sizeof(why)));
	printf("; the tables take %.1f MiB\n", (double)bytes / (1 << 20));
}

int cmd_attach(int argc, char **argv)
{
	bool json = false;
	enum cv_mode mode = CV_MODE_AUTO;
	struct cv_sizes sizes = {};
	const struct option_spec options[] = {
		{ 'm', "mode", "MODE", "auto (XDP where the driver has it, else tc), xdp or tc",
		  read_mode, &mode, "auto, xdp or tc" },
		{ 0, "max-conns", "N", "connections per address family (default 262144)",
		  option_number, &sizes.max_conns, "a number" },
		{ 0, "max-conns6", "N", "connections of IPv6, if not as many", option_number,
		  &sizes.max_conns6, "a number" },
		{ 0, "max-services", "N", "virtual services (default 8192)", option_number,
		  &sizes.max_services, "a number" },
		{ 0, "max-dests", "N", "real servers of all services (default 16384)",
		  option_number, &sizes.max_dests, "a number" },
		{ 'j', "json", NULL, "say what was done as JSON", option_flag, &json, NULL },
		{},
	};
	const struct command_line line = {
		.name = "attach",
		.usage = "DEV [--mode auto|xdp|tc] [--max-conns N]",
		.about =
			"Lets packets that arrive by DEV reach the load balancer. The first device\n"
			"of a network namespace makes its instance, in the sizes asked for.",
		.options = options,
		.least = 1,
		.most = 1,
	};
	_cleanup_(cv_close) struct cv *cv = NULL;
	struct cv_attachment done;
	const char *dev;
	int status, err;
	bool fresh;

	if (options_parse(&line, argc, argv, &dev, &status))
		return status;
	if (!if_nametoindex(dev))
		return cmd_error("attach", "there is no device %s", dev);
	err = cmd_open(&cv, &sizes, &fresh);
	if (err)
		return cmd_lib_error("attach", dev, err);
	if (!fresh && check_sizes(cv, &sizes))
		return CMD_FAILED;
	err = cv_attach(cv, dev, mode, &done);
	if (err) {
		status = cmd_lib_error("attach", NULL, err);
		if (fresh)
			cmd_take_away(&cv);
		return status;
	}
	say_done(cv, &done, json);
	return CMD_OK;
}
