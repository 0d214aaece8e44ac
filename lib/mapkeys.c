// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "mapkeys.h"
#include "why.h"

void map_keys_free(struct map_keys *k)
{
	free(k->keys);
	*k = (struct map_keys){};
}

static void *key_at(const struct map_keys *k, size_t key_size, uint32_t i)
{
	return (char *)k->keys + i * key_size;
}

/* Makes room for one more in the doubling way. */
static int grow(struct map_keys *k, size_t key_size)
{
	void *more;

	if (k->n & (k->n - 1) || (k->n && k->n < 16))
		return 0;
	more = reallocarray(k->keys, k->n < 16 ? 16 : 2UL * k->n, key_size);
	if (!more)
		return cv_plain(-ENOMEM);
	k->keys = more;
	return 0;
}

int map_keys(int fd, size_t key_size, struct map_keys *out)
{
	_cleanup_(map_keys_free) struct map_keys k = {};
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return cv_plain(-errno);
	if (info.key_size != key_size)
		return cv_fail(
			-EPROTO,
			"the keys of the table %s are laid out otherwise than in this culvert",
			info.name);
	while (k.n < info.max_entries) {
		int err = grow(&k, key_size);

		if (err)
			return err;
		if (bpf_map_get_next_key(fd, k.n ? key_at(&k, key_size, k.n - 1) : NULL,
					 key_at(&k, key_size, k.n)) < 0) {
			if (errno == ENOENT)
				break;
			return cv_fail(-errno, "cannot read the table %s: %s", info.name,
				       strerror(errno));
		}
		k.n++;
	}
	*out = k;
	k.keys = NULL;
	return 0;
}
