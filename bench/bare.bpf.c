// SPDX-License-Identifier: GPL-2.0-only
/* Bare XDP, the reference: only the MAC addresses change. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* Where `redirect` sends; 0: nowhere. */
const volatile __u32 to_ifindex;

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} to_device SEC(".maps");

static __always_inline bool swap(__u16 *h, __u16 *end)
{
	if (h + 7 > end)
		return false;
	for (int i = 0; i < 3; i++) {
		__u16 t = h[i];

		h[i] = h[i + 3];
		h[i + 3] = t;
	}
	return true;
}

static __always_inline bool swap_macs(struct xdp_md *ctx)
{
	return swap((__u16 *)(long)ctx->data, (__u16 *)(long)ctx->data_end);
}

SEC("xdp")
int bounce(struct xdp_md *ctx)
{
	return swap_macs(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return swap_macs(ctx) ? bpf_redirect(to_ifindex, 0) : XDP_ABORTED;
}

SEC("xdp")
int redirect_map(struct xdp_md *ctx)
{
	return swap_macs(ctx) ? bpf_redirect_map(&to_device, 0, 0) : XDP_ABORTED;
}

/*
 * The same at tc ingress: the limit of a tc door. With any hash, here the packet's length,
 * the kernel need not go through its headers for one when it chooses a queue.
 */
SEC("tc")
int tc_redirect(struct __sk_buff *skb)
{
	bpf_set_hash(skb, skb->len);
	if (!swap((__u16 *)(long)skb->data, (__u16 *)(long)skb->data_end))
		return TC_ACT_SHOT;
	return bpf_redirect(to_ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
