/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a file to restore, and the words in them. */
#ifndef CULVERT_IPVSADM_LINES_H
#define CULVERT_IPVSADM_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	int fd;
	bool eof;
	char *buf;
	size_t start, end, room; /* unread: buf[start..end) */
};

void lines_free(struct lines *l);

/* Whether the next lines_next() would have to wait for more input. */
bool lines_would_wait(const struct lines *l);

/*
 * 1 and the line, which stays until the next call; 0 at the end; or a negative
 * errno: -EMSGSIZE for a line of more than a megabyte, which takes no more memory.
 */
int lines_next(struct lines *l, char **line);

/* A vector of words, ended by NULL, as argv is. */
struct words {
	char **at;
	int n, room;
};

void words_free(struct words *w);

/*
 * Cuts a line into words after `program`, in place. There is no quoting. A
 * word "ipvsadm" is left out, so that lines may be whole commands. 0 or -ENOMEM.
 */
int words_split(struct words *w, const char *program, char *line);

#endif
