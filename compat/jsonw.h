/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A streaming JSON writer: nothing is kept in memory, so a listing of a million
 * entries starts at once. It puts the commas and closes what it opened, and
 * escapes every string, so what it wrote is JSON whatever it was given.
 * Members take a key; elements of an array take NULL.
 */
#ifndef CULVERT_JSONW_H
#define CULVERT_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "out.h"

#define JSONW_DEPTH 16

struct jsonw {
	struct out *out;
	unsigned int depth;
	bool some[JSONW_DEPTH]; /* whether this level has an entry already */
	char closer[JSONW_DEPTH];
};

void jsonw_begin(struct jsonw *j, struct out *out); /* the document: an object */
void jsonw_end(struct jsonw *j);		    /* closes every level still open */

void jsonw_object(struct jsonw *j, const char *key);
void jsonw_array(struct jsonw *j, const char *key);
void jsonw_close(struct jsonw *j);

void jsonw_string(struct jsonw *j, const char *key, const char *value);
void jsonw_number(struct jsonw *j, const char *key, uint64_t value);
void jsonw_signed(struct jsonw *j, const char *key, int64_t value);
void jsonw_bool(struct jsonw *j, const char *key, bool value);

#endif
