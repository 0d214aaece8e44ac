/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program at a device's tc hook: by tcx where the kernel has it (6.6), as a
 * link that is pinned; else as a filter of clsact, with the program pinned as
 * the sign that it is ours. Pins are IFINDEX-tcx, IFINDEX-clsact and, if the
 * qdisc is ours as well, IFINDEX-qdisc.
 */
#ifndef CULVERT_TCHOOK_H
#define CULVERT_TCHOOK_H

#include <stdbool.h>
#include <stdint.h>

int tchook_attach(int links, uint32_t ifindex, int prog, bool *tcx);
int tchook_detach(int links, uint32_t ifindex);

/* Is it there, how, and does the device still live? */
bool tchook_find(int links, uint32_t ifindex, bool *tcx, bool *gone);

#endif
