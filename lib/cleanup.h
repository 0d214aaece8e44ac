/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership by scope: a variable marked with one of these gives its resource
 * back when it goes out of scope; take_fd() and take_ptr() hand it on instead.
 */
#ifndef CULVERT_CLEANUP_H
#define CULVERT_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_free_ _cleanup_(cleanup_free)

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

#define take_fd(fd)             \
	({                      \
		int fd_ = (fd); \
		(fd) = -1;      \
		fd_;            \
	})

#define take_ptr(p)                 \
	({                          \
		typeof(p) p_ = (p); \
		(p) = NULL;         \
		p_;                 \
	})

#endif
