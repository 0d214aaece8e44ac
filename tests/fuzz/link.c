// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of the grammar of `culvert link`: the input is a command line,
 * parsed as `link add` and as `link set`, whose parser is private to its file.
 * Nothing is carried out.
 */
#include <stdint.h>

#include "../../cmd/link.c"
#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(char *text, bool add)
{
	char *argv[WORDS + 1];
	struct ipvlan_args a;
	struct request r = {};

	if (ipvlan_args_parse(&a, words_cut("link", text, argv), argv) == 0 &&
	    (add ? parse_add(&a, &r) : parse_request(&a, &r, false)) == 0 && !r.name)
		abort();
	cleanup_request(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text[2];

	for (int i = 0; i < 2; i++) {
		text[i] = strndup((const char *)data, size);
		parse(text[i], i);
		free(text[i]);
	}
	return 0;
}
