// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of the grammar of `culvert addr add` and `del`: the input is a
 * command line. Their parser is private to its file; nothing is carried out.
 */
#include <stdint.h>

#include "../../cmd/addr.c"
#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *argv[WORDS + 1];
	struct ipvlan_args a;
	struct change c = {};

	if (ipvlan_args_parse(&a, words_cut("addr", text, argv), argv) == 0 &&
	    parse_change(&a, &c) == 0 && (!c.dev || !c.addrs.n))
		abort();
	cleanup_change(&c);
	free(text);
	return 0;
}
