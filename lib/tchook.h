/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program at a device's tc hook: by tcx where the kernel has it (6.6), as a
 * link that is pinned; else as a filter of clsact, with the program pinned as
 * the sign that it is ours. Pins are IFINDEX-tcx, IFINDEX-clsact and, if the
 * qdisc is ours as well, IFINDEX-qdisc; of the way out, IFINDEX-tcx-out and
 * IFINDEX-clsact-out. While a filter's program is replaced, IFINDEX-clsact-next (-out-next) is
 * the one that comes.
 */
#ifndef CULVERT_TCHOOK_H
#define CULVERT_TCHOOK_H

#include <stdbool.h>
#include <stdint.h>

enum tchook_way { TC_IN, TC_OUT };

int tchook_attach(int links, uint32_t ifindex, enum tchook_way way, int prog, bool *tcx);
int tchook_detach(int links, uint32_t ifindex, enum tchook_way way);

/* Another program in its place, in one step: no packet meets none. A device that has gone is no error. */
int tchook_replace(int links, uint32_t ifindex, enum tchook_way way, int prog);

/* No, in tests of what kernels before 6.6 do (CULVERT_NO_TCX). */
bool tchook_tcx_wanted(void);

/* Is it there, how, and does the device still live? */
bool tchook_find(int links, uint32_t ifindex, enum tchook_way way, bool *tcx, bool *gone);

#endif
