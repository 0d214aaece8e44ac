/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The load balancer's maps. Sizes that depend on the instance are set by the
 * loader (lib/instance.c) before the load; what the values mean stands in
 * include/culvert/.
 */
#ifndef CULVERT_BPF_MAPS_H
#define CULVERT_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <culvert/build.h>
#include <culvert/lb.h>
#include <culvert/sched.h>
#include <culvert/vip.h>

/* Set before the load and frozen: the verifier and the JIT see constants. */
const volatile struct cv_geometry geo = {
	.sets4 = 1,
	.sets6 = 1,
	.max_services = 1,
	.max_dests = 1,
	.ncpus = 1,
};

struct cv_settings settings SEC(".data.settings");
struct cv_clock clock SEC(".data.clock");

/* Locks of clients' hashes (C5). */
__u32 set_locks[CV_LOCKS] SEC(".data.locks");

/*
 * A table in regions of as many sets each, and what the sweeper has to do there:
 * nothing, unless CV_REGION_BUSY, or CV_REGION_LIVE when it comes for those.
 */
#define CV_REGIONS 4096
#define CV_REGION_BUSY 1U /* there may be connections that are not CV_TAG_LIVE */
#define CV_REGION_LIVE 2U /* there may be some that are */
__u32 regions4[CV_REGIONS] SEC(".data.regions");
__u32 regions6[CV_REGIONS] SEC(".data.regions");

struct cv_uplink uplinks[CV_UPLINKS] SEC(".data.uplinks");

#define MMAP_ARRAY(name_, type_)                   \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, __u32);                \
		__type(value, type_);              \
	} name_ SEC(".maps")

MMAP_ARRAY(conn4_tags, struct cv_tags);
MMAP_ARRAY(conn4_keys, struct cv_keys);
MMAP_ARRAY(conn4, struct cv_conn4);
MMAP_ARRAY(conn6_tags, struct cv_tags);
MMAP_ARRAY(conn6_keys, struct cv_keys);
MMAP_ARRAY(conn6, struct cv_conn6);
MMAP_ARRAY(svcs, struct cv_service);
MMAP_ARRAY(dests, struct cv_dest);
MMAP_ARRAY(counters, struct cv_counters);
MMAP_ARRAY(dest_est, struct cv_estimate);
MMAP_ARRAY(svc_est, struct cv_estimate);
MMAP_ARRAY(causes, struct cv_causes);

/* Who loaded these programs: the library's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_build);
} build SEC(".maps");

/* The library's redo journal (L2); here only so that it lives as long as the rest. */
struct cv_journal_page {
	__u8 bytes[4096];
};
MMAP_ARRAY(journal, struct cv_journal_page);

/* Virtual address, port, protocol or mark -> index in svcs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct cv_service_key);
	__type(value, __u32);
} services SEC(".maps");

/* Destination -> index in dests: the library's, which finds servers and the trash by it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct cv_dest_key);
	__type(value, __u32);
} dest_slots SEC(".maps");

/* Masq real servers' ends -> how many destinations have it, or which. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct cv_real_key);
	__type(value, __u32);
} reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct cv_device);
} devices SEC(".maps");

/*
 * Look-up tables of the hash schedulers (culvert/sched.h). A hash map, not an
 * array of maps: replacing an inner map makes the writer wait for an RCU grace
 * period, 9 ms for each edit of each service (measured on 6.18), where replacing
 * an element takes less than 1 us. The loader sizes it for CV_TABLE_PIECES a
 * service; memory is taken only for those that have tables.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct cv_table_key);
	__type(value, struct cv_table);
} tables SEC(".maps");

/*
 * Call-IDs, by the template's slot. What does not fit is not listed. (The loader
 * makes it a quarter of the connections.)
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct cv_call_key);
	__type(value, struct cv_call);
} calls SEC(".maps");

struct cv_sweep_at {
	__u32 region; /* where the next slice begins */
	__u32 pass;   /* how many times the table was gone through */
};

struct cv_sweeper {
	struct bpf_timer timer;
	struct cv_sweep_at at4, at6;
	__u32 est_round; /* which slice of the rates comes next */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_sweeper);
} timer SEC(".maps");

#endif
