/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which culvert loaded a data path, and whether this one may edit its tables. A data
 * path is a directory with maps/, progs/ and links/: an instance's for the load
 * balancer, and ipvlan/ in it.
 *
 * B1  The map `build` belongs to the programs: it comes and goes with them.
 * B2  Who edits or lists tables compares first: the meaning (layout) and the shape
 *     must be one's own. The version need not be.
 */
#ifndef CULVERT_LIB_BUILD_H
#define CULVERT_LIB_BUILD_H

#include <stdint.h>

#include <bpf/libbpf.h>
#include <culvert/build.h>

#include "culvert.h"

/* Of a data path whose meaning and shape are these. */
void build_fill(struct cv_build *out, uint32_t layout, uint64_t shape);

/* Into a data path that is loaded, and not pinned yet. */
int build_store(const struct bpf_object *obj, const struct cv_build *build);

/* Of a data path. -ENOENT: none; -EPROTO: it does not say. */
int build_read(int dir, struct cv_build *out);

/* -EPROTO unless its tables are `own`'s; cv_why() has one line. */
int build_check(int dir, const struct cv_build *own);

void build_show(const struct cv_build *build, struct cv_version *out);

#endif
