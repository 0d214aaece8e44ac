// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "shape.h"

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size--)
		hash = (hash ^ *p++) * FNV_PRIME;
	return hash;
}

static uint64_t mix_number(uint64_t hash, uint64_t n)
{
	return mix(hash, &n, sizeof(n));
}

static uint64_t mix_type(const struct btf *btf, uint32_t id, uint64_t hash);

static uint64_t mix_members(const struct btf *btf, const struct btf_type *t, uint64_t hash)
{
	const struct btf_member *m = btf_members(t);

	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, m[i].name_off);

		hash = mix(hash, name, strlen(name) + 1);
		hash = mix_number(hash, btf_member_bit_offset(t, i));
		hash = mix_number(hash, btf_member_bitfield_size(t, i));
		hash = mix_type(btf, m[i].type, hash);
	}
	return hash;
}

/* A section of global variables. */
static uint64_t mix_section(const struct btf *btf, const struct btf_type *t, uint64_t hash)
{
	const struct btf_var_secinfo *v = btf_var_secinfos(t);

	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		hash = mix_number(hash, v[i].offset);
		hash = mix_type(btf, btf__type_by_id(btf, v[i].type)->type, hash);
	}
	return hash;
}

/* Without a loop: a type only comes back to itself through a pointer. */
static uint64_t mix_type(const struct btf *btf, uint32_t id,
			 uint64_t hash) /* NOLINT(misc-no-recursion) */
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t) || btf_is_type_tag(t)))
		t = btf__type_by_id(btf, t->type);
	if (!t || btf_is_void(t))
		return mix_number(hash, 0);
	if (btf_is_array(t)) {
		hash = mix_number(hash, btf_array(t)->nelems);
		return mix_type(btf, btf_array(t)->type, hash);
	}
	if (btf_is_composite(t))
		return mix_members(btf, t, mix_number(hash, t->size));
	if (btf_is_datasec(t))
		return mix_section(btf, t, hash);
	return mix_number(hash, btf_is_ptr(t) ? sizeof(uint64_t) : t->size);
}

uint64_t shape_of_type(const struct btf *btf, uint32_t id)
{
	return id ? mix_type(btf, id, FNV_BASIS) : 0;
}

static uint64_t combine(uint32_t type, uint32_t key_size, uint32_t value_size, uint64_t key,
			uint64_t value)
{
	uint64_t hash = mix_number(FNV_BASIS, type);

	hash = mix_number(hash, key_size);
	hash = mix_number(hash, value_size);
	return mix_number(mix_number(hash, key), value);
}

/* libbpf gives a section's map the section's type when it makes the map. */
static uint32_t value_type(const struct btf *btf, const struct bpf_map *map)
{
	int id;

	if (bpf_map__btf_value_type_id(map) || !bpf_map__is_internal(map))
		return bpf_map__btf_value_type_id(map);
	id = btf__find_by_name_kind(btf, bpf_map__name(map), BTF_KIND_DATASEC);
	return id > 0 ? (uint32_t)id : 0;
}

uint64_t shape_of_map(const struct bpf_object *obj, const struct bpf_map *map)
{
	const struct btf *btf = bpf_object__btf(obj);

	return combine(
		bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
		bpf_map__is_internal(map) ? 0 : shape_of_type(btf, bpf_map__btf_key_type_id(map)),
		shape_of_type(btf, value_type(btf, map)));
}

int shape_of_fd(int fd, uint64_t *out)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct btf *btf;
	const struct btf_type *value;

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		return -errno;
	value = btf__type_by_id(btf, info.btf_value_type_id);
	*out = combine(info.type, info.key_size, info.value_size,
		       value && btf_is_datasec(value) ? 0 :
							shape_of_type(btf, info.btf_key_type_id),
		       shape_of_type(btf, info.btf_value_type_id));
	btf__free(btf);
	return 0;
}

bool shape_is_scratch(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY && bpf_map__max_entries(map) == 1;
}

uint64_t shape_of_object(const struct bpf_object *obj)
{
	int geometry = btf__find_by_name_kind(bpf_object__btf(obj), "cv_geometry", BTF_KIND_STRUCT);
	uint64_t hash = geometry > 0 ? shape_of_type(bpf_object__btf(obj), (uint32_t)geometry) : 0;
	const struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		const char *name = bpf_map__name(map);

		/* Constants are of the programs, not of the state. */
		if (shape_is_scratch(map) || strstr(name, ".rodata"))
			continue;
		hash = mix_number(mix(hash, name, strlen(name) + 1), shape_of_map(obj, map));
	}
	return hash;
}
