// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "bpffs.h"
#include "build.h"
#include "cleanup.h"
#include "why.h"

#define MAP "build"

void build_fill(struct cv_build *out, uint32_t layout, uint64_t shape)
{
	*out = (struct cv_build){ .magic = CV_BUILD_MAGIC,
				  .layout = layout,
				  .shape = shape,
				  .made = (uint64_t)time(NULL) };
	snprintf(out->version, sizeof(out->version), "%s", cv_own_version());
}

int build_store(const struct bpf_object *obj, const struct cv_build *build)
{
	int fd = bpf_object__find_map_fd_by_name(obj, MAP);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, build, BPF_ANY) < 0)
		return cv_fail(fd < 0 ? fd : -errno, "cannot fill the maps: %s",
			       strerror(fd < 0 ? -fd : errno));
	return 0;
}

int build_read(int dir, struct cv_build *out)
{
	_cleanup_fd_ int maps = -1, fd = -1;
	struct bpf_map_info info = {};
	__u32 size = sizeof(info), zero = 0;
	int err = bpffs_subdir(dir, "maps", false, &maps);

	if (err)
		return err;
	fd = bpffs_get(maps, MAP);
	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.value_size != sizeof(*out) || bpf_map_lookup_elem(fd, &zero, out) < 0 ||
	    out->magic != CV_BUILD_MAGIC)
		return cv_fail(-EPROTO, "the data path does not say which culvert loaded it");
	return 0;
}

int build_check(int dir, const struct cv_build *own)
{
	struct cv_build there;
	int err = build_read(dir, &there);

	if (err || (there.layout == own->layout && there.shape == own->shape))
		return err;
	return cv_fail(
		-EPROTO,
		"this namespace's data path is culvert %.*s's, whose tables are laid out otherwise than those of "
		"this command (%s): `culvert upgrade` replaces it",
		(int)sizeof(there.version) - 1, there.version, cv_own_version());
}

void build_show(const struct cv_build *build, struct cv_version *out)
{
	*out = (struct cv_version){ .layout = build->layout,
				    .shape = build->shape,
				    .made = build->made };
	memcpy(out->culvert, build->version, sizeof(out->culvert) - 1);
}
