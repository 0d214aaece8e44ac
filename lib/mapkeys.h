/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All keys of a BPF map at once. A walk by bpf_map_get_next_key() starts over when the
 * key that it stands on is deleted meanwhile; here it ends in any case, and one that could
 * not be read to its end is an error rather than a short list.
 */
#ifndef CULVERT_MAPKEYS_H
#define CULVERT_MAPKEYS_H

#include <stddef.h>
#include <stdint.h>

struct map_keys {
	void *keys; /* one after the other; to be given back by map_keys_free() */
	uint32_t n;
};

/* No more than the map has room for: what is added and deleted meanwhile may be there or not. */
int map_keys(int fd, size_t key_size, struct map_keys *out);
void map_keys_free(struct map_keys *k);

#endif
