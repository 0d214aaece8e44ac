/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of ipvlan share.
 *
 *	<instance>/ipvlan/maps/		the maps of bpf/ipvlan/maps.h
 *	<instance>/ipvlan/progs/	its programs
 *	<instance>/ipvlan/links/	what is attached by tcx: DEVICE-HOOK, by ifindex
 *
 * The directory is made beside and renamed into place (ipvlan_open.c); the lock is
 * the instance's. The invariants of the maps are V1 to V6 in culvert/ipvlan.h.
 */
#ifndef CULVERT_IPVLAN_INTERNAL_H
#define CULVERT_IPVLAN_INTERNAL_H

#include "ipvlan.h"

enum ipv_map {
	IPV_MASTERS,
	IPV_SLAVES,
	IPV_PORTS,
	IPV_ADDRS,
	IPV_STRANGERS,
	IPV_ALLOWS,
	IPV_COUNTERS,
	IPV_MAPS
};
enum ipv_prog { IPV_MASTER_IN, IPV_MASTER_OUT, IPV_SLAVE_OUT, IPV_SLAVE_IN, IPV_PROGS };

/* A namespace that a slave may be in, by the id that this one knows it by. */
struct ipv_netns {
	int nsid;
	int fd;
	uint64_t ino;
};

struct cv_ipv {
	int instance; /* its directory; the lock is on it */
	int dir;      /* ipvlan/ in it */
	bool locked;
	bool lent;  /* the lock is a caller's: what stays when it is given up is for him to say */
	bool known; /* the tables are laid out as in this culvert, and mapped */
	bool fresh; /* they have only just been made, and not been mapped */
	int maps[IPV_MAPS];
	struct cv_ipv_master *masters; /* shared with the data path */
	struct cv_ipv_slave *slaves;
	struct rtnl rtnl;	 /* in the master's namespace */
	struct ipv_netns *netns; /* filled when first needed */
	unsigned int n_netns;
	bool netns_read;
};

#define IPV_HOST_END "cvslave%u" /* by slot */
#define IPV_HOST_END_STEM "cvslave"

/* A word that the data path reads at any time. */
#define ipv_store(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)
#define ipv_load(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)

/* ---- ipvlan_attach.c ---- */
int ipv_attach(struct cv_ipv *v, enum ipv_prog prog,
	       uint32_t ifindex); /* 0 if it is attached already */
int ipv_detach(struct cv_ipv *v, enum ipv_prog prog, uint32_t ifindex,
	       bool gone); /* 0 if it is not */
/* The program that pins_prog() has, in the place of the one that is there, in one step. */
int ipv_replace(struct cv_ipv *v, enum ipv_prog prog, uint32_t ifindex);

/* ---- ipvlan_open.c ---- */
struct bpf_object;
/* The data path, loaded; with the maps that are pinned below `reuse`, unless that is -1. */
int ipv_object_load(int reuse, struct bpf_object **out);
void ipv_object_close(struct bpf_object **obj);
/* As cv_ipv_open(); without `check`, tables of another shape are an error only if they cannot be mapped. */
int ipv_open(struct cv_ipv **out, enum cv_ipv_open how, bool check);
/* In an instance's directory that the caller has locked, for EDIT or CREATE; it becomes the handle's in any case. */
int ipv_open_in(int instance, enum cv_ipv_open how, struct cv_ipv **out);
/* What an instance's directory, locked by the caller, has of ipvlan goes at once, with no slaves in it. */
int ipv_discard(int instance);

/* ---- ipvlan_upgrade.c ---- */
/* Under the lock: finishes an upgrade that was decided (P1). */
int ipv_upgrade_finish(struct cv_ipv *v);

/* ---- ipvlan_master.c ---- */
/* Index of the device's slot, made if need be. -ENOSPC */
int ipv_master_get(struct cv_ipv *v, const struct rtnl_link *link, uint32_t *out);
/* A master without slaves is one no longer. What was not done whole is left to whoever takes the lock next. */
int ipv_master_release(struct cv_ipv *v, uint32_t index, bool gone);
/* Releases it if it has none. */
int ipv_master_put(struct cv_ipv *v, uint32_t index, bool gone);
void ipv_master_count(struct cv_ipv *v,
		      uint32_t index); /* slots and probe, after slaves came or went */
uint64_t ipv_mac_word(const uint8_t mac[6]);
/* Turns on at the master what the mode needs, or off again what culvert turned on. */
int ipv_master_forwarding(struct cv_ipv *v, uint32_t index, uint32_t mode);

/* ---- ipvlan_slave.c ---- */
/* On failure it is as it was. What cannot be cleared away behind it is left to whoever takes the lock next (V2). */
int ipv_slave_remove(struct cv_ipv *v, uint32_t slot);
int ipv_host_end(struct cv_ipv *v, uint32_t slot, struct rtnl_link *out); /* -ENODEV */
/* The inner end, seen from here, and its namespace: an fd that stays v's, -1 for this one. */
int ipv_inner(struct cv_ipv *v, uint32_t slot, struct rtnl_link *inner, int *netns);
/* A socket in the inner end's namespace. */
int ipv_inner_rtnl(struct cv_ipv *v, uint32_t slot, struct rtnl_link *inner, struct rtnl *out);
void ipv_reap(struct cv_ipv *v); /* V2 */
int ipv_remove_all(struct cv_ipv *v);

int ipv_host_end_forward(const struct rtnl_link *host);

/* ---- ipvlan_host.c ---- */
/* Does loopback forward though the host is no router? CV_IPV_LO_TAKEN */
int ipv_loopback_taken(bool *taken);
/* After the administrator may have turned the host's switches. */
void ipv_follow_host(struct cv_ipv *v);

/* ---- ipvlan_netns.c ---- */
/* -ESRCH: none that has a name or a process. */
int ipv_netns_find(struct cv_ipv *v, int nsid, const struct ipv_netns **out);
void ipv_netns_close(struct cv_ipv *v);

/* ---- ipvlan_addr.c ---- */
int ipv_addr_claim(struct cv_ipv *v, uint32_t slot,
		   const struct cv_ipv_prefix *p); /* -EADDRINUSE, -EEXIST */
/* The same for what a tenant set by itself: the host's own addresses are in use, too. */
int ipv_addr_claim_from_inside(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_prefix *p);
int ipv_addr_release(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_prefix *p); /* -ENOENT */
int ipv_addr_release_all(struct cv_ipv *v, uint32_t slot);
/* No foreign sources for the slave any more. */
int ipv_disallow_all(struct cv_ipv *v, uint32_t slot);
/* The link-local addresses that the host has on a new master: not for its slaves to claim. */
int ipv_addr_note_the_hosts(struct cv_ipv *v, uint32_t master);
/* The host's routes to all addresses of a slave: in l3 and l3s there are some. */
int ipv_routes(struct cv_ipv *v, uint32_t slot, bool wanted);

#endif
