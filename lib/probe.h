/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel can do. */
#ifndef CULVERT_PROBE_H
#define CULVERT_PROBE_H

#include <stdbool.h>

/* bpf_fib_lookup() takes BPF_FIB_LOOKUP_SRC (6.7). */
bool probe_fib_src(void);

/*
 * After a load that failed: names what the data path needs and this kernel or
 * this user lacks. Returns -EPERM or -EOPNOTSUPP with cv_why() set, or `err` if
 * nothing is missing.
 */
int probe_explain(int err);

/*
 * May this process do what culvert does: use what there is, or (`load`) make it as well?
 * 0, or -EPERM with cv_why() set.
 */
int probe_privileges(bool load);

#endif
