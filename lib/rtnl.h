/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink, as far as ipvlan needs it: devices, addresses and host routes of
 * this network namespace or of another one. Failures carry the kernel's own
 * text in cv_why() where it gives one.
 */
#ifndef CULVERT_RTNL_H
#define CULVERT_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/if_link.h>

#include "culvert.h"

struct mnl_socket;
struct nlmsghdr;

struct rtnl {
	struct mnl_socket *nl;
	unsigned int seq;
};

/* Every request names the namespace it is about: this one, or one by the id that this one gave it. */
#define RTNL_HERE (-1)

/* Opens a socket in the network namespace `netns` (a file descriptor), or here if that is RTNL_HERE. */
int rtnl_open(struct rtnl *out, int netns);
void rtnl_close(struct rtnl *r);

/* ---- devices --------------------------------------------------------------------- */

struct rtnl_link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	char kind[16];	/* "veth", ..., or "" */
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint8_t mac[6];
	uint8_t operstate;
	bool carrier;
	uint16_t type;	 /* ARPHRD_* */
	uint32_t peer;	 /* IFLA_LINK: ifindex of the other end, or of the device below */
	int peer_nsid;	 /* id of the namespace that one is in; RTNL_HERE */
	uint32_t master; /* IFLA_MASTER */
	char qdisc[IFNAMSIZ];
	uint32_t txqlen;
	struct rtnl_link_stats64 stats;
};

/* -ENODEV */
int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out);
int rtnl_link_by_index(struct rtnl *r, int nsid, uint32_t ifindex, struct rtnl_link *out);

/* Until `each` returns non-zero, which is returned. */
int rtnl_each_link(struct rtnl *r, int (*each)(const struct rtnl_link *link, void *arg), void *arg);

/* Reads what a notification or an answer says. */
int rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *out);

struct rtnl_veth {
	const char *name, *peer_name;
	int peer_netns;	    /* file descriptor */
	const uint8_t *mac; /* of both ends */
	uint32_t mtu;
	uint32_t queues; /* of both ends, in either direction; 0 is for the kernel to say */
	bool noarp;	 /* the peer; the end that stays here always is, and is up */
};

/* Both ends in one request: either both are there or none. -EEXIST */
int rtnl_veth_add(struct rtnl *r, const struct rtnl_veth *veth);
int rtnl_link_del(struct rtnl *r, uint32_t ifindex);

/* Sets the flags (IFF_*) in `mask` to those of `flags`. */
int rtnl_link_flags(struct rtnl *r, uint32_t ifindex, uint32_t flags, uint32_t mask);
int rtnl_link_mac(struct rtnl *r, uint32_t ifindex, const uint8_t mac[6]);
int rtnl_link_mtu(struct rtnl *r, uint32_t ifindex, uint32_t mtu);
int rtnl_link_move(struct rtnl *r, uint32_t ifindex, int netns);

/* As IN6_ADDR_GEN_MODE_* (uapi/linux/if_link.h). */
int rtnl_link_addrgen(struct rtnl *r, uint32_t ifindex, uint8_t mode);

/* The id that this namespace knows another (a file descriptor) by; -ENOENT if by none. */
int rtnl_nsid(struct rtnl *r, int netns);

/* ---- addresses ------------------------------------------------------------------- */

struct rtnl_addr {
	uint8_t family;
	union cv_addr addr;
	uint8_t plen;
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
	uint32_t ifindex;
	uint32_t valid, preferred; /* seconds, UINT32_MAX: forever */
};

int rtnl_addr_add(struct rtnl *r, const struct rtnl_addr *addr); /* -EEXIST */
int rtnl_addr_del(struct rtnl *r, const struct rtnl_addr *addr); /* -EADDRNOTAVAIL */
int rtnl_each_addr(struct rtnl *r, int nsid, uint32_t ifindex,
		   int (*each)(const struct rtnl_addr *addr, void *arg), void *arg);
int rtnl_parse_addr(const struct nlmsghdr *nlh, struct rtnl_addr *out);

/* ---- host routes ------------------------------------------------------------------- */

/* The protocol that routes of ours carry (`ip route`: proto 67). */
#define RTNL_PROTO_CULVERT 67

int rtnl_route_add(struct rtnl *r, uint8_t family, const union cv_addr *addr,
		   uint32_t ifindex); /* -EEXIST */
int rtnl_route_del(struct rtnl *r, uint8_t family, const union cv_addr *addr,
		   uint32_t ifindex); /* -ESRCH */

/* ---- policy rules and their tables (rtnl_rule.c) ------------------------------------ */

struct rtnl_rule {
	uint8_t family;
	uint8_t action;	  /* FR_ACT_* (uapi/linux/fib_rules.h) */
	uint8_t protocol; /* who made it: RTPROT_*, RTNL_PROTO_CULVERT */
	bool others;	  /* read: has selectors that are not here */
	uint32_t preference;
	uint32_t table;	    /* of FR_ACT_TO_TBL */
	uint32_t target;    /* of FR_ACT_GOTO: a later preference */
	uint32_t mark;	    /* 0: any */
	char iif[IFNAMSIZ]; /* "": any */
	uint8_t plen;	    /* of `to`; 0: any */
	uint8_t ipproto;    /* 0: any */
	uint16_t ports[2];  /* destination, first and last; 0: any */
	union cv_addr to;
};

int rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *rule); /* -EEXIST */
int rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule); /* -ENOENT */
/* In the order in which they are asked. -EOPNOTSUPP, -EAFNOSUPPORT: this kernel has none. */
int rtnl_each_rule(struct rtnl *r, uint8_t family,
		   int (*each)(const struct rtnl_rule *rule, void *arg), void *arg);

struct rtnl_route {
	uint8_t family;
	uint8_t plen;	  /* 0: the default route */
	uint8_t protocol; /* read */
	uint32_t table;
	uint32_t ifindex;
	union cv_addr addr;
	union cv_addr source; /* preferred; zero: none */
};

/* A unicast route of ours through a device, without a gateway; one for the same prefix is replaced. */
int rtnl_table_add(struct rtnl *r, const struct rtnl_route *route);
int rtnl_table_del(struct rtnl *r, const struct rtnl_route *route); /* -ESRCH */
int rtnl_each_route(struct rtnl *r, uint8_t family, uint32_t table,
		    int (*each)(const struct rtnl_route *route, void *arg), void *arg);

#endif
