/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose address is it, and may this slave send from it? */
#ifndef CULVERT_BPF_IPVLAN_ADDRESS_H
#define CULVERT_BPF_IPVLAN_ADDRESS_H

#include "frame.h"

static __always_inline struct cv_ipv_addr *addr_find(__u32 master, __u32 family,
						     const union cv_addr *addr)
{
	struct cv_ipv_addr_key key = { .master = master, .family = family, .addr = *addr };

	return bpf_map_lookup_elem(&addrs, &key);
}

static __always_inline __u32 owner_hash(__u32 master, const union cv_addr *a)
{
	return remembered_at((a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3]) + master);
}

static __noinline __u32 owner_look_up(__u32 master, __u32 family, const union cv_addr *addr)
{
	struct cv_ipv_addr *found = addr_find(master, family, addr);

	return found ? READ_ONCE(found->slave) : CV_NONE;
}

/*
 * Index of the slave of this master that has the address, or CV_NONE; looked up once in a tick (V7). A
 * link-local address may become somebody's by the data path's own doing, so none is remembered.
 */
static __always_inline __u32 addr_owner(__u32 master, __u32 family, const union cv_addr *addr)
{
	__u32 at = owner_hash(master, addr);
	struct cv_ipv_owner *o = bpf_map_lookup_elem(&owners, &at);
	struct cv_ipv_master *m = bpf_map_lookup_elem(&masters, &master);
	__u64 tick = bpf_jiffies64();
	__u32 edition;

	if (!o || !m || addr_is_link_local(family, addr))
		return owner_look_up(master, family, addr);
	edition = READ_ONCE(m->edition);
	if (unlikely(o->tick != tick || o->edition != edition || o->master != master ||
		     o->family != family || !addr_same(&o->addr, addr))) {
		o->slave = owner_look_up(master, family, addr);
		o->tick = tick;
		o->edition = edition;
		o->master = master;
		o->family = family;
		o->addr = *addr;
	}
	return o->slave;
}

static __always_inline bool addr_allowed(__u32 slave, __u32 family, const union cv_addr *addr)
{
	struct cv_ipv_allow_key key = {
		.prefixlen = CV_IPV_ALLOW_FIXED + (family == AF_INET ? 32 : 128),
		.slave = slave,
		.family = family,
		.addr = *addr,
	};

	return bpf_map_lookup_elem(&allows, &key);
}

/*
 * A link-local address is nobody's until it is used: the kernel makes it by
 * itself when the device comes up, before anybody could have told us (V4).
 */
static __always_inline bool addr_claim(struct cv_ipv_slave *s, __u32 index,
				       const union cv_addr *addr)
{
	struct cv_ipv_addr_key key = { .master = s->master, .family = AF_INET6, .addr = *addr };
	struct cv_ipv_addr value = { .slave = index, .flags = CV_IPV_CLAIMED, .plen = 64 };

	if (READ_ONCE(s->claims) >= CV_IPV_CLAIMS || bpf_map_lookup_elem(&strangers, &key))
		return false;
	if (bpf_map_update_elem(&addrs, &key, &value, BPF_NOEXIST))
		return false;
	__sync_fetch_and_add(&s->claims, 1);
	return true;
}

/* Somebody on the wire has this link-local address: a router, perhaps. */
static __always_inline void addr_note_stranger(__u32 master, const union cv_addr *addr)
{
	struct cv_ipv_addr_key key = { .master = master, .family = AF_INET6, .addr = *addr };
	__u32 one = 1;

	if (!bpf_map_lookup_elem(&strangers, &key) && addr_owner(master, AF_INET6, addr) == CV_NONE)
		bpf_map_update_elem(&strangers, &key, &one, BPF_NOEXIST);
}

/* May the slave send from this address? Not asked about the unspecified one. */
static __always_inline bool addr_is_own(struct cv_ipv_slave *s, __u32 index, __u32 family,
					const union cv_addr *addr, bool claim)
{
	__u32 owner = addr_owner(s->master, family, addr);

	if (likely(owner == index))
		return true;
	if (s->has_allow && addr_allowed(index, family, addr))
		return true;
	return claim && owner == CV_NONE && addr_is_link_local(family, addr) &&
	       addr_claim(s, index, addr);
}

#endif
