/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of devices and namespaces, and arguments, may hold any byte: line ends,
 * what a terminal obeys, and what is no UTF-8. All of those are shown as "\x1b".
 */
#ifndef CULVERT_TEXT_H
#define CULVERT_TEXT_H

#include <stddef.h>

#include <jansson.h>

/* What a name of so many bytes takes at the most. */
#define TEXT_ROOM(bytes) (4 * (bytes) + 1)

/* For a terminal: `room`, which has TEXT_ROOM(strlen(raw)) bytes or the text is cut. */
const char *text_plain(const char *raw, char *room, size_t size);

/* For JSON, which has a notation of its own for control characters; NULL: no memory. */
json_t *text_json(const char *raw);

#endif
