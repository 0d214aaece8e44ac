/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffered output that formats by itself: a listing of a million lines costs
 * one write() per buffer and no printf(). The first error of write() is kept
 * and ends all output; out_flush() tells it.
 */
#ifndef CULVERT_OUT_H
#define CULVERT_OUT_H

#include <stddef.h>
#include <stdint.h>

struct out {
	int fd;
	int err; /* negative errno of the first write() that failed */
	size_t len;
	char buf[1 << 16];
};

/* A number's decimal digits, with room for any uint64_t. */
struct digits {
	char text[20];
	unsigned int len;
	const char *first;
};

void out_init(struct out *o, int fd);
int out_flush(struct out *o);

void out_bytes(struct out *o, const char *bytes, size_t len);
void out_text(struct out *o, const char *text);
void out_char(struct out *o, char c);
void out_number(struct out *o, uint64_t n);

/* Left-aligned and right-aligned in a column of at least `width`, as "%-*s" and "%*u". */
void out_left(struct out *o, const char *bytes, size_t len, unsigned int width);
void out_left_text(struct out *o, const char *text, unsigned int width);
void out_left_number(struct out *o, int64_t n, unsigned int width);
void out_right_number(struct out *o, uint64_t n, unsigned int width);

void digits_of(struct digits *d, uint64_t n);

#endif
