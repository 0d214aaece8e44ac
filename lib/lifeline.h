/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a network namespace still live? Pins outlive it, and neither its cookie
 * nor its devices (it may have none of ours left) tell. So an instance pins a
 * BPF link to the namespace itself, which the kernel cuts when the namespace
 * goes, and says so. The link's program answers socket lookups of local
 * listeners with "as usual"; forwarded packets never meet it.
 */
#ifndef CULVERT_LIFELINE_H
#define CULVERT_LIFELINE_H

#include <stdbool.h>

/* Pins one for the calling thread's namespace into `dir`, if there is none yet. */
int lifeline_tie(int dir);

/* Is the namespace of this directory gone for certain? */
bool lifeline_cut(int dir);

/* There is no lifeline: the directory was never completed. */
bool lifeline_missing(int dir);

#endif
