/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Masters, slaves and addresses, as the data path of ipvlan reads them and the
 * library changes them. The words are those of drivers/net/ipvlan.
 *
 * A slave is a veth pair. The inner end, under the slave's name, is in the
 * tenant's network namespace; the host end stays in the master's and carries
 * two programs. The master carries two as well.
 *
 * Invariants, each with its reason:
 *
 * V1  The library alone changes these maps, under the instance's lock. Two
 *     exceptions are the data path's: cv_ipv_master.mac, which it corrects from
 *     frames that the master accepted as its own, and link-local addresses,
 *     which it claims for the slave that uses one first (V4).
 * V2  A slave exists when its state is LIVE: that one store is the commit of
 *     `link add`, and the store that takes it back is the commit of `link del`.
 *     Whatever else belongs to a slot that is not LIVE when the lock is free was
 *     left by a command that was killed; whoever takes the lock next removes it.
 * V3  Mode, flag and hostreach are the master's and stand in one word, policy.
 *     One store changes all slaves at once, and no packet sees half a change.
 * V4  An address belongs to one slave of a master: `addrs` holds it once, and it
 *     is only ever inserted where it was not. Link-local ones that the data path
 *     inserts are marked CLAIMED, no slave claims more than CV_IPV_CLAIMS, and
 *     none one that was seen on the wire first or that the host has.
 * V5  What a slave may send is checked where it leaves the tenant's hands, at the
 *     host end: everything behind that (the other slaves, the host's stack, the
 *     wire) may trust the source address and the master's MAC address.
 * V6  A packet that crosses the host's stack on its way to or from a slave has
 *     its TTL restored where it leaves the stack, by the mark in tc_index.
 * V7  What the data path found in `addrs` or in the host's routes it may remember
 *     (`owners`, `routes`) for one tick of the kernel's clock, and of `addrs` only
 *     while the master's edition is the same: the library raises it after each
 *     change of them. So a change counts at once, and what a killed command left
 *     unsaid counts from the next tick on.
 */
#ifndef CULVERT_IPVLAN_H
#define CULVERT_IPVLAN_H

#include "types.h"

#define CV_IPV_LAYOUT_VERSION 1

#define CV_IPV_MASTERS 64
#define CV_IPV_SLAVES 2048
#define CV_IPV_ADDRS 65536 /* of all slaves */
#define CV_IPV_ALLOWS 4096
#define CV_IPV_STRANGERS 4096 /* link-local addresses on the wire that are remembered */
#define CV_IPV_CLAIMS 4	      /* link-local addresses that one slave may claim */

/* As IPVLAN_MODE_* (uapi/linux/if_link.h). */
enum cv_ipv_mode { CV_IPV_L2, CV_IPV_L3, CV_IPV_L3S, CV_IPV_MODES };

/*
 * cv_ipv_master.policy: bits 0-7 the mode, then as IPVLAN_F_*, shifted by 8, and
 * two of our own.
 */
#define CV_IPV_MODE 0x000000ffU
#define CV_IPV_PRIVATE 0x00000100U
#define CV_IPV_VEPA 0x00000200U
#define CV_IPV_HOSTREACH 0x00010000U /* slaves and the host reach each other */
/*
 * On the way from l3 or l3s to l2: slaves that are still NOARP send every packet
 * to the master's own MAC address, and those are routed as in l3.
 */
#define CV_IPV_LEAVING_L3 0x00020000U

/* cv_ipv_master.forwarding: what culvert turned on at the master, and therefore polices. */
#define CV_IPV_FORWARD4 0x1U /* net.ipv4.conf.MASTER.forwarding */
#define CV_IPV_FORWARD6 0x2U /* net.ipv6.conf.MASTER.force_forwarding */
/*
 * This kernel forwards IPv6 only if the whole namespace does: while it does not,
 * what l3 slaves send goes around the host's stack.
 */
#define CV_IPV_AROUND6 0x4U
/*
 * net.ipv4.conf.lo.forwarding is on by the load balancer's doing and does not tell
 * the administrator's will: the host is no router, as far as the library knows.
 */
#define CV_IPV_LO_TAKEN 0x8U

enum cv_ipv_state {
	CV_IPV_FREE,
	CV_IPV_MAKING, /* being made or removed by who holds the lock */
	CV_IPV_LIVE,
};

struct cv_ipv_master {
	__u32 state; /* enum cv_ipv_state */
	__u32 ifindex;
	__u32 policy;	  /* see V3 */
	__u32 forwarding; /* CV_IPV_FORWARD* */
	__u64 mac;	  /* in its first 6 bytes; one word, so that it is read whole */
	__u32 probe; /* ifindex of a host end: what the host would forward is asked as from there */
	__u32 slots; /* every slave of this master has a slot below this */
	__u32 mtu;   /* as last given to the slaves */
	__u32 carrier; /* likewise */
	__u32 edition; /* of its slaves' addresses: see V7 */
	__u32 reserved[5];
} CV_ALIGNED; /* 64 bytes */

struct cv_ipv_slave {
	__u32 state;	 /* enum cv_ipv_state */
	__u32 master;	 /* index in `masters` */
	__u32 ifindex;	 /* of the host end */
	__u32 claims;	 /* link-local addresses claimed by the data path */
	__u64 netns_ino; /* where the inner end was put: a hint, the kernel knows better */
	char name[16];	 /* of the inner end, likewise */
	__u32 has_allow; /* `allows` holds something for it */
	__u32 reserved[5];
} CV_ALIGNED; /* 64 bytes */

/* `ports`: ifindex -> what that device is. */
enum cv_ipv_kind { CV_IPV_IS_MASTER = 1, CV_IPV_IS_SLAVE };

struct cv_ipv_port {
	__u32 kind;  /* enum cv_ipv_kind */
	__u32 index; /* in `masters` or `slaves` */
};

/* `hints`: the index of a device with this remainder of its ifindex, perhaps. The data path's own. */
#define CV_IPV_HINTS 4096

/* `addrs`: who has an address, per master. */
struct cv_ipv_addr_key {
	__u32 master;
	__u32 family; /* AF_INET or AF_INET6 */
	union cv_addr addr;
};

#define CV_IPV_CLAIMED 0x1U /* by the data path (V4) */
#define CV_IPV_ROUTED 0x2U  /* the host has a route of ours to it */

struct cv_ipv_addr {
	__u32 slave; /* index in `slaves` */
	__u16 flags;
	__u8 plen; /* as configured in the tenant */
	__u8 reserved;
};

/* `allows`: sources that a slave may use beside its own; longest prefix. */
struct cv_ipv_allow_key {
	__u32 prefixlen; /* of what follows: CV_IPV_ALLOW_FIXED + the network's */
	__u32 slave;
	__u32 family;
	__u32 reserved; /* 0 */
	union cv_addr addr;
};
#define CV_IPV_ALLOW_FIXED 96 /* bits between prefixlen and the address */

/* Per slave (and, behind those, per master) and CPU, in `counters`. */
enum cv_ipv_count {
	CV_IPV_RX_PACKETS, /* into the slave */
	CV_IPV_RX_BYTES,
	CV_IPV_TX_PACKETS, /* out of it, to wherever */
	CV_IPV_TX_BYTES,
	CV_IPV_TX_LOCAL,      /* ... of these, to other slaves of the master */
	CV_IPV_CLONES,	      /* broadcasts and multicasts copied to it */
	CV_IPV_DROP_SOURCE,   /* from an address that is not its own */
	CV_IPV_DROP_VLAN,     /* with a VLAN tag */
	CV_IPV_DROP_PROTOCOL, /* neither IP nor ARP */
	CV_IPV_DROP_MALFORMED, /* or neighbour discovery behind extension headers, or with many options */
	CV_IPV_DROP_GROUP,   /* l3, l3s: broadcast, multicast, ARP, ND */
	CV_IPV_DROP_PRIVATE, /* to another slave of a private master */
	CV_IPV_DROP_HOST,    /* to or from the host, with hostreach off */
	CV_IPV_DROP_ROUTER,  /* l2: router advertisements and redirects */
	CV_IPV_DROP_FORWARD, /* of a master: what the host would have forwarded for others */
	CV_IPV_COUNTS = 16
};

struct cv_ipv_counters {
	__u64 n[CV_IPV_COUNTS];
};

/*
 * What the data path remembers for one tick of the kernel's clock (jiffies), per CPU and its own: of all
 * packets with the same hash, the last one's. V7
 */
#define CV_IPV_REMEMBERED_BITS 9
#define CV_IPV_REMEMBERED (1U << CV_IPV_REMEMBERED_BITS) /* of either kind */

/* `owners`: who has an address. */
struct cv_ipv_owner {
	__u64 tick;
	__u32 edition; /* of the master */
	__u32 master;
	union cv_addr addr;
	__u32 family;
	__u32 slave; /* CV_NONE: nobody */
};

enum cv_ipv_macs {
	CV_IPV_MACS_UNKNOWN,
	CV_IPV_MACS_NEW, /* and no packet has gone there in this tick */
	CV_IPV_MACS_KNOWN,
};

/* `routes`: where the host's routes send what a slave sends. */
struct cv_ipv_route {
	__u64 tick;
	__u32 slave; /* index in `slaves`: who sends it */
	__be32 flow; /* IPv6: traffic class and flow label */
	union cv_addr src;
	union cv_addr dst;
	union cv_addr next_hop;
	__u16 family; /* of the packet */
	__u16 next_hop_family;
	__u32 mtu;     /* of the route; 0: it does not lead out of the master */
	__u32 known;   /* enum cv_ipv_macs */
	__u8 macs[12]; /* as in a frame: the next hop's, and the master's */
};

static inline __u32 cv_ipv_mode_of(__u32 policy)
{
	return policy & CV_IPV_MODE;
}

#endif
