// SPDX-License-Identifier: GPL-2.0-or-later
/* What is said of failures: one line on standard error, whatever stands in the words it quotes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "culvert.h"
#include "text.h"

static const char *place;

void cmd_place(const char *where)
{
	place = where;
}

/* On one line, and nothing that a terminal obeys. */
static void put_safely(const char *text)
{
	size_t size = TEXT_ROOM(strlen(text));
	char *room = malloc(size);

	if (room)
		fputs(text_plain(text, room, size), stderr);
	free(room);
}

int cmd_error(const char *name, const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	if (place)
		fprintf(stderr, "culvert restore: %s: ", place);
	else
		fprintf(stderr, "culvert %s: ", name);
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	put_safely(text ? text : format);
	free(text);
	fputc('\n', stderr);
	return CMD_FAILED;
}

int cmd_lib_error(const char *name, const char *what, int err)
{
	const char *why = cv_why();

	if (!*why)
		why = strerror(-err);
	return what ? cmd_error(name, "%s: %s", what, why) : cmd_error(name, "%s", why);
}
