// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness of the JSON writer: whatever bytes a name has, the document is
 * JSON to a strict reader, has no control character of its own, and valid UTF-8
 * comes back as it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "jsonw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct out out;
	char *text = strndup((const char *)data, size);
	int fd = memfd_create("json", MFD_CLOEXEC);
	json_t *doc, *plain = json_string(text);
	const char *back;
	struct jsonw j;

	out_init(&out, fd);
	jsonw_begin(&j, &out);
	jsonw_array(&j, "names");
	jsonw_string(&j, NULL, text);
	jsonw_number(&j, NULL, size);
	jsonw_end(&j);
	must(out_flush(&out) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	doc = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	must(doc != NULL);
	back = json_string_value(json_array_get(json_object_get(doc, "names"), 0));
	must(back != NULL);
	if (plain) /* jansson takes valid UTF-8 alone */
		must(strcmp(back, text) == 0);
	json_decref(plain);
	json_decref(doc);
	close(fd);
	free(text);
	return 0;
}
