// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert detach: leaves a device as it was before culvert attach. */
#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cmd.h"
#include "culvert.h"
#include "options.h"

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
		.about = "Leaves DEV as it was before `culvert attach`; services and connections\n"
			 "stay. With --all nothing of the load balancer stays in this namespace.",
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
	err = cv_open(&cv);
	if (!err)
		err = all ? cv_destroy(&cv) : cv_detach(cv, dev);
	return err ? cmd_lib_error("detach", NULL, err) : CMD_OK;
}
