/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipvlan: masters, their slaves and the slaves' addresses, in the instance of the
 * calling thread's network namespace. There need not be a load balancer in it.
 * Errors, ownership and cv_why() are as in culvert.h; where drivers/net/ipvlan
 * refuses something, so do these, with its words.
 */
#ifndef CULVERT_IPVLAN_LIB_H
#define CULVERT_IPVLAN_LIB_H

#include <stdbool.h>
#include <stdint.h>

#include <culvert/ipvlan.h>

#include "netns.h"
#include "rtnl.h"

struct cv_ipv;

enum cv_ipv_open {
	CV_IPV_READ,   /* looks; takes no lock */
	CV_IPV_EDIT,   /* takes the lock, and removes what killed commands and gone devices left */
	CV_IPV_CREATE, /* as EDIT, and loads the data path if it is not there */
};

/* -ENOENT: there are no slaves here (not with CREATE). -EPROTO: another layout. -EBUSY: locked. */
int cv_ipv_open(struct cv_ipv **out, enum cv_ipv_open how);
void cv_ipv_close(struct cv_ipv **v);

/* Who gives up the lock when there are no slaves takes the data path away. */
bool cv_ipv_unused(const struct cv_ipv *v);

/*
 * For long-running commands: the lock again, as EDIT takes it (-ENOENT: the data path has gone meanwhile, the handle is
 * of no more use), and its release, which closes the handle if there are no slaves.
 */
int cv_ipv_lock(struct cv_ipv *v);
void cv_ipv_unlock(struct cv_ipv **v);

/* ---- slaves ---------------------------------------------------------------------- */

struct cv_ipv_prefix {
	uint8_t family;
	uint8_t plen;
	union cv_addr addr;
};

/* "A/N" or "A". -EINVAL: no address, or a prefix out of range (cv_why() says which). */
int cv_ipv_parse_prefix(const char *text, struct cv_ipv_prefix *out);

#define CV_IPV_KEEP \
	(-1) /* of mode, flag and hostreach: the master's, or of a new master the default */

struct cv_ipv_spec {
	const char *link; /* the master */
	const char *name;
	const char *netns; /* name or pid; NULL: the calling thread's */
	int mode;	   /* enum cv_ipv_mode; default l3 */
	int flag;	   /* 0 (bridge, the default), CV_IPV_PRIVATE or CV_IPV_VEPA */
	int hostreach;	   /* 0 or 1; default: in l3 and l3s */
	bool up;
	const struct cv_ipv_prefix *addrs, *allows;
	unsigned int n_addrs, n_allows;
};

/*
 * -ENODEV; -EINVAL: loopback, not Ethernet, itself a slave, a bad name or address;
 * -EEXIST: the name; -EADDRINUSE: an address; -ENOENT: the namespace; -ENOSPC.
 * A mode, flag or hostreach that is given becomes the master's, as in the kernel.
 */
int cv_ipv_link_add(struct cv_ipv *v, const struct cv_ipv_spec *spec);

struct cv_ipv_link {
	uint32_t slot;
	uint32_t policy; /* of the master */
	char master[IFNAMSIZ];
	uint32_t master_ifindex;
	char host_end[IFNAMSIZ];
	struct rtnl_link inner; /* what its namespace says of it */
	struct rtnl_link host;
	uint64_t netns_ino;	/* 0: not known */
	char netns[NETNS_NAME]; /* "" if it has no name */
	bool here;		/* its namespace is the master's */
};

/* By name, in a namespace (NULL: in any). -ENODEV; -ENOTUNIQ: in several, cv_why() names them. */
int cv_ipv_find(struct cv_ipv *v, const char *netns, const char *name, struct cv_ipv_link *out);
int cv_ipv_each_link(struct cv_ipv *v, int (*each)(const struct cv_ipv_link *link, void *arg),
		     void *arg);

int cv_ipv_link_del(struct cv_ipv *v, const struct cv_ipv_link *link);
int cv_ipv_link_up(struct cv_ipv *v, const struct cv_ipv_link *link, bool up);
int cv_ipv_link_move(struct cv_ipv *v, const struct cv_ipv_link *link, const char *netns);
int cv_ipv_allow(struct cv_ipv *v, const struct cv_ipv_link *link,
		 const struct cv_ipv_prefix *p); /* -EEXIST */
int cv_ipv_disallow(struct cv_ipv *v, const struct cv_ipv_link *link,
		    const struct cv_ipv_prefix *p); /* -ENOENT */
int cv_ipv_each_allow(struct cv_ipv *v, uint32_t slot,
		      int (*each)(const struct cv_ipv_prefix *p, void *arg), void *arg);

/* All slaves of its master at once; CV_IPV_KEEP leaves what it is given for. */
int cv_ipv_set_policy(struct cv_ipv *v, const struct cv_ipv_link *link, int mode, int flag,
		      int hostreach);

/* Before Linux 6.17, IPv6 is only forwarded if the whole namespace forwards: does it matter here? */
bool cv_ipv_needs_forwarding6(void);

/* Sums over all CPUs. */
void cv_ipv_counts(struct cv_ipv *v, uint32_t slot, uint64_t out[CV_IPV_COUNTS]);
const char *cv_ipv_count_name(enum cv_ipv_count what);

const char *cv_ipv_mode_name(enum cv_ipv_mode mode);
const char *cv_ipv_flag_name(uint32_t policy);

/* ---- addresses ------------------------------------------------------------------- */

/* On the device and in the data path. -EADDRINUSE: another slave's; -EEXIST; -EINVAL */
int cv_ipv_addr_add(struct cv_ipv *v, const struct cv_ipv_link *link,
		    const struct cv_ipv_prefix *p);
/* -EADDRNOTAVAIL */
int cv_ipv_addr_del(struct cv_ipv *v, const struct cv_ipv_link *link,
		    const struct cv_ipv_prefix *p);
int cv_ipv_each_addr(struct cv_ipv *v, const struct cv_ipv_link *link,
		     int (*each)(const struct rtnl_addr *addr, bool owned, void *arg), void *arg);

/* ---- following (ipvlan_track.c) --------------------------------------------------- */

enum cv_ipv_event {
	CV_IPV_EV_ADDR_NEW, /* an address became a slave's */
	CV_IPV_EV_ADDR_GONE,
	CV_IPV_EV_ADDR_REFUSED, /* another slave's: taken off again */
	CV_IPV_EV_MASTER,	/* the slaves follow its MAC address, MTU or carrier */
	CV_IPV_EV_GONE,		/* a slave, or a master with its slaves, went */
	CV_IPV_EV_RESYNC,	/* notifications were lost: everything was read again */
};

struct cv_ipv_report {
	enum cv_ipv_event event;
	const char *name;  /* of the slave or master */
	const char *netns; /* of the slave, "" if that has no name */
	const struct rtnl_addr *addr;
};

struct cv_ipv_track;

/* Begins to listen, then brings everything up to date. */
int cv_ipv_track_new(struct cv_ipv_track **out,
		     void (*report)(const struct cv_ipv_report *what, void *arg), void *arg);
void cv_ipv_track_free(struct cv_ipv_track **t);
int cv_ipv_track_fd(const struct cv_ipv_track *t); /* readable when there is something to do */
int cv_ipv_track_run(struct cv_ipv_track *t);	   /* does what there is to do */

#endif
