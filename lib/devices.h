/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map `devices`: what the data path may do with each device of this network
 * namespace. Which of them take frames by XDP_REDIRECT changes without us (a
 * veth's peer turns GRO on), so it is read again with every edit and attach.
 */
#ifndef CULVERT_DEVICES_H
#define CULVERT_DEVICES_H

#include "instance.h"

struct rtnl;
struct rtnl_link;

/* Reads it, unless that was less than a second ago. */
int devices_refresh(struct cv *cv);
int devices_refresh_now(struct cv *cv);

/* Sets the CV_DEV_* in `mask` of one device. */
int devices_mark(struct cv *cv, uint32_t ifindex, uint32_t mask, uint32_t flags);

/*
 * Does the device take frames by XDP_REDIRECT, on a kernel that does not say so
 * itself (before 6.3)? By its driver, and of a veth by its peer.
 */
bool devices_guess(struct rtnl *nl, const struct rtnl_link *link);

#endif
