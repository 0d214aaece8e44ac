// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bpffs.h"
#include "cleanup.h"
#include "pins.h"
#include "shape.h"
#include "why.h"

#define NEW "new"
#define NAME_SIZE 64

/* ".data.settings" is pinned as data_settings: a bpffs has no names with dots. */
static void pin_name(const struct bpf_map *map, char out[NAME_SIZE])
{
	const char *name = bpf_map__name(map);

	snprintf(out, NAME_SIZE, "%s", name[0] == '.' ? name + 1 : name);
	for (char *c = out; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

int pins_mappable(const struct bpf_object *obj)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__is_internal(map) && !(bpf_map__map_flags(map) & BPF_F_MMAPABLE))
			return -ENOMEM;
	}
	return 0;
}

/* ---- pinning --------------------------------------------------------------- */

/* All but those that are pinned in `there` under the same name already (-1: all). */
static int pin_maps(int maps, int there, const struct bpf_object *obj)
{
	const struct bpf_map *map;
	char name[NAME_SIZE];
	int err = 0;

	bpf_object__for_each_map(map, obj) {
		_cleanup_fd_ int old = -1;

		pin_name(map, name);
		if (there >= 0) {
			old = bpffs_get(there, name);
			if (old >= 0 && map_id(old) == map_id(bpf_map__fd(map)))
				continue;
		}
		err = bpffs_pin(maps, name, bpf_map__fd(map));
		if (err)
			break;
	}
	return err;
}

static int pin_progs(int progs, const struct bpf_object *obj)
{
	struct bpf_program *prog;
	int err;

	bpf_object__for_each_program(prog, obj) {
		err = bpffs_pin(progs, bpf_program__name(prog), bpf_program__fd(prog));
		if (err)
			return err;
	}
	return 0;
}

static int pin_below(int dir, int there, const struct bpf_object *obj)
{
	_cleanup_fd_ int maps = -1, progs = -1;
	int err = bpffs_subdir(dir, "progs", true, &progs);

	if (!err)
		err = bpffs_subdir(dir, "maps", true, &maps);
	if (!err)
		err = pin_progs(progs, obj);
	return err ? err : pin_maps(maps, there, obj);
}

int pins_make(int dir, const struct bpf_object *obj)
{
	return pin_below(dir, -1, obj);
}

static int get_below(int dir, const char *sub, const char *name)
{
	_cleanup_fd_ int fd = -1;
	int err = bpffs_subdir(dir, sub, false, &fd);

	return err ? err : bpffs_get(fd, name);
}

int pins_prog(int dir, const char *name)
{
	int fd = get_below(dir, PINS_NEXT "/progs", name);

	return fd == -ENOENT ? get_below(dir, "progs", name) : fd;
}

/* ---- what there is for what comes -------------------------------------------- */

/* Constants, and who the programs are, come with the programs. */
static bool comes_along(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	return strstr(name, ".rodata") || strcmp(name, "build") == 0;
}

static int compare(const struct bpf_object *obj, const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	uint64_t shape;
	int err = shape_of_fd(fd, &shape);

	if (err || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return cv_fail(err ? err : -errno, "map %s does not tell its shape",
			       bpf_map__name(map));
	return shape == shape_of_map(obj, map) && info.max_entries == bpf_map__max_entries(map) ?
		       0 :
		       -EPROTO;
}

static int reuse(int maps, const struct bpf_object *obj, struct bpf_map *map)
{
	_cleanup_fd_ int fd = -1;
	char name[NAME_SIZE];
	int err;

	pin_name(map, name);
	fd = bpffs_get(maps, name);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	err = compare(obj, map, fd);
	if (err == -EPROTO && shape_is_scratch(map))
		return 0;
	if (err == -EPROTO)
		return cv_fail(
			err, "the table %s is laid out otherwise than in this culvert (%s)", name,
			bpf_map__name(map)[0] == '.' ? "a setting" : "its fields or its size");
	return err ? err : bpf_map__reuse_fd(map, fd);
}

int pins_reuse(int dir, struct bpf_object *obj)
{
	_cleanup_fd_ int maps = -1;
	struct bpf_map *map;
	int err = bpffs_subdir(dir, "maps", false, &maps);

	bpf_object__for_each_map(map, obj) {
		if (err)
			break;
		if (!comes_along(map))
			err = reuse(maps, obj, map);
	}
	return err;
}

/* ---- deciding ------------------------------------------------------------------ */

static int move(int from, const char *name, int to, const char *as)
{
	if (renameat(from, name, to, as) < 0)
		return cv_fail(-errno, "cannot put %s in place: %s", as, strerror(errno));
	return 0;
}

int pins_decide(int dir, const struct bpf_object *obj)
{
	_cleanup_fd_ int new = -1, there = -1;
	int err = bpffs_remove(dir, NEW);

	if (!err)
		err = bpffs_subdir(dir, "maps", false, &there);
	if (!err)
		err = bpffs_subdir(dir, NEW, true, &new);
	if (!err)
		err = pin_below(new, there, obj);
	if (!err)
		err = move(dir, NEW, dir, PINS_NEXT);
	if (err)
		bpffs_remove(dir, NEW);
	return err;
}

bool pins_decided(int dir)
{
	return faccessat(dir, PINS_NEXT, F_OK, 0) == 0;
}

int pins_undo(int dir)
{
	int err = bpffs_remove(dir, NEW);

	/* Half removed, it is not what P1 says: so it has another name by then. */
	if (!err && pins_decided(dir))
		err = move(dir, PINS_NEXT, dir, NEW);
	return err ? err : bpffs_remove(dir, NEW);
}

/* ---- settling ------------------------------------------------------------------ */

/* Calls `each` for every name in a directory below; none: nothing to do. */
static int each_name(int dir, const char *sub,
		     int (*each)(int dir, const char *name, const void *arg), const void *arg)
{
	int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		cleanup_fd(&fd);
		return errno == ENOENT ? 0 : cv_plain(-errno);
	}
	while (!err && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			err = each(dirfd(d), e->d_name, arg);
	}
	closedir(d);
	return err;
}

static int move_one(int from, const char *name, const void *to)
{
	return move(from, name, *(const int *)to, name);
}

static int move_all(int dir, const char *from, const char *to)
{
	_cleanup_fd_ int there = -1;
	int err = bpffs_subdir(dir, to, false, &there);

	return err ? err : each_name(dir, from, move_one, &there);
}

int pins_settle(int dir)
{
	int err = move_all(dir, PINS_NEXT "/progs", "progs");

	if (!err)
		err = move_all(dir, PINS_NEXT "/maps", "maps");
	return err ? err : bpffs_remove(dir, PINS_NEXT);
}

static int prune_prog(int dir, const char *name, const void *obj)
{
	if (!bpf_object__find_program_by_name(obj, name))
		bpffs_remove(dir, name);
	return 0;
}

static int prune_map(int dir, const char *name, const void *obj)
{
	const struct bpf_map *map;
	char pin[NAME_SIZE];

	bpf_object__for_each_map(map, (const struct bpf_object *)obj) {
		pin_name(map, pin);
		if (strcmp(pin, name) == 0)
			return 0;
	}
	bpffs_remove(dir, name);
	return 0;
}

void pins_prune(int dir, const struct bpf_object *obj)
{
	each_name(dir, "progs", prune_prog, obj);
	each_name(dir, "maps", prune_map, obj);
}
