// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipvsadm_lines.h"

#define READ_SIZE (1 << 16)
#define LINE_MOST (1 << 20) /* bytes; the longest that says anything has some hundred */

void lines_free(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
}

static char *line_end(const struct lines *l)
{
	return l->start < l->end ? memchr(l->buf + l->start, '\n', l->end - l->start) : NULL;
}

bool lines_would_wait(const struct lines *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return !l->eof && !line_end(l) && poll(&p, 1, 0) == 0;
}

/* Reads on; keeps one byte free after the end for the terminator of a last line. */
static int read_more(struct lines *l)
{
	ssize_t n;

	if (l->start) {
		memmove(l->buf, l->buf + l->start, l->end - l->start);
		l->end -= l->start;
		l->start = 0;
	}
	if (l->end - l->start > LINE_MOST)
		return -EMSGSIZE;
	if (l->room - l->end < READ_SIZE + 1) {
		size_t room = l->room * 2 + READ_SIZE + 1;
		char *more = realloc(l->buf, room);

		if (!more)
			return -ENOMEM;
		l->buf = more;
		l->room = room;
	}
	do
		n = read(l->fd, l->buf + l->end, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	l->end += (size_t)n;
	l->eof = n == 0;
	return 0;
}

int lines_next(struct lines *l, char **line)
{
	char *end = line_end(l);

	while (!end && !l->eof) {
		int err = read_more(l);

		if (err)
			return err;
		end = line_end(l);
	}
	if (l->start == l->end)
		return 0;
	*line = l->buf + l->start;
	if (!end)
		end = l->buf + l->end;
	*end = '\0';
	l->start = (size_t)(end - l->buf) + 1;
	if (l->start > l->end)
		l->start = l->end;
	return 1;
}

void words_free(struct words *w)
{
	free(w->at);
	w->at = NULL;
}

static int add_word(struct words *w, char *word)
{
	if (w->n == w->room) {
		int room = w->room ? w->room * 2 : 32;
		char **more = reallocarray(w->at, (size_t)room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->at = more;
		w->room = room;
	}
	w->at[w->n++] = word;
	return 0;
}

int words_split(struct words *w, const char *program, char *line)
{
	static const char blanks[] = " \t\r";
	char *rest = NULL, *word = strtok_r(line, blanks, &rest);
	int err;

	w->n = 0;
	err = add_word(w, (char *)program);
	for (; word && !err; word = strtok_r(NULL, blanks, &rest)) {
		if (strcmp(word, "ipvsadm") != 0)
			err = add_word(w, word);
	}
	if (!err)
		err = add_word(w, NULL);
	if (!err)
		w->n--;
	return err;
}
