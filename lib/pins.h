/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A data path's directory: maps/, progs/ and links/, and how other programs come
 * to stand in it. They are pinned below new/, with the maps that they bring; the
 * rename to next/ says that they shall be everywhere. Then hook after hook gets
 * them, next/'s pins are moved over the old ones, and next/ goes.
 *
 * P1  While next/ is there, an upgrade has been decided: whoever takes the lock
 *     finishes it, before anything else. What is in it is whole.
 * P2  Every step can be done twice. Programs are looked for in next/ first.
 */
#ifndef CULVERT_PINS_H
#define CULVERT_PINS_H

#include <stdbool.h>

#include <bpf/libbpf.h>

#define PINS_NEXT "next"

/*
 * Can the variables of a loaded object be mapped? libbpf asks the kernel whether it has such maps, and when that
 * fails, if only for want of memory, makes others instead and says nothing. -ENOMEM
 */
int pins_mappable(const struct bpf_object *obj);

/* Pins all maps and programs in maps/ and progs/, which it makes. */
int pins_make(int dir, const struct bpf_object *obj);

/* An fd of a program: of the one that shall be everywhere if there is an upgrade under way. */
int pins_prog(int dir, const char *name);

/* Lets an object that is not loaded yet have the maps that there are. -EPROTO: one has another shape. */
int pins_reuse(int dir, struct bpf_object *obj);

/* Puts a loaded object's programs, and the maps that are its own, in next/. */
int pins_decide(int dir, const struct bpf_object *obj);
bool pins_decided(int dir);

/* Goes back on that, while the pins are where they were. */
int pins_undo(int dir);

/* All hooks carry them: next/ becomes what is there. */
int pins_settle(int dir);

/* Removes the pins of what `obj` does not have. */
void pins_prune(int dir, const struct bpf_object *obj);

#endif
