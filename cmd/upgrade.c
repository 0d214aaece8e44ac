// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert upgrade: this culvert's programs in the place of those that are loaded. */
#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "cmd.h"
#include "culvert.h"
#include "options.h"

static const char *const part_names[CV_PARTS] = {
	[CV_PART_LB] = "load balancer",
	[CV_PART_IPVLAN] = "ipvlan",
};

static void say(const struct cv_upgrade *done)
{
	for (int i = 0; i < CV_PARTS; i++) {
		if (done[i].there)
			printf("%s: culvert %s in the place of %s, at %u hooks\n", part_names[i],
			       cv_own_version(), done[i].was.culvert, done[i].hooks);
	}
}

static void say_json(const struct cv_upgrade *done)
{
	json_t *all = json_array();

	for (int i = 0; i < CV_PARTS; i++) {
		if (done[i].there)
			json_array_append_new(
				all, json_pack("{s:s, s:s, s:s, s:i}", "part", part_names[i],
					       "version", cv_own_version(), "was",
					       done[i].was.culvert, "hooks", (int)done[i].hooks));
	}
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int cmd_upgrade(int argc, char **argv)
{
	bool json = false;
	const struct option_spec options[] = {
		{ 'j', "json", NULL, "say what was done as JSON", option_flag, &json, NULL },
		{},
	};
	const struct command_line line = {
		.name = "upgrade",
		.usage = "[-j]",
		.about =
			"Puts this culvert's data path in the place of the one that is loaded, under traffic:\n"
			"each device changes at once, and tables, connections and counters stay.",
		.options = options,
	};
	struct cv_upgrade done[CV_PARTS];
	int status, err;

	if (options_parse(&line, argc, argv, NULL, &status))
		return status;
	err = cv_upgrade(done);
	if (err == -EPROTO)
		return cmd_error("upgrade", "%s; what is loaded stays", cv_why());
	if (err)
		return cmd_lib_error("upgrade", NULL, err);
	(json ? say_json : say)(done);
	return CMD_OK;
}
