// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

void out_init(struct out *o, int fd)
{
	o->fd = fd;
	o->err = 0;
	o->len = 0;
}

int out_flush(struct out *o)
{
	size_t done = 0;

	while (!o->err && done < o->len) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			o->err = -errno;
	}
	o->len = 0;
	return o->err;
}

void out_bytes(struct out *o, const char *bytes, size_t len)
{
	while (len) {
		size_t part = sizeof(o->buf) - o->len;

		if (part > len)
			part = len;
		memcpy(o->buf + o->len, bytes, part);
		o->len += part;
		bytes += part;
		len -= part;
		if (o->len == sizeof(o->buf))
			out_flush(o);
	}
}

void out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void out_char(struct out *o, char c)
{
	out_bytes(o, &c, 1);
}

void digits_of(struct digits *d, uint64_t n)
{
	char *p = d->text + sizeof(d->text);

	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	d->first = p;
	d->len = (unsigned int)(d->text + sizeof(d->text) - p);
}

static void spaces(struct out *o, size_t n)
{
	static const char blank[] = "                                ";

	while (n) {
		size_t part = n < sizeof(blank) - 1 ? n : sizeof(blank) - 1;

		out_bytes(o, blank, part);
		n -= part;
	}
}

void out_number(struct out *o, uint64_t n)
{
	struct digits d;

	digits_of(&d, n);
	out_bytes(o, d.first, d.len);
}

void out_left(struct out *o, const char *bytes, size_t len, unsigned int width)
{
	out_bytes(o, bytes, len);
	if (len < width)
		spaces(o, width - len);
}

void out_left_text(struct out *o, const char *text, unsigned int width)
{
	out_left(o, text, strlen(text), width);
}

void out_left_number(struct out *o, int64_t n, unsigned int width)
{
	struct digits d;

	if (n < 0) {
		out_char(o, '-');
		width -= width > 0;
	}
	digits_of(&d, n < 0 ? -(uint64_t)n : (uint64_t)n);
	out_left(o, d.first, d.len, width);
}

void out_right_number(struct out *o, uint64_t n, unsigned int width)
{
	struct digits d;

	digits_of(&d, n);
	if (d.len < width)
		spaces(o, width - d.len);
	out_bytes(o, d.first, d.len);
}
