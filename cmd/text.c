// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static bool within(unsigned char c, unsigned char low, unsigned char high)
{
	return low <= c && c <= high;
}

/* Bytes of the character that begins here and that is shown as it is; 0: a control character, or no UTF-8 (RFC 3629, 4). */
static size_t shown(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return within(s[0], ' ', '~');
	if (within(s[0], 0xc2, 0xdf))
		len = 2;
	else if (within(s[0], 0xe0, 0xef))
		len = 3;
	else if (within(s[0], 0xf0, 0xf4))
		len = 4;
	else
		return 0;
	/* Not longer than need be, no surrogates, nothing beyond U+10FFFF; U+0080 to U+009F are control characters. */
	if (s[0] == 0xc2 || s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (!within(s[1], low, high))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!within(s[i], 0x80, 0xbf))
			return 0;
	}
	return len;
}

const char *text_plain(const char *raw, char *room, size_t size)
{
	const unsigned char *s = (const unsigned char *)raw;
	size_t n = 0;

	while (*s && n + 5 <= size) {
		size_t len = shown(s);

		if (len) {
			memcpy(room + n, s, len);
			n += len;
			s += len;
		} else {
			n += (size_t)snprintf(room + n, size - n, "\\x%02x", *s++);
		}
	}
	room[n] = '\0';
	return room;
}

json_t *text_json(const char *raw)
{
	size_t size = TEXT_ROOM(strlen(raw));
	json_t *text = json_string(raw);
	char *room;

	if (text) /* it is UTF-8 */
		return text;
	room = malloc(size);
	if (room)
		text = json_string(text_plain(raw, room, size));
	free(room);
	return text;
}
