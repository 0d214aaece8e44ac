/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libculvert: opens, makes, changes and reads an instance of culvert, which is
 * the state of one network namespace: maps, programs and links pinned under
 * /run/culvert/<network namespace cookie>/.
 *
 * Every function returns 0 (or what it says) or a negative errno and prints
 * nothing; cv_why() has one line about the last failure in this thread. Errors
 * about services and destinations are the ones that the kernel's ip_vs_ctl.c
 * gives for the same request, so that ipvsadm's texts fit. A function that
 * returns an object through `out` leaves *out alone when it fails.
 *
 * Ownership: what *_open or *_new gave is freed by the _close or _free of the
 * same name, which takes the address of the pointer and sets it to NULL, so
 * that `_cleanup_(cv_close)` works.
 */
#ifndef LIBCULVERT_H
#define LIBCULVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <culvert/conn.h>
#include <culvert/lb.h>
#include <culvert/types.h>

#define CV_BPFFS "/run/culvert"

struct cv;

/* One line about why the last call of this thread failed; "" if there is nothing to add to strerror(). */
const char *cv_why(void);

/* ---- the instance (instance.c) ------------------------------------------- */

/* Sizes of a new instance's tables; 0 means the default. */
struct cv_sizes {
	uint32_t max_conns;    /* of IPv4; default 262144 */
	uint32_t max_conns6;   /* of IPv6; default as max_conns */
	uint32_t max_services; /* default 8192 */
	uint32_t max_dests;    /* default 16384 */
};

/* -E2BIG: more than a table can have. */
int cv_check_sizes(const struct cv_sizes *sizes);

/*
 * Opens the calling thread's network namespace's instance. -ENOENT: there is
 * none. -EPROTO: it was made by a culvert with another layout. Finishes what a
 * killed command left half done, unless another command has the lock (and will).
 */
int cv_open(struct cv **out);

/* Opens it, or loads the data path and makes it. -E2BIG, -ENOMEM, -EPERM, -EOPNOTSUPP (cv_why names the feature). */
int cv_open_or_create(struct cv **out, const struct cv_sizes *sizes);
void cv_close(struct cv **cv);

/*
 * The instance's lock: one command edits at a time. Waits up to `seconds`
 * (0: CULVERT_LOCK_SECONDS in the environment, or 30), then -EBUSY, and cv_why names the pid that holds it.
 * Taking it first completes a journal record that a killed command left.
 */
int cv_lock(struct cv *cv, unsigned int seconds);
/* Whom to tell, once, who has the lock when a call has waited for it for 1.5 s; NULL: nobody. Of the whole process. */
void cv_on_wait(void (*say)(const char *holder));
void cv_unlock(struct cv *cv);

/* Removes links, pins and the directory: the namespace is as if culvert had never run. */
int cv_destroy(struct cv **cv);

/* The configuration, as the data path sees it. Pointers into shared memory: read single words. */
const struct cv_geometry *cv_geometry(const struct cv *cv);
const struct cv_settings *cv_settings(const struct cv *cv);
uint32_t cv_now(const struct cv *cv); /* the data path's clock, ticks */

/* What it was made with. */
void cv_get_sizes(const struct cv *cv, struct cv_sizes *out);

/* Who loaded a data path. */
struct cv_version {
	char culvert[32];
	uint32_t layout; /* what the tables' fields mean: CV_LAYOUT_VERSION */
	uint64_t shape;	 /* how they are laid out */
	uint64_t made;	 /* seconds since 1970 */
};

enum cv_part { CV_PART_LB, CV_PART_IPVLAN, CV_PARTS };

/* Of what is loaded here, which this culvert need not be able to open. -ENOENT: it is not loaded. */
int cv_version_loaded(enum cv_part part, struct cv_version *out);
/* Of this culvert. */
void cv_version_own(enum cv_part part, struct cv_version *out);
const char *cv_own_version(void);

/* ---- replacing the data path (upgrade.c) ---------------------------------- */

struct cv_upgrade {
	bool there; /* this part is loaded */
	struct cv_version was;
	unsigned int hooks; /* that carry the new programs now */
};

/*
 * Puts this culvert's programs in the place of those that are loaded, under
 * traffic: each hook changes at once, and tables, connections and counters stay.
 * -ENOENT: nothing is loaded. -EPROTO: the tables are laid out otherwise; what
 * is loaded stays. Killed, it is finished by the next command that edits.
 */
int cv_upgrade(struct cv_upgrade out[CV_PARTS]);

/* ---- all at once (restoring.c) -------------------------------------------- */

/*
 * A namespace without an instance gets one, whole or not at all: the lock is held
 * from begin to end, and what a killed command left is taken away by the next one.
 * Nothing of it may be left to the end: handles from _lb() and _ipvlan() are the
 * restore's own.
 */
struct cv_restore;

/* -EEXIST: there is an instance already. */
int cv_restore_begin(struct cv_restore **out);
/* The load balancer, made in these sizes; locked. */
int cv_restore_lb(struct cv_restore *r, const struct cv_sizes *sizes, struct cv **out);
/* ipvlan; locked. */
struct cv_ipv;
int cv_restore_ipvlan(struct cv_restore *r, struct cv_ipv **out);
/* It is whole: it stays. */
int cv_restore_commit(struct cv_restore *r);
/* Frees the handle; what was not committed is gone. */
void cv_restore_end(struct cv_restore **r);

/* ---- devices (attach.c) -------------------------------------------------- */

enum cv_mode { CV_MODE_AUTO, CV_MODE_XDP, CV_MODE_TC };

struct cv_attachment {
	char ifname[16];
	uint32_t ifindex;
	enum cv_mode mode; /* XDP: XDP and tc; TC: tc alone */
	bool native;	   /* XDP runs in the driver */
	bool tcx;	   /* tc by tcx, else by clsact */
	bool gone;	   /* the device has left */
	char no_xdp[160];  /* CV_MODE_AUTO took tc: why; else "" */
};

/*
 * Both take the lock unless the caller has it.
 * -ENODEV; -EEXIST attached already; -EBUSY the device carries another's XDP
 * program; -EOPNOTSUPP. Nothing is changed on failure.
 */
int cv_attach(struct cv *cv, const char *ifname, enum cv_mode mode, struct cv_attachment *done);
/* -ENODEV; -ENOENT not attached. The last detach of an instance without services leaves the instance in place. */
int cv_detach(struct cv *cv, const char *ifname);
/* Calls `each` for every attachment until it returns non-zero, and returns that. */
int cv_each_attachment(struct cv *cv, int (*each)(const struct cv_attachment *a, void *arg),
		       void *arg);

struct cv_memory {
	uint64_t conns4, conns6, counters, services, dests, other; /* bytes */
};
void cv_memory(const struct cv *cv, struct cv_memory *out);

/* Sums of enum cv_cause over all CPUs. Negative errno (cv_why()): not told. */
int cv_causes(const struct cv *cv, uint64_t out[CV_C_COUNT]);

/* ---- services (service.c) ------------------------------------------------ */

struct cv_service_spec {
	struct cv_service_key key;
	enum cv_sched sched;
	uint32_t flags;	  /* CV_SVC_PERSISTENT, _ONEPACKET, _SCHED1.. */
	uint32_t timeout; /* persistence, seconds */
	uint32_t netmask; /* as cv_service.netmask */
	uint32_t pe;	  /* 0 none, 1 sip */
};

/* All of these want the lock held. */
int cv_service_add(struct cv *cv,
		   const struct cv_service_spec *spec); /* -EEXIST, -ENOSPC, -EINVAL */
int cv_service_edit(struct cv *cv, const struct cv_service_spec *spec); /* -ESRCH */
int cv_service_del(struct cv *cv, const struct cv_service_key *key);	/* -ESRCH */
int cv_flush(struct cv *cv);						/* ipvsadm -C */
int cv_zero(struct cv *cv, const struct cv_service_key *key);		/* -Z; NULL: all. -ESRCH */
int cv_set_timeouts(struct cv *cv, uint32_t tcp, uint32_t tcp_fin,
		    uint32_t udp); /* seconds; 0 keeps. -EINVAL */

/* ---- settings (vs_settings.c): net.ipv4.vs.* ------------------------------ */

#define CV_SETTING_VALUES 2

struct cv_setting {
	const char *name;    /* without "net.ipv4.vs." */
	unsigned int values; /* 1, or 2 */
	uint32_t value[CV_SETTING_VALUES];
};

/* Names with or without the prefix. -ENOENT: no such setting. */
int cv_setting_get(const struct cv *cv, const char *name, struct cv_setting *out);
int cv_each_setting(const struct cv *cv, int (*each)(const struct cv_setting *s, void *arg),
		    void *arg);
/* Wants the lock held. -EINVAL, -ERANGE; -EOPNOTSUPP: culvert does not do that, and cv_why() says why. */
int cv_setting_set(struct cv *cv, const char *name, const char *text);
/* Would it be set? The same errors. */
int cv_setting_check(const char *name, const char *text);

/* ---- destinations (dest.c) ----------------------------------------------- */

struct cv_dest_spec {
	uint8_t family; /* of addr */
	union cv_addr addr;
	__be16 port;
	enum cv_method method;
	int32_t weight;
	uint32_t u_threshold, l_threshold;
	uint8_t tun_type, tun_flags;
	__be16 tun_port;
};

int cv_dest_add(struct cv *cv, const struct cv_service_key *key,
		const struct cv_dest_spec *spec); /* -ESRCH, -EEXIST, -ERANGE, -EINVAL, -ENOSPC */
int cv_dest_edit(struct cv *cv, const struct cv_service_key *key,
		 const struct cv_dest_spec *spec); /* -ESRCH, -ENOENT, -ERANGE */
/* Only family, addr and port of spec are read. -ESRCH, -ENOENT */
int cv_dest_del(struct cv *cv, const struct cv_service_key *key, const struct cv_dest_spec *spec);

/* ---- reading (list.c) ---------------------------------------------------- */

struct cv_figures {
	uint64_t total[CV_RATES]; /* conns, inpkts, outpkts, inbytes, outbytes since -Z */
	uint64_t rate[CV_RATES];  /* per second, rounded as the kernel shows them */
};

struct cv_dest_info {
	struct cv_dest_spec spec;
	uint32_t activeconns, inactconns, persistconns;
	bool overload, local;
	uint32_t id; /* slot */
	struct cv_nexthop nexthop;
	struct cv_figures figures;
};

struct cv_service_info {
	struct cv_service_spec spec;
	uint32_t num_dests;
	struct cv_figures figures;
	uint32_t id;
};

/*
 * Takes no lock: what it reads may change meanwhile, but every service and
 * destination that stood all the while is there once. Services in no order;
 * destinations in the kernel's order (the last added first). A callback that
 * returns non-zero ends the walk, and that is returned.
 */
int cv_each_service(struct cv *cv, int (*each)(const struct cv_service_info *s, void *arg),
		    void *arg);
int cv_each_dest(struct cv *cv, uint32_t service_id,
		 int (*each)(const struct cv_dest_info *d, void *arg), void *arg);
int cv_find_service(struct cv *cv, const struct cv_service_key *key,
		    struct cv_service_info *out); /* -ESRCH */
uint32_t cv_count_dests(struct cv *cv);		  /* of all services */

struct cv_conn_info {
	uint8_t family, dest_family;
	uint8_t proto, state;
	bool template;
	union cv_addr caddr, vaddr, daddr;
	__be16 cport, vport, dport;
	uint32_t fwmark;
	uint32_t seconds_left; /* until it expires */
	uint32_t in_pkts;
	enum cv_method method;
	/* Persistence engine and what it goes by; NULL without. As long as the callback runs. */
	const char *pe_name, *pe_data;
	uint32_t timeout;	       /* seconds from a packet to its end, rounded up */
	bool inactive;		       /* counts in inactconns */
	bool no_output;		       /* the server's answers do not come by */
	bool stale;		       /* a template that takes no more connections */
	bool in_service;	       /* its server is in a service: */
	struct cv_service_key service; /* ... this one, */
	__be16 server_port;	       /* ... where it has this port */
};

int cv_each_conn(struct cv *cv, int (*each)(const struct cv_conn_info *c, void *arg), void *arg);
uint64_t cv_count_conns(struct cv *cv, uint8_t family);

/*
 * Makes the connection that `c` describes, whose service and server stand. What
 * holds it together with a template is not part of that. Wants the lock held.
 * -EEXIST; -ESRCH, -ENOENT: no such service, server; -ENOSPC: no room.
 */
int cv_conn_add(struct cv *cv, const struct cv_conn_info *c);

/* ---- connection synchronisation (sync.c) --------------------------------- */

enum cv_sync_role { CV_SYNC_MASTER = 1, CV_SYNC_BACKUP = 2 }; /* IP_VS_STATE_* */

struct cv_sync_spec {
	enum cv_sync_role role;
	char ifname[16];      /* sends or listens on this device */
	uint8_t syncid;	      /* 0: no filtering */
	uint8_t ttl;	      /* 0: the default, 1 */
	uint8_t group_family; /* 0: the default group, 224.0.0.81 */
	uint16_t port;	      /* host byte order; 0: the default, 8848 */
	uint16_t maxlen;      /* 0: what the device's MTU leaves */
	union cv_addr group;
};

/* -ENODEV; -EEXIST it runs already; -EINVAL a destination has another family than its service; -EOPNOTSUPP. */
int cv_sync_start(struct cv *cv, const struct cv_sync_spec *spec);
int cv_sync_stop(struct cv *cv, enum cv_sync_role role); /* -ESRCH */
/* What runs, the master first. */
int cv_each_sync(struct cv *cv, int (*each)(const struct cv_sync_spec *s, void *arg), void *arg);

/* Names, as IPVS prints them. */
const char *cv_sched_name(enum cv_sched sched);
int cv_sched_by_name(const char *name); /* -ENOENT */
const char *cv_state_name(uint8_t proto, uint8_t state, bool template);
const char *cv_cause_name(enum cv_cause cause);

#endif
