// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of the hash schedulers, in the data path's map (culvert/sched.h). */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include <culvert/sched.h>

#include "scheduler.h"
#include "why.h"

static int write_piece(int fd, const struct cv_table_key *key, const uint32_t *slots, uint32_t n)
{
	struct cv_table piece;

	memset(&piece, 0xff, sizeof(piece)); /* CV_NONE */
	memcpy(piece.dest, slots, n * sizeof(*slots));
	if (bpf_map_update_elem(fd, key, &piece, BPF_ANY) < 0)
		return cv_fail(-errno, "map tables: %s", strerror(errno));
	return 0;
}

static int remove_piece(int fd, const struct cv_table_key *key)
{
	if (bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT)
		return cv_fail(-errno, "map tables: %s", strerror(errno));
	return 0;
}

int sched_table_write(struct cv *cv, uint32_t service, const uint32_t *slots, uint32_t n_slots,
		      bool fresh)
{
	struct cv_table_key key = { .service = service };
	int fd = map_fd(cv, MAP_SCHED_TABLES), err = fd < 0 ? fd : 0;

	for (; key.piece < CV_TABLE_PIECES && !err; key.piece++) {
		uint32_t from = key.piece * CV_TABLE_PIECE;

		if (from < n_slots)
			err = write_piece(fd, &key, slots + from,
					  n_slots - from < CV_TABLE_PIECE ? n_slots - from :
									    CV_TABLE_PIECE);
		else if (fresh)
			err = remove_piece(fd, &key);
		else
			break;
		if (journal_step)
			journal_step();
	}
	return err;
}
