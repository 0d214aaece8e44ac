// SPDX-License-Identifier: GPL-2.0-or-later
/* culvert COMMAND ...: finds the command in the table and runs it. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cmd.h"
#include "culvert.h"

static int cmd_help(int argc, char **argv);

const struct command commands[] = {
	{ "attach", "let a device's packets reach the load balancer", cmd_attach, false },
	{ "detach", "leave a device as it was", cmd_detach, false },
	{ "status", "show devices, tables and counters", cmd_status, false },
	{ "ipvsadm", "services, real servers and connections, as ipvsadm(8)", cmd_ipvsadm, true },
	{ "link", "ipvlan slaves, as ip-link(8)", cmd_link, false },
	{ "addr", "their addresses, as ip-address(8)", cmd_addr, false },
	{ "sysctl", "the load balancer's settings: net.ipv4.vs.*", cmd_sysctl, false },
	{ "track", "let slaves follow their namespaces and their master", cmd_track, false },
	{ "save", "write down all there is, for restore", cmd_save, false },
	{ "restore", "make all of it again", cmd_restore, false },
	{ "upgrade", "replace the data path by this culvert's, under traffic", cmd_upgrade, false },
	{ "help", "show this list, or a command's usage", cmd_help, false },
	{ NULL, NULL, NULL, false },
};

static void usage(FILE *to)
{
	fputs("usage: culvert [-j] COMMAND [ARGUMENT...]\n"
	      "       culvert COMMAND --help\n"
	      "       culvert --version\n\n",
	      to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-12s %s\n", c->name, c->help);
}

static const struct command *find(const char *name, bool applet)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0 && (!applet || c->applet))
			return c;
	}
	return NULL;
}

static int run(const struct command *c, int argc, char **argv)
{
	argv[0] = (char *)c->name;
	privileges_keep(argc, argv);
	return c->run(argc, argv);
}

static bool is_json(const char *word)
{
	return strcmp(word, "-j") == 0 || strcmp(word, "-json") == 0 || strcmp(word, "--json") == 0;
}

static int no_command(const char *name)
{
	fprintf(stderr, "culvert: no command \"%s\"; `culvert help` lists them\n", name);
	return CMD_USAGE;
}

static int put_json(json_t *what)
{
	json_dumpf(what, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(what);
	return CMD_OK;
}

static int list_json(void)
{
	json_t *list = json_array();

	for (const struct command *c = commands; c->name; c++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "command", c->name, "help", c->help));
	return put_json(list);
}

static int cmd_help(int argc, char **argv)
{
	const struct command *c;
	char *words[] = { NULL, "--help", NULL };

	if (argc > 1 && is_json(argv[1]))
		return list_json();
	if (argc < 2 || argv[1][0] == '-') {
		usage(stdout);
		return CMD_OK;
	}
	c = find(argv[1], false);
	if (!c)
		return no_command(argv[1]);
	return run(c, 2, words);
}

static int cmd_version(int argc, char **argv)
{
	if (argc > 1 && is_json(argv[1]))
		return put_json(json_pack("{s:s}", "version", cv_own_version()));
	printf("culvert %s\n", cv_own_version());
	return CMD_OK;
}

/* `culvert -j COMMAND ...`, as with ip(8), is `culvert COMMAND ... -j`. */
static void json_last(int argc, char **argv)
{
	int at = 1;

	for (; at + 1 < argc && strcmp(argv[at + 1], "--") != 0; at++)
		argv[at] = argv[at + 1];
	argv[at] = "-j";
}

static void say_wait(const char *holder)
{
	fprintf(stderr, "culvert: waiting: %s has the lock\n", holder);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *self = slash ? slash + 1 : argc ? argv[0] : "culvert";
	const struct command *c = find(self, true);

	cv_on_wait(say_wait);
	if (c)
		return run(c, argc, argv);
	if (argc < 2) {
		usage(stderr);
		return CMD_USAGE;
	}
	if (argc > 2 && is_json(argv[1]))
		json_last(argc, argv);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cmd_help(argc - 1, argv + 1);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cmd_version(argc - 1, argv + 1);
	c = find(argv[1], false);
	return c ? run(c, argc - 1, argv + 1) : no_command(argv[1]);
}
