/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of a data path's maps: a number that changes when a field of what
 * they hold moves, grows, or is renamed, and not otherwise. It is made of the
 * types' BTF, so nobody has to remember to count a version up; what BTF cannot
 * see, a field's meaning, is what CV_LAYOUT_VERSION stands for.
 */
#ifndef CULVERT_SHAPE_H
#define CULVERT_SHAPE_H

#include <stdint.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* Of one type; 0 for an id of 0. */
uint64_t shape_of_type(const struct btf *btf, uint32_t id);

/* Of one map in an object that is open: its kind, its size if the object says it, its key and value. */
uint64_t shape_of_map(const struct bpf_object *obj, const struct bpf_map *map);

/* The same of a map in the kernel. -errno if it does not tell. */
int shape_of_fd(int fd, uint64_t *out);

/* Is it room for one packet on each CPU, which nobody misses afterwards? */
bool shape_is_scratch(const struct bpf_map *map);

/* Of all maps that outlive a packet, and of cv_geometry if the object has it. */
uint64_t shape_of_object(const struct bpf_object *obj);

#endif
