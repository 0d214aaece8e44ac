/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzzer's input as the words of a command line. */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include <string.h>

#define WORDS 64

/* Cuts the text into `argv`, behind the name of the command; how many there are with it. */
static inline int words_cut(const char *command, char *text, char *argv[WORDS + 1])
{
	char *rest = NULL, *name = (char *)command;
	int argc = 1;

	argv[0] = name;
	for (char *w = strtok_r(text, " \n", &rest); w && argc < WORDS;
	     w = strtok_r(NULL, " \n", &rest))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

#endif
