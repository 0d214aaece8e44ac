// SPDX-License-Identifier: GPL-2.0-or-later
/* An instance that a command has made, and then had no use for. */
#include <errno.h>

#include "cmd.h"
#include "culvert.h"

int cmd_open(struct cv **cv, const struct cv_sizes *sizes, bool *fresh)
{
	int err = cv_open(cv);

	*fresh = err == -ENOENT;
	return *fresh ? cv_open_or_create(cv, sizes) : err;
}

static int is_attached(const struct cv_attachment *a, void *arg)
{
	return 1;
}

void cmd_take_away(struct cv **cv)
{
	if (!cv_settings(*cv)->num_services && cv_each_attachment(*cv, is_attached, NULL) == 0)
		cv_destroy(cv);
}
