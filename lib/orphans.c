// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections of real servers that have left: the data path ends them (bpf/orphans.h). */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "edit.h"
#include "instance.h"
#include "pins.h"
#include "why.h"

int orphans_end(struct cv *cv)
{
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	_cleanup_fd_ int prog = -1;

	if (!cv->settings->expire_nodest_conn)
		return 0;
	prog = pins_prog(cv->dir, "ctl_orphans");
	if (prog < 0)
		return prog;
	if (bpf_prog_test_run_opts(prog, &opts) < 0)
		return cv_fail(-errno, "cannot run the data path: %s", strerror(errno));
	return 0;
}
