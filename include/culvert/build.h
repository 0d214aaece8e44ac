/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who loaded a data path: the only element of its map `build`. The same in every
 * version, so that each can say what it has met.
 */
#ifndef CULVERT_BUILD_H
#define CULVERT_BUILD_H

#include <linux/types.h>

#define CV_BUILD_MAGIC 0x63767274U /* "cvrt" */

struct cv_build {
	__u32 magic;
	__u32 layout;	  /* CV_LAYOUT_VERSION, or ipvlan's: what the tables' fields mean */
	char version[32]; /* of the culvert that loaded it */
	__u64 made;	  /* when, seconds since 1970 */
	__u64 shape;	  /* of the tables, by their types (lib/shape.h) */
	__u8 reserved[72];
}; /* 128 bytes */

#endif
