/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bpffs at CV_BPFFS, where everything that outlives a command is pinned.
 *
 * It is one file system for the whole host, whichever mount namespace a command
 * runs in: `ip netns exec` makes a private one, and a mount made in there would
 * end with the command. So directories are named by file descriptors here, which
 * reach into the host's mount namespace when one's own has no such mount.
 *
 * Names in a bpffs cannot have dots.
 */
#ifndef CULVERT_BPFFS_H
#define CULVERT_BPFFS_H

#include <stdbool.h>

/* Opens it, mounting it first if `create`. -ENOENT: it is not mounted. */
int bpffs_open(bool create, int *out);

/* Opens (after making it, if `create`) the directory `name` in `dir`. -ENOENT */
int bpffs_subdir(int dir, const char *name, bool create, int *out);

/* Known not to be there: not that it could not be told. */
bool bpffs_absent(int dir, const char *name);

/* Pins the BPF object `fd`. -EEXIST */
int bpffs_pin(int dir, const char *name, int fd);

/* A new fd of the object pinned there, or a negative errno. */
int bpffs_get(int dir, const char *name);

/* Removes a pin, or a directory with all that is in it. It is no error if there is none. */
int bpffs_remove(int dir, const char *name);

/*
 * Likewise, of a directory of which there must be all or nothing: it takes the name `scrap` before it is
 * emptied, and what a killed one left under that name goes first.
 */
int bpffs_discard(int dir, const char *name, const char *scrap);

#endif
