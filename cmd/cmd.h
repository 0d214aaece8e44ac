/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the subcommands share. Each is one file, cmd/NAME.c, with one function
 * that gets its own name as argv[0] and returns the exit status.
 */
#ifndef CULVERT_CMD_H
#define CULVERT_CMD_H

#include <stdbool.h>

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

struct command {
	const char *name;
	const char *help; /* one line in `culvert help` */
	int (*run)(int argc, char **argv);
	bool applet; /* also runs when the program is called by this name */
};

/* The table of main.c, ended by an entry without a name; completion reads it. */
extern const struct command commands[];

int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_ipvsadm(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_link(int argc, char **argv);
int cmd_addr(int argc, char **argv);
int cmd_sysctl(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_track(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);

/*
 * Gives up all capabilities but those that this command may need, for good: argv[0] is
 * its name in the table.
 */
void privileges_keep(int argc, char **argv);

/* Prints "culvert NAME: ..." on standard error and returns CMD_FAILED. */
__attribute__((format(printf, 2, 3))) int cmd_error(const char *name, const char *format, ...);

/* While it is set, errors are about that place of a file: "culvert restore: FILE:LINE: ...". NULL: no more. */
void cmd_place(const char *place);

struct cv;
struct cv_sizes;

/* cv_open(), or cv_open_or_create() where there is none: *fresh. */
int cmd_open(struct cv **cv, const struct cv_sizes *sizes, bool *fresh);
/* The instance that this command has made goes again, if nobody else began to use it. */
void cmd_take_away(struct cv **cv);

/* Says what the library said of a failed call: "culvert NAME: what: why" (`what` may be NULL). */
int cmd_lib_error(const char *name, const char *what, int err);

#endif
