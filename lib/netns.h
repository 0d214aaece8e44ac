/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces: by the name that `ip netns` gave them or by the number of
 * a process in them, as `ip link ... netns` takes either; and entered for the
 * length of a few system calls.
 */
#ifndef CULVERT_NETNS_H
#define CULVERT_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#define NETNS_DIR "/run/netns"
#define NETNS_NAME 256

/* -ENOENT: neither a name nor a process; -ESRCH: no such process. */
int netns_open(const char *name_or_pid, int *out);

/* The calling thread's. */
int netns_open_self(int *out);

/* Which one a file descriptor is, or 0. */
uint64_t netns_ino(int fd);

/* The name that `ip netns` knows it by. -ENOENT: it has none. */
int netns_name(uint64_t ino, char out[NETNS_NAME]);

/*
 * Calls `each` for every namespace that has a name, then for those that only
 * have processes, each once, until it returns non-zero. The fd is `each`'s only
 * during the call.
 */
int netns_each(int (*each)(int fd, uint64_t ino, void *arg), void *arg);

struct netns_visit {
	int home; /* -1: went nowhere */
};

/* Enters a namespace (a file descriptor; a negative one: stays here). */
int netns_enter(struct netns_visit *visit, int fd);
void netns_leave(struct netns_visit *visit);

#endif
