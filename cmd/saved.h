/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `culvert save` writes and `culvert restore` reads. */
#ifndef CULVERT_CMD_SAVED_H
#define CULVERT_CMD_SAVED_H

/* The first line: what this is, and the version of its form. */
#define SAVED_HEAD "culvert-save 1"

#endif
