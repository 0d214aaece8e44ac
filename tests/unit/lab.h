/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the library's tests share: a network namespace of the program's own with
 * an instance in it (loading one takes a second, so a program makes one), and
 * short ways to write services and destinations.
 */
#ifndef CULVERT_TESTS_LAB_H
#define CULVERT_TESTS_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cleanup.h"
#include "culvert.h"
#include "instance.h"
#include "journal.h"

#define LAB_SERVICES 8
#define LAB_DESTS 16

/* The instance, small enough to be filled; the lock is held and all tables are mapped. */
extern struct cv *lab;

/* For cmocka's groups and tests. */
int lab_make(void **state);
int lab_unmake(void **state);
int lab_clean(void **state); /* as new: no services, no trash */

/* "10.0.0.1", "fd00::1" */
union cv_addr lab_addr(const char *text, uint8_t *family);

/* A TCP service "10.0.0.1" or "fd00::1", at this port. */
struct cv_service_key lab_key(const char *addr, uint16_t port);
struct cv_service_spec lab_service(const char *addr, uint16_t port, enum cv_sched sched);

/* By direct routing, at port 80. */
struct cv_dest_spec lab_dest(const char *addr, int32_t weight);

/* The addresses of a service's destinations in their order, as "a b c". */
const char *lab_list(const struct cv_service_key *key);

/*
 * All that can be listed, in one line and by key: two that are equal show the same
 * configuration.
 */
const char *lab_listing(void);

/* The slot of a destination, wherever it is; CV_NONE if it has none. */
uint32_t lab_slot(const struct cv_service_key *key, const char *addr);

/* Fails the test unless what is derived from the services' lists is what would be made of them now. */
void lab_check_derived(void);

/* Turns the destinations' clock back, as if they had been in the trash for so long. */
void lab_age(uint32_t ticks);

/* As `ip` and the like; fails the test unless it succeeds. */
void lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
