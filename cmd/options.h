/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines as data: a command says what options it takes, and parsing and
 * --help follow from that.
 */
#ifndef CULVERT_OPTIONS_H
#define CULVERT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct option_spec {
	char letter;	  /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* what --help calls its argument; NULL: it takes none */
	const char *help;
	/* Reads the argument into `into`; returns false if it is none. */
	bool (*read)(const char *text, void *into);
	void *into;
	const char *want; /* what the argument has to be, for the error */
};

struct command_line {
	const char *name;  /* of the command */
	const char *usage; /* what follows it, in one line */
	const char *about; /* a sentence or two; "" of a line of a file, which has no --help */
	const struct option_spec *options; /* ended by one without a name */
	unsigned int least, most;	   /* arguments that are no options */
};

/*
 * Parses argv[1..]: options anywhere, others into `args` (room for `most`). 0;
 * or -1 with the exit status in *status, after --help or an error was printed.
 */
int options_parse(const struct command_line *line, int argc, char **argv, const char **args,
		  int *status);

/* Readers: a flag (bool, no argument), a number (uint32_t, 1 and up), a text (const char *, not empty). */
bool option_flag(const char *text, void *into);
bool option_text(const char *text, void *into);
bool option_number(const char *text, void *into);

#endif
