// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks how many pages of memory are free, once a second, for the automatic
 * modes of secure_tcp, drop_entry and drop_packet: the defence_work of
 * ip_vs_ctl.c. BPF has no si_meminfo(), but it may follow the kernel's own
 * structures: from any task to its memory cgroup, to a node, to all zones.
 *
 * An object of its own, loaded when such a mode is first asked for: it needs the
 * kernel's type information (BTF), memory cgroups, and leave to read kernel
 * memory, which the load balancer does without. Its timer lives as long as its
 * pinned map.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include <culvert/lb.h>

#define CLOCK_MONOTONIC 1
#define SECOND_NS 1000000000ULL

/* ---- what is asked of the kernel's types: by name, wherever they stand --------- */

#define KERNEL __attribute__((preserve_access_index))

enum cgroup_subsys_id { memory_cgrp_id };
enum zone_stat_item { NR_FREE_PAGES };

struct cgroup_subsys_state;

struct css_set {
	struct cgroup_subsys_state *subsys[1];
} KERNEL;

struct task_struct {
	struct css_set *cgroups;
} KERNEL;

struct zone {
	struct {
		long counter;
	} vm_stat[1];
} KERNEL;

struct zoneref {
	struct zone *zone;
} KERNEL;

struct zonelist {
	struct zoneref _zonerefs[1];
} KERNEL;

struct pglist_data {
	struct zonelist node_zonelists[1];
} KERNEL;

struct lruvec {
	struct pglist_data *pgdat;
} KERNEL;

struct mem_cgroup_per_node {
	struct lruvec lruvec;
} KERNEL;

struct mem_cgroup {
	struct mem_cgroup_per_node *nodeinfo[1]; /* begins with its cgroup_subsys_state */
} KERNEL;

/* ---- maps ------------------------------------------------------------------------ */

/* The instance's own: where the figure goes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_clock);
} data_clock SEC(".maps");

struct watch {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watch);
} memory_watch SEC(".maps");

/* ---- looking ---------------------------------------------------------------------- */

#define FIELD_AT(base, type, field) ((void *)(base) + bpf_core_field_offset(type, field))

static __always_inline void *read_pointer(const void *at)
{
	void *p = NULL;

	bpf_probe_read_kernel(&p, sizeof(p), at);
	return p;
}

/* A node, whichever. */
static __always_inline void *find_node(void)
{
	const __u32 memory = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	void *task = (void *)bpf_get_current_task(), *set, *memcg, *per_node;

	set = read_pointer(FIELD_AT(task, struct task_struct, cgroups));
	memcg = read_pointer(FIELD_AT(set, struct css_set, subsys) + memory * sizeof(void *));
	per_node = memcg ? read_pointer(FIELD_AT(memcg, struct mem_cgroup, nodeinfo)) : NULL;
	if (!per_node)
		return NULL;
	return read_pointer(FIELD_AT(per_node, struct mem_cgroup_per_node, lruvec) +
			    bpf_core_field_offset(struct lruvec, pgdat));
}

#define ZONES_MOST 1024

struct count {
	void *ref; /* struct zoneref: the next */
	__u64 free;
};

static long count_zone(__u32 step, void *arg)
{
	const __u32 item = bpf_core_enum_value(enum zone_stat_item, NR_FREE_PAGES);
	struct count *c = arg;
	void *zone = read_pointer(FIELD_AT(c->ref, struct zoneref, zone));
	long n = 0;

	if (!zone) /* the list's end */
		return 1;
	bpf_probe_read_kernel(&n, sizeof(n),
			      FIELD_AT(zone, struct zone, vm_stat) + item * sizeof(n));
	if (n > 0)
		c->free += n;
	c->ref += bpf_core_type_size(struct zoneref);
	return 0;
}

/* The list that a node falls back on has every zone of every node that has memory. */
static __always_inline __u32 free_pages(void)
{
	struct count c = {};
	void *node = find_node();

	if (!node)
		return 0;
	c.ref = FIELD_AT(node, struct pglist_data, node_zonelists) +
		bpf_core_field_offset(struct zonelist, _zonerefs);
	bpf_loop(ZONES_MOST, count_zone, &c, 0);
	return c.free < 0xffffffffULL ? c.free : 0xffffffffU;
}

static __always_inline bool look(void)
{
	__u32 zero = 0, pages = free_pages();
	struct cv_clock *clock = bpf_map_lookup_elem(&data_clock, &zero);

	if (!clock || !pages)
		return false;
	*(volatile __u32 *)&clock->free_pages = pages;
	return true;
}

static int again(void *map, int *key, struct watch *w)
{
	look();
	bpf_timer_start(&w->timer, SECOND_NS, 0);
	return 0;
}

/* Run by the library: looks at once, and then every second. 0: it does. */
SEC("tc")
int memory_start(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct watch *w = bpf_map_lookup_elem(&memory_watch, &zero);
	long rc;

	if (!w || !look())
		return 1;
	rc = bpf_timer_init(&w->timer, &memory_watch, CLOCK_MONOTONIC);
	if (rc) /* -EBUSY: runs already */
		return rc == -16 ? 0 : 2;
	if (bpf_timer_set_callback(&w->timer, again))
		return 3;
	return bpf_timer_start(&w->timer, SECOND_NS, 0) ? 4 : 0;
}

char LICENSE[] SEC("license") = "GPL";
