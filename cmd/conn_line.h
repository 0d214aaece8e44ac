/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection as a line of what `culvert save -c` writes:
 *
 *	conn PROTO CLIENT VIRTUAL PORT STATE left S timeout S [packets N] [fwmark N]
 *	     [inactive] [no-output] [template] -- SERVICE -r SERVER
 *
 * PORT is the server's, for this connection; SERVICE and SERVER stand as ipvsadm has them.
 */
#ifndef CULVERT_CMD_CONN_LINE_H
#define CULVERT_CMD_CONN_LINE_H

#include "culvert.h"
#include "out.h"

void conn_line_write(struct out *out, const struct cv_conn_info *c);

/* -EINVAL, and says why. argv[0] is "conn". */
int conn_line_read(int argc, char **argv, struct cv_conn_info *c);

#endif
