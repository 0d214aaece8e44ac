/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of ipvlan; what the values mean stands in include/culvert/ipvlan.h. */
#ifndef CULVERT_BPF_IPVLAN_MAPS_H
#define CULVERT_BPF_IPVLAN_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <culvert/build.h>
#include <culvert/ipvlan.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CV_IPV_MASTERS);
	__type(key, __u32);
	__type(value, struct cv_ipv_master);
} masters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CV_IPV_SLAVES);
	__type(key, __u32);
	__type(value, struct cv_ipv_slave);
} slaves SEC(".maps");

/* Who loaded these programs: the library's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_build);
} build SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CV_IPV_MASTERS + CV_IPV_SLAVES);
	__type(key, __u32);
	__type(value, struct cv_ipv_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_IPV_ADDRS);
	__type(key, struct cv_ipv_addr_key);
	__type(value, struct cv_ipv_addr);
} addrs SEC(".maps");

/* Link-local addresses of others on the wire, which slaves may therefore not claim (V4). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CV_IPV_STRANGERS);
	__type(key, struct cv_ipv_addr_key);
	__type(value, __u32);
} strangers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_IPV_ALLOWS);
	__type(key, struct cv_ipv_allow_key);
	__type(value, __u32);
} allows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CV_IPV_SLAVES + CV_IPV_MASTERS);
	__type(key, __u32);
	__type(value, struct cv_ipv_counters);
} counters SEC(".maps");

/* Where a device may be found in `masters` or `slaves`: device.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CV_IPV_HINTS);
	__type(key, __u32);
	__type(value, __u32);
} hints SEC(".maps");

/* Who had an address a moment ago: address.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CV_IPV_REMEMBERED);
	__type(key, __u32);
	__type(value, struct cv_ipv_owner);
} owners SEC(".maps");

/* What a route was a moment ago: straight.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CV_IPV_REMEMBERED);
	__type(key, __u32);
	__type(value, struct cv_ipv_route);
} routes SEC(".maps");

/* The highest bits, for the last byte of an address is the highest of its word. */
static __always_inline __u32 remembered_at(__u32 hash)
{
	return (hash * 0x9e3779b1U) >> (32 - CV_IPV_REMEMBERED_BITS);
}

static __always_inline struct cv_ipv_slave *slave_at(__u32 index)
{
	struct cv_ipv_slave *s = bpf_map_lookup_elem(&slaves, &index);

	return s && READ_ONCE(s->state) == CV_IPV_LIVE ? s : NULL;
}

static __always_inline struct cv_ipv_master *master_at(__u32 index)
{
	struct cv_ipv_master *m = bpf_map_lookup_elem(&masters, &index);

	return m && READ_ONCE(m->state) == CV_IPV_LIVE ? m : NULL;
}

static __always_inline void count(__u32 index, enum cv_ipv_count what)
{
	struct cv_ipv_counters *c = bpf_map_lookup_elem(&counters, &index);

	if (c)
		c->n[what]++;
}

/* A packet of this length: `what` and, after it in the enumeration, its bytes. */
static __always_inline void count_packet(__u32 index, enum cv_ipv_count what, __u32 bytes)
{
	struct cv_ipv_counters *c = bpf_map_lookup_elem(&counters, &index);

	if (c) {
		c->n[what]++;
		c->n[what + 1] += bytes;
	}
}

#endif
