/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The third door: the device culvert0, the rules and routes that lead to it, and
 * what else stands outside the maps because of services that need it.
 *
 * R1  What should be there follows from the services, destinations and attached
 *     devices; culvert0_settle() compares it with what is there and applies the
 *     difference. Doing that twice, or after having been killed, is the same as
 *     once.
 * R2  journal.routes_due is set by the record of every edit that may change it,
 *     and cleared by culvert0_settle(). Who gives the lock up, or takes it after
 *     a killed command, settles. It names the service if it is only one: among
 *     100,000 the comparison of all takes 80 ms.
 * R3  The rule that looks into the table `local` is never missing: it is added at
 *     its new place before it is removed from the old one. Rules lead to
 *     culvert0 only while tc_culvert0 is attached to it.
 * R4  A device's forwarding that we turned on is noted in the map `devices`
 *     first (CV_DEV_FORWARD4, CV_DEV_FORWARD6), and a rule keeps the device from
 *     forwarding anything but to culvert0 before it is turned on.
 *
 * R5  cv_settings.led says that the last kind of rules stands: it is set after
 *     they are added and cleared before they go, because the uplinks' doors then
 *     pass up what is for a service by address. It says as well whether there
 *     are services by mark.
 *
 * In each family, rules of protocol RTNL_PROTO_CULVERT:
 *
 *	0: iif culvert0 goto 1			what comes back is not led there again
 *	0: iif lo lookup CULVERT0_TABLE_OWN	the director's own, to virtual addresses
 *	0: fwmark N lookup CULVERT0_TABLE_MARKS	one for each mark in use
 *	0: iif DEV to V ipproto P dport N lookup CULVERT0_TABLE_MARKS
 *						what is for a service by address, while there are
 *						services by mark, which come first (R5)
 *	1: lookup local				which was at 0
 *	1: iif DEV blackhole			DEV forwards to culvert0 alone (R4)
 */
#ifndef CULVERT_CULVERT0_H
#define CULVERT_CULVERT0_H

#include "instance.h"
#include "rtnl.h"

#define CULVERT0_NAME "culvert0"
#define CULVERT0_TABLE_MARKS 25462 /* "cv" */
#define CULVERT0_TABLE_OWN 25463

/* Makes what stands outside the maps follow from them, if it is due. */
int culvert0_settle(struct cv *cv);

/* Takes all of it away. */
int culvert0_remove(struct cv *cv);

/* Does the host forward for all devices? */
int culvert0_forwards(uint8_t family, bool *forwards);

/* Can services by mark of this family be had? -EOPNOTSUPP: and cv_why() says what to do. */
int culvert0_check(uint8_t family);

/* ---- parts ------------------------------------------------------------------ */

/* What is for a service by address. */
struct culvert0_flow {
	union cv_addr to;
	uint8_t ipproto;
	uint16_t ports[2]; /* first and last; 0: any */
};

/* What one family needs. Marks and addresses are sorted and have nothing twice. */
struct culvert0_wants {
	uint8_t family;
	struct culvert0_flow *flows; /* led to culvert0 from every attached device */
	size_t n_flows;
	uint32_t *marks;
	size_t n_marks;
	union cv_addr *addrs; /* virtual addresses */
	size_t n_addrs;
};

/* culvert0_device.c: the device, with its program. */
int culvert0_device_up(struct cv *cv, struct rtnl *nl);
int culvert0_device_down(struct cv *cv, struct rtnl *nl);

/* culvert0_rules.c: the route of one virtual address, where the rules stand already. */
int culvert0_route(struct rtnl *nl, uint8_t family, const union cv_addr *addr, uint32_t ifindex,
		   bool wanted);

/* Rules and routes of one family. `guards`: devices of R4. */
struct culvert0_names {
	char (*names)[IFNAMSIZ];
	size_t n;
};
int culvert0_rules(struct rtnl *nl, const struct culvert0_wants *w, uint32_t ifindex,
		   const struct culvert0_names *guards, const struct culvert0_names *attached);

#endif
