// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <stddef.h>

#include "jsonw.h"

/*
 * Bytes of the UTF-8 sequence that `s` begins with, or 0 if it begins with none
 * (RFC 3629): names of hosts and devices may hold any bytes, JSON may not.
 */
static size_t utf8(const unsigned char *s)
{
	unsigned int low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return s[0] < 0x80;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return len;
}

static void quoted(struct out *o, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)text;

	out_char(o, '"');
	while (*s) {
		size_t len = utf8(s);

		if (len == 0) {
			out_text(o, "\\ufffd");
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			out_char(o, '\\');
			out_char(o, (char)*s);
		} else if (*s < 0x20) {
			out_text(o, "\\u00");
			out_char(o, hex[*s >> 4]);
			out_char(o, hex[*s & 15]);
		} else {
			out_bytes(o, (const char *)s, len);
		}
		s += len;
	}
	out_char(o, '"');
}

/* Everything that comes before a value. The document's lists get a line for each entry. */
static void lead(struct jsonw *j, const char *key)
{
	if (j->some[j->depth])
		out_char(j->out, ',');
	if (j->depth == 1)
		out_char(j->out, '\n');
	j->some[j->depth] = true;
	if (key) { /* a word of ours: nothing to escape */
		out_char(j->out, '"');
		out_text(j->out, key);
		out_text(j->out, "\":");
	}
}

static void open_level(struct jsonw *j, char opener, char closer)
{
	assert(j->depth + 1 < JSONW_DEPTH);
	out_char(j->out, opener);
	j->depth++;
	j->some[j->depth] = false;
	j->closer[j->depth] = closer;
}

void jsonw_begin(struct jsonw *j, struct out *out)
{
	j->out = out;
	j->depth = 0;
	j->some[0] = false;
	j->closer[0] = '}';
	out_char(out, '{');
}

void jsonw_close(struct jsonw *j)
{
	assert(j->depth > 0);
	if (j->depth == 1 && j->some[1])
		out_char(j->out, '\n');
	out_char(j->out, j->closer[j->depth]);
	j->depth--;
}

void jsonw_end(struct jsonw *j)
{
	while (j->depth)
		jsonw_close(j);
	out_text(j->out, "}\n");
}

void jsonw_object(struct jsonw *j, const char *key)
{
	lead(j, key);
	open_level(j, '{', '}');
}

void jsonw_array(struct jsonw *j, const char *key)
{
	lead(j, key);
	open_level(j, '[', ']');
}

void jsonw_string(struct jsonw *j, const char *key, const char *value)
{
	lead(j, key);
	quoted(j->out, value);
}

void jsonw_number(struct jsonw *j, const char *key, uint64_t value)
{
	lead(j, key);
	out_number(j->out, value);
}

void jsonw_signed(struct jsonw *j, const char *key, int64_t value)
{
	lead(j, key);
	out_left_number(j->out, value, 0);
}

void jsonw_bool(struct jsonw *j, const char *key, bool value)
{
	lead(j, key);
	out_text(j->out, value ? "true" : "false");
}
