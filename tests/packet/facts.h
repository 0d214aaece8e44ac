/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's IPVS was seen to do: tests/reference/facts, JSON lines
 * recorded on Debian's 6.1. A fact is an object; its "fact" is its kind.
 */
#ifndef PACKET_FACTS_H
#define PACKET_FACTS_H

#include <stdbool.h>

#include <jansson.h>

/* All facts of a file as an array. Exits if it cannot be read. */
json_t *facts_load(const char *name);

/* A member that must be there. */
json_t *fact_get(const json_t *fact, const char *member);
const char *fact_text(const json_t *fact, const char *member);
int fact_number(const json_t *fact, const char *member);
bool fact_is(const json_t *fact, const char *kind);

#endif
