// SPDX-License-Identifier: GPL-2.0-only
/* The sink at the end of every path: counts, and drops. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "traffic.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASSES);
	__type(key, __u32);
	__type(value, __u64);
} sunk SEC(".maps");

static __always_inline int count(__u32 class)
{
	__u64 *n = bpf_map_lookup_elem(&sunk, &class);

	if (n)
		(*n)++;
	return XDP_DROP;
}

/* Everything alike: what the timed rows end in. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	return count(CLASS_LIVE);
}

/* By the client's network, IPv4; looks under one outer header of IP in IP. */
SEC("xdp")
int sink_by_class(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 saddr;

	if (data + 14 + 20 + 20 > end || *(__u16 *)(data + 12) != bpf_htons(0x0800))
		return count(CLASS_OTHER);
	if (data[14 + 9] == 4)
		data += 20;
	saddr = bpf_ntohl(*(__u32 *)(data + 14 + 12));
	if (saddr >> 24 == CLIENT_NET4 >> 24)
		return count(CLASS_LIVE);
	return count(saddr >> 28 == FLOOD_NET4 >> 28 ? CLASS_FLOOD : CLASS_OTHER);
}

char LICENSE[] SEC("license") = "GPL";
