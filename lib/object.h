/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The load balancer's BPF object, which is part of this program: opened, sized, loaded. */
#ifndef CULVERT_OBJECT_H
#define CULVERT_OBJECT_H

#include <bpf/libbpf.h>
#include <culvert/build.h>
#include <culvert/lb.h>

struct culvert_bpf;

/* Its maps in the sizes of `geo`, which its programs take for constants. */
int object_open(const struct cv_geometry *geo, struct culvert_bpf **out);
int object_load(struct culvert_bpf *skel);
void object_close(struct culvert_bpf **skel);

struct bpf_object *object_bpf(const struct culvert_bpf *skel);

/* What its data path says of itself. */
void object_build(struct cv_build *out);

/*
 * Runs ctl_start, given as an fd: from then on the timer calls that program's
 * sweeper. It lives as long as its map.
 */
int object_start_sweeper(int prog);

#endif
