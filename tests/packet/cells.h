/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorded table of states: for each path that leads to a state, what every
 * step after it makes of the connection. A cell is played through both doors.
 */
#ifndef PACKET_CELLS_H
#define PACKET_CELLS_H

#include "facts.h"
#include "talk.h"

/* Makes the settings in `path`, and what of the talk the fact says; returns their text for messages. */
typedef const char *(*cell_settings)(const json_t *fact, struct talk *t);

/* All facts of this kind in a recording, which has so many cells. */
void cells_play(const char *recording, const char *kind, unsigned int cells, cell_settings set,
		bool v6);

#endif
