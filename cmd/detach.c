// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert detach: leaves a device as it was before culvert attach. */
#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "ipvlan.h"
#include "options.h"

/* Without slaves the data path of ipvlan is only there if a command was killed; who has its lock takes it away. */
static bool tidy_ipvlan(void)
{
	_cleanup_(cv_ipv_close) struct cv_ipv *v = NULL;

	return cv_ipv_open(&v, CV_IPV_EDIT) == 0 && cv_ipv_unused(v);
}

static int detach_all(struct cv **cv)
{
	bool tidied = tidy_ipvlan();
	int err = cv_open(cv);

	if (err)
		return err == -ENOENT && tidied ? 0 : err;
	return cv_destroy(cv);
}

int cmd_detach(int argc, char **argv)
{
	bool all = false;
	const struct option_spec options[] = {
		{ 'a', "all", NULL, "every device, and the services, connections and tables too",
		  option_flag, &all, NULL },
		{},
	};
	const struct command_line line = {
		.name = "detach",
		.usage = "DEV | --all",
		.about =
			"Leaves DEV as it was before `culvert attach`; services and connections\n"
			"stay. With --all nothing of the load balancer stays in this namespace; slaves do.",
		.options = options,
		.most = 1,
	};
	_cleanup_(cv_close) struct cv *cv = NULL;
	const char *dev = NULL;
	int status, err;

	if (options_parse(&line, argc, argv, &dev, &status))
		return status;
	if (!dev == !all)
		return cmd_error("detach", "either a device or --all"), CMD_USAGE;
	err = all ? detach_all(&cv) : cv_open(&cv);
	if (!err && !all)
		err = cv_detach(cv, dev);
	return err ? cmd_lib_error("detach", NULL, err) : CMD_OK;
}
