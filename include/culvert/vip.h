/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash of a virtual address, port and protocol: half of a connection's
 * cv_keys, and what a destination's packets are known by (cv_dest.vip_key).
 * Multiply-shift with the instance's secret multipliers, as bpf/lb/hash.h.
 */
#ifndef CULVERT_VIP_H
#define CULVERT_VIP_H

#include "lb.h"

/*
 * `key`: cv_geometry.hash_key. Address and port in network byte order, proto one
 * of IPPROTO_*. Never 0.
 */
static inline __attribute__((always_inline)) __u32 cv_vip_key(const volatile __u64 key[4], int v6,
							      const union cv_addr *vaddr,
							      __be16 vport, __u8 proto)
{
	__u64 x;

	if (v6) {
		x = (vaddr->q[0] ^ key[2]) * key[1];
		x = (vaddr->q[1] ^ x ^ x >> 32) * key[0];
		x = (x ^ x >> 32 ^ (vport | (__u32)proto << 16)) * key[3];
	} else {
		x = ((__u64)vaddr->v4 << 16 | vport | (__u64)proto << 48) * key[3];
	}
	return x >> 32 | 1;
}

/* cv_dest.vip_key of a destination of that service; `v6`: is its family AF_INET6? */
static inline __u32 cv_vip_key_of(const __u64 key[4], const struct cv_service_key *service, int v6)
{
	if (service->fwmark || !service->port)
		return 0;
	return cv_vip_key(key, v6, &service->addr, service->port, service->proto);
}

#endif
