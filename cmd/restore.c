// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * culvert restore: makes what `culvert save` wrote down. The whole file is read and
 * checked first; then it is carried out under one lock, and what fails half way is
 * taken back. So it happens or it does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cmd.h"
#include "conn_line.h"
#include "culvert.h"
#include "ipvlan.h"
#include "ipvsadm_apply.h"
#include "ipvsadm_parse.h"
#include "link.h"
#include "options.h"
#include "saved.h"

/* A slave's line is the longest: "addr ADDRESS/LENGTH" or "allow PREFIX", as many as there are. */
#define WORDS_MOST (2 * (CV_IPV_ADDRS + CV_IPV_ALLOWS) + 64)
#define LINE_MOST (WORDS_MOST / 2 * (INET6_ADDRSTRLEN + (int)sizeof("allow /128")))

enum kind { ATTACH, SYSCTL, IPVSADM, CONN, LINK };

struct item {
	enum kind kind;
	unsigned long number; /* of its line */
	char *text;	      /* the line, cut into words; NULL once nothing refers to it */
	union {
		struct {
			const char *dev;
			enum cv_mode mode;
		} attach;
		struct {
			const char *name, *value;
		} sysctl;
		struct ipvsadm_request *ipvsadm;
		struct cv_conn_info *conn;
		struct {
			struct link_request *request;
			char **words;
		} link;
	};
};

struct restore {
	const char *file; /* for messages */
	unsigned long number;
	char place[300];
	struct item *items;
	size_t n, room;
	bool lb, ipvlan; /* there is something of it */
	struct cv_sizes sizes;
};

static void item_free(struct item *it)
{
	if (it->kind == IPVSADM)
		free(it->ipvsadm);
	if (it->kind == CONN)
		free(it->conn);
	if (it->kind == LINK) {
		link_request_free(&it->link.request);
		free(it->link.words);
	}
	free(it->text);
}

static void cleanup_restore(struct restore *r)
{
	for (size_t i = 0; i < r->n; i++)
		item_free(&r->items[i]);
	free(r->items);
	cmd_place(NULL);
}

static void at(struct restore *r, unsigned long number)
{
	snprintf(r->place, sizeof(r->place), "%s:%lu", r->file, number);
	cmd_place(r->place);
}

static int out_of_memory(void)
{
	cmd_error("restore", "out of memory");
	return -ENOMEM;
}

/* ---- reading ---------------------------------------------------------------- */

static bool read_mode(const char *text, void *into)
{
	*(enum cv_mode *)into = strcmp(text, "xdp") == 0 ? CV_MODE_XDP : CV_MODE_TC;
	return strcmp(text, "xdp") == 0 || strcmp(text, "tc") == 0;
}

static int read_attach(struct item *it, int argc, char **argv)
{
	const struct option_spec options[] = {
		{ 0, "mode", "MODE", "xdp or tc", read_mode, &it->attach.mode, "xdp or tc" },
		{},
	};
	const struct command_line line = { .name = "attach",
					   .usage = "DEV --mode xdp|tc",
					   .about = "",
					   .options = options,
					   .least = 1,
					   .most = 1 };
	int status;

	it->attach.mode = CV_MODE_AUTO;
	if (options_parse(&line, argc, argv, &it->attach.dev, &status))
		return -EINVAL;
	if (!if_nametoindex(it->attach.dev)) {
		cmd_error("attach", "there is no device %s", it->attach.dev);
		return -ENODEV;
	}
	return 0;
}

static int failed(const char *name, int err)
{
	cmd_lib_error(name, NULL, err);
	return err;
}

static int read_tables(struct restore *r, int argc, char **argv)
{
	const struct option_spec options[] = {
		{ 0, "max-conns", "N", "", option_number, &r->sizes.max_conns, "a number" },
		{ 0, "max-conns6", "N", "", option_number, &r->sizes.max_conns6, "a number" },
		{ 0, "max-services", "N", "", option_number, &r->sizes.max_services, "a number" },
		{ 0, "max-dests", "N", "", option_number, &r->sizes.max_dests, "a number" },
		{},
	};
	const struct command_line line = {
		.name = "tables",
		.usage = "--max-conns N --max-conns6 N --max-services N --max-dests N",
		.about = "",
		.options = options
	};
	int status;

	if (r->sizes.max_conns) {
		cmd_error("tables", "a second line of tables");
		return -EINVAL;
	}
	if (options_parse(&line, argc, argv, NULL, &status))
		return -EINVAL;
	return cv_check_sizes(&r->sizes) ? failed("tables", -E2BIG) : 0;
}

static int read_sysctl(struct item *it, int argc, char **argv)
{
	char *equals = argc >= 2 ? strchr(argv[1], '=') : NULL;
	int err;

	if (!equals) {
		cmd_error("sysctl", "wants NAME=VALUE");
		return -EINVAL;
	}
	/* All that follows is the value: the words were cut out of one line. */
	for (char *c = equals; c < argv[argc - 1]; c++) {
		if (!*c)
			*c = ' ';
	}
	*equals = '\0';
	it->sysctl.name = argv[1];
	it->sysctl.value = equals + 1;
	err = cv_setting_check(it->sysctl.name, it->sysctl.value);
	if (err)
		cmd_lib_error("sysctl", NULL, err);
	return err;
}

static int read_ipvsadm(struct item *it, int argc, char **argv)
{
	struct ipvsadm_complaint complaint;

	it->ipvsadm = malloc(sizeof(*it->ipvsadm));
	if (!it->ipvsadm)
		return out_of_memory();
	if (ipvsadm_parse(it->ipvsadm, argc, argv, false, &complaint)) {
		complaint.text[strcspn(complaint.text, "\n")] = '\0';
		cmd_error("ipvsadm", "%s", complaint.text);
		return -EINVAL;
	}
	if (it->ipvsadm->command != IPVSADM_ADD && it->ipvsadm->command != IPVSADM_ADD_DEST &&
	    it->ipvsadm->command != IPVSADM_TIMEOUTS) {
		cmd_error("ipvsadm", "only -A, -a and --set can be restored");
		return -EINVAL;
	}
	return 0;
}

static int read_conn(struct item *it, int argc, char **argv)
{
	it->conn = malloc(sizeof(*it->conn));
	return it->conn ? conn_line_read(argc, argv, it->conn) : out_of_memory();
}

/* The request refers to the words, so they stay. */
static int read_link(struct item *it, int argc, char **argv)
{
	it->link.words = calloc((size_t)argc + 1, sizeof(*argv));
	if (!it->link.words)
		return out_of_memory();
	memcpy(it->link.words, argv, (size_t)argc * sizeof(*argv));
	return link_request_new(&it->link.request, argc, it->link.words);
}

static const struct {
	const char *word;
	enum kind kind;
	int (*read)(struct item *it, int argc, char **argv);
} lines[] = {
	{ "attach", ATTACH, read_attach },    { "sysctl", SYSCTL, read_sysctl },
	{ "ipvsadm", IPVSADM, read_ipvsadm }, { "conn", CONN, read_conn },
	{ "link", LINK, read_link },
};

static struct item *new_item(struct restore *r)
{
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 64;
		struct item *more = reallocarray(r->items, room, sizeof(*more));

		if (!more)
			return NULL;
		r->items = more;
		r->room = room;
	}
	memset(&r->items[r->n], 0, sizeof(r->items[r->n]));
	return &r->items[r->n];
}

/* One line in words; `text` becomes the item's. */
static int read_words(struct restore *r, int argc, char **argv, char *text)
{
	struct item *it;
	int err;

	if (strcmp(argv[0], "tables") == 0) {
		err = read_tables(r, argc, argv);
		free(text);
		r->lb = true;
		return err;
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (strcmp(argv[0], lines[i].word) != 0)
			continue;
		it = new_item(r);
		if (!it) {
			free(text);
			return out_of_memory();
		}
		r->n++;
		*it = (struct item){ .kind = lines[i].kind, .number = r->number, .text = text };
		*(it->kind == LINK ? &r->ipvlan : &r->lb) = true;
		return lines[i].read(it, argc, argv);
	}
	cmd_error("restore", "\"%.40s\" is nothing that can be restored", argv[0]);
	free(text);
	return -EINVAL;
}

static int read_line(struct restore *r, const char *line)
{
	static char *argv[WORDS_MOST + 1];
	char *text = strdup(line), *rest = NULL;
	int argc = 0;

	if (!text)
		return out_of_memory();
	for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (argc == WORDS_MOST) {
			free(text);
			cmd_error("restore", "too many words");
			return -E2BIG;
		}
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	if (!argc || argv[0][0] == '#') {
		free(text);
		return 0;
	}
	return read_words(r, argc, argv, text);
}

/* A line without its end. 1: one was read; 0: the end of the file. */
static int next_line(struct restore *r, FILE *in, char *line)
{
	size_t len = 0;
	int c;

	r->number++;
	while ((c = getc(in)) != EOF && c != '\n') {
		if (c < ' ' && c != '\t') {
			at(r, r->number);
			cmd_error("restore", "a control character (%d): this is no text", c);
			return -EINVAL;
		}
		if (len == LINE_MOST - 1) {
			at(r, r->number);
			cmd_error("restore", "a line is at most %d characters", LINE_MOST - 1);
			return -EINVAL;
		}
		line[len++] = (char)c;
	}
	line[len] = '\0';
	if (ferror(in)) {
		cmd_error("restore", "%s: %s", r->file, strerror(errno));
		return -EIO;
	}
	at(r, r->number);
	return len || c != EOF;
}

static int read_all(struct restore *r, FILE *in)
{
	static char line[LINE_MOST];
	int more = next_line(r, in, line), err = 0;

	if (more >= 0 && (!more || strcmp(line, SAVED_HEAD) != 0)) {
		at(r, 1);
		cmd_error("restore",
			  "this is not what `culvert save` writes (\"" SAVED_HEAD "\" is missing)");
		return -EINVAL;
	}
	while (!err && more > 0) {
		more = next_line(r, in, line);
		if (more > 0)
			err = read_line(r, line);
	}
	cmd_place(NULL);
	return more < 0 ? more : err;
}

/* ---- carrying out -------------------------------------------------------------- */

static int do_ipvsadm(struct cv *cv, const struct item *it)
{
	struct session s = { .cv = cv, .locked = true };
	int err = apply(&s, it->ipvsadm);

	if (err)
		cmd_error("ipvsadm", "%s", apply_error(it->ipvsadm->command, err));
	return err;
}

static int do_item(struct cv *cv, struct cv_ipv *v, const struct item *it)
{
	int err;

	switch (it->kind) {
	case ATTACH:
		err = cv_attach(cv, it->attach.dev, it->attach.mode, NULL);
		return err ? failed("attach", err) : 0;
	case SYSCTL:
		err = cv_setting_set(cv, it->sysctl.name, it->sysctl.value);
		return err ? failed("sysctl", err) : 0;
	case IPVSADM:
		return do_ipvsadm(cv, it);
	case CONN:
		err = cv_conn_add(cv, it->conn);
		return err ? failed("conn", err) : 0;
	default:
		return link_request_run(v, it->link.request);
	}
}

static int do_kind(struct restore *r, enum kind kind, struct cv *cv, struct cv_ipv *v)
{
	int err = 0;

	for (size_t i = 0; i < r->n && !err; i++) {
		if (r->items[i].kind != kind)
			continue;
		at(r, r->items[i].number);
		err = do_item(cv, v, &r->items[i]);
	}
	cmd_place(NULL);
	return err;
}

/* Everything stands before the first packet comes by. */
static int do_all(struct restore *r, struct cv_restore *begun)
{
	static const enum kind order[] = { SYSCTL, IPVSADM, CONN, LINK, ATTACH };
	struct cv *cv = NULL;
	struct cv_ipv *v = NULL;
	int err = 0;

	if (r->lb)
		err = cv_restore_lb(begun, &r->sizes, &cv);
	if (!err && r->ipvlan)
		err = cv_restore_ipvlan(begun, &v);
	if (err)
		return failed("restore", err);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && !err; i++)
		err = do_kind(r, order[i], cv, v);
	if (err)
		return err;
	err = cv_restore_commit(begun);
	return err ? failed("restore", err) : 0;
}

/* Once for all slaves, and nothing if it failed: then there is one line, which says why. */
static void warn_of_links(const struct restore *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->items[i].kind == LINK && link_request_warn(r->items[i].link.request))
			return;
	}
}

static int carry_out(struct restore *r, bool if_empty)
{
	_cleanup_(cv_restore_end) struct cv_restore *begun = NULL;
	int err = cv_restore_begin(&begun);

	if (err == -EEXIST && if_empty)
		return CMD_OK;
	if (err)
		return cmd_lib_error("restore", NULL, err);
	if (do_all(r, begun))
		return CMD_FAILED;
	warn_of_links(r);
	return CMD_OK;
}

static void cleanup_file(FILE **f)
{
	if (*f && *f != stdin)
		fclose(*f);
}

int cmd_restore(int argc, char **argv)
{
	bool check = false, if_empty = false;
	const struct option_spec options[] = {
		{ 0, "check", NULL, "only say whether it could be restored here", option_flag,
		  &check, NULL },
		{ 0, "if-empty", NULL, "do nothing where there is something of culvert already",
		  option_flag, &if_empty, NULL },
		{},
	};
	const struct command_line line = {
		.name = "restore",
		.usage = "[--check] [--if-empty] [FILE]",
		.about =
			"Makes what `culvert save` wrote down, from FILE or standard input, in a network\n"
			"namespace that has nothing of culvert yet: all of it, or nothing.",
		.options = options,
		.most = 1,
	};
	_cleanup_(cleanup_restore) struct restore r = { .file = "standard input" };
	_cleanup_(cleanup_file) FILE *in = stdin;
	const char *file = NULL;
	int status;

	if (options_parse(&line, argc, argv, &file, &status))
		return status;
	if (file) {
		r.file = file;
		in = fopen(file, "re");
		if (!in)
			return cmd_error("restore", "%s: %s", file, strerror(errno));
	}
	if (read_all(&r, in))
		return CMD_FAILED;
	return check ? CMD_OK : carry_out(&r, if_empty);
}
