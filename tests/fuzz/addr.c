// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of the grammar of `culvert addr add` and `del`: the input is a
 * command line. Their parser is private to its file; nothing is carried out.
 */
#include <stdint.h>

#include "../../cmd/addr.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS 64

/* The words of the line, behind the name of the command. */
static int cut(char *text, char **argv)
{
	char *rest = NULL;
	int argc = 1;

	argv[0] = "addr";
	for (char *w = strtok_r(text, " \n", &rest); w && argc < WORDS; w = strtok_r(NULL, " \n", &rest))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *argv[WORDS + 1];
	struct ipvlan_args a;
	struct change c = {};

	if (ipvlan_args_parse(&a, cut(text, argv), argv) == 0 && parse_change(&a, &c) == 0 && (!c.dev || !c.addrs.n))
		abort();
	cleanup_change(&c);
	free(text);
	return 0;
}
