/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services and destinations, written straight into the maps as the library
 * leaves them behind (include/culvert/lb.h), so that the data path is tested
 * alone.
 */
#ifndef PACKET_CONFIG_H
#define PACKET_CONFIG_H

#include "path.h"

struct service_spec {
	bool v6;
	const char *addr; /* NULL: the virtual address */
	uint16_t port;	  /* host byte order; 0: 80 */
	bool any_port;
	uint8_t proto;	 /* 0: TCP */
	uint32_t fwmark; /* a fwmark service: nothing above but v6 counts */
	enum cv_sched sched;
	uint32_t flags;	  /* CV_SVC_* */
	uint32_t timeout; /* of persistence, s */
	uint32_t pe;	  /* 1: sip */
};

/* Their index. */
uint32_t service_add(struct path *p, const struct service_spec *spec);
void service_remove(struct path *p, uint32_t service);

struct dest_spec {
	const char *addr;      /* NULL: server `number` */
	unsigned int number;   /* 1 to SERVERS; 0: r1 */
	uint16_t port;	       /* 0: the service's */
	enum cv_method method; /* CV_MASQ, which is 0, means CV_DROUTE here; see `masq` */
	bool masq;
	int32_t weight; /* 0: 1; WEIGHT_ZERO */
	uint32_t u_threshold, l_threshold;
	uint32_t flags; /* more CV_DEST_* */
};
#define WEIGHT_ZERO (-1)

/* In the kernel's order: the last one added is the list's first. */
uint32_t dest_add(struct path *p, uint32_t service, const struct dest_spec *spec);
/* `n` servers r1 to rn of weight 1, added in that order; the index of r1, the others follow. */
uint32_t dests_add(struct path *p, uint32_t service, unsigned int n);
/* Into the trash: its connections still refer to it. */
void dest_remove(struct path *p, uint32_t dest);
/* Back out of it. */
void dest_readd(struct path *p, uint32_t service, uint32_t dest);
void dest_weight(struct path *p, uint32_t dest, int32_t weight);

/* What most tests want: a service at the virtual address with one server, by direct routing. */
uint32_t simple_service(struct path *p, bool v6, uint8_t proto);

#endif
