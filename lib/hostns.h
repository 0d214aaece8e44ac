/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_HOSTNS_H
#define CULVERT_HOSTNS_H

/*
 * The host's mount namespace, if it is another than ours: that of process 1, or
 * where that one may not be looked at, of our outermost ancestor that may.
 * -ENOENT: there is no other to be seen.
 */
int hostns_open(int *out);

#endif
