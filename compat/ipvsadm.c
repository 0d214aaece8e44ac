// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipvsadm: one command line from argv, or one from every line of a restore.
 *
 * The exit statuses are ipvsadm's: 255 what the kernel refused, 2 what the
 * command line got wrong, 1 a listing that failed. A restore ends where ipvsadm
 * would exit, goes on where it would return, and has the status of its last line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "ipvsadm.h"
#include "ipvsadm_apply.h"
#include "ipvsadm_help.h"
#include "ipvsadm_lines.h"
#include "ipvsadm_list.h"
#include "out.h"

enum { STATUS_OK = 0, STATUS_LIST = 1, STATUS_USAGE = 2, STATUS_REFUSED = 255 };

struct run {
	struct session session;
	struct out out;
	bool restoring;
	bool over; /* the rest of a restore is not read */
};

static int end_with(struct run *run, int status)
{
	run->over = true;
	return status;
}

static int complain(struct run *run, const struct ipvsadm_complaint *c)
{
	fprintf(stderr, "%s\n", c->text);
	return c->carry_on ? c->status : end_with(run, c->status);
}

/* The instance cannot be used at all. */
static int cannot_start(struct run *run, int err)
{
	fprintf(stderr, "Can't initialize ipvs: %s\n", apply_error(IPVSADM_COMMANDS, err));
	if (err == -EPERM || err == -EACCES)
		fputs("Are you sure that IP Virtual Server is built in the kernel or as module?\n",
		      stderr);
	return end_with(run, STATUS_USAGE);
}

static int list(struct run *run, const struct ipvsadm_request *r)
{
	struct cv *cv = run->session.cv;
	int err;

	if (ipvsadm_has(r, OPTION_CONNECTION))
		err = list_connections(cv, r, &run->out);
	else if (ipvsadm_has(r, OPTION_TIMEOUT))
		err = list_timeouts(cv, r, &run->out);
	else if (ipvsadm_has(r, OPTION_DAEMON))
		err = list_daemons(cv, r, &run->out);
	else
		err = list_services(cv, r, &run->out);

	if (out_flush(&run->out)) {
		fprintf(stderr, "standard output: %s\n", strerror(-run->out.err));
		return end_with(run, STATUS_LIST);
	}
	if (err) {
		fprintf(stderr, "%s\n", apply_error(IPVSADM_LIST, err));
		return end_with(run, STATUS_LIST);
	}
	return STATUS_OK;
}

static int change(struct run *run, const struct ipvsadm_request *r)
{
	int err = apply(&run->session, r);

	if (!err)
		return STATUS_OK;
	fprintf(stderr, "%s\n", apply_error(r->command, err));
	return STATUS_REFUSED;
}

static int restore(struct run *run, const char *program);

static int carry_out(struct run *run, const struct ipvsadm_request *r, const char *program)
{
	int err;

	switch (r->command) {
	case IPVSADM_HELP:
		ipvsadm_help(program);
		return end_with(run, STATUS_OK);
	case IPVSADM_VERSION:
		ipvsadm_version();
		return end_with(run, STATUS_OK);
	default:
		break;
	}
	err = session_open(&run->session);
	if (err)
		return cannot_start(run, err);
	switch (r->command) {
	case IPVSADM_RESTORE:
		return restore(run, program);
	case IPVSADM_LIST:
	case IPVSADM_SAVE:
		return list(run, r);
	default:
		return change(run, r);
	}
}

static int run_line(struct run *run, int argc, char *const *argv)
{
	struct ipvsadm_request request;
	struct ipvsadm_complaint complaint;

	if (ipvsadm_parse(&request, argc, argv, true, &complaint))
		return complain(run, &complaint);
	return carry_out(run, &request, argv[0]);
}

static int restore(struct run *run, const char *program)
{
	_cleanup_(lines_free) struct lines lines = { .fd = STDIN_FILENO };
	_cleanup_(words_free) struct words words = { 0 };
	int status = STATUS_OK;
	char *line;
	int more;

	if (run->restoring) {
		ipvsadm_try_help(program);
		return end_with(run, STATUS_REFUSED);
	}
	run->restoring = true;
	while (!run->over) {
		if (lines_would_wait(&lines))
			session_yield(&run->session);
		more = lines_next(&lines, &line);
		if (more == 0)
			break;
		if (more > 0)
			more = words_split(&words, program, line);
		if (more < 0) {
			fprintf(stderr, "standard input: %s\n",
				more == -EMSGSIZE ? "a line is longer than a megabyte" :
						    strerror(-more));
			return end_with(run, STATUS_REFUSED);
		}
		if (words.n > 1)
			status = run_line(run, words.n, words.at);
	}
	return status;
}

/* Without a command all services are listed; `culvert -j ipvsadm` is without one, too. */
static bool has_command(int argc, char **argv)
{
	return argc > 2 || (argc == 2 && strcmp(argv[1], "-j") && strcmp(argv[1], "--json"));
}

int ipvsadm_main(int argc, char **argv)
{
	static struct run run;
	char *list_all[] = { argv[0], "-L", argc > 1 ? argv[1] : NULL, NULL };
	int status;

	out_init(&run.out, STDOUT_FILENO);
	if (has_command(argc, argv))
		status = run_line(&run, argc, argv);
	else
		status = run_line(&run, argc > 1 ? 3 : 2, list_all);
	session_end(&run.session);
	return status;
}
