/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.ipv4.vs.conntrack: masquerading by the kernel's conntrack and nat. The data
 * path (bpf/lb/tracked.h) chooses the real server and says so by a packet's
 * priority; a table of nftables, `inet culvert`, turns that into the server's
 * address before the user's own chains see the packet:
 *
 *	chain again	raw: what was chosen behind netfilter and comes in by culvert0;
 *			its entry is in a zone of its own, as its first one is the host's
 *	chain servers	nat, before dstnat: dnat to meta priority map ..., for new entries, and
 *			how long those of TCP last, so that they do not outlive their connections
 *	chain done	what conntrack could make nothing of goes no further; the priority has served
 *
 * K1  What should be there follows from the setting and the destinations; tracked_settle()
 *     compares, and applies the difference, when culvert0_settle() does.
 * K2  A destination's elements are there before it may be sent to (tracked_learn()).
 *     Those that nobody needs any more may stay until the next settling, or until
 *     the slot has another owner, which then has no connections (C6).
 * K3  cv_settings.tracked is set after the table stands and cleared before it goes; then
 *     the connections that there are become the data path's own, which goes on with
 *     them (but for those that a rule has masqueraded: their servers know another
 *     client), and the table goes last.
 * K4  journal.tracked says that there may be a table: set before it is made, cleared after it
 *     is gone.
 */
#ifndef CULVERT_TRACKED_LIB_H
#define CULVERT_TRACKED_LIB_H

#include "instance.h"

/* Can this family be masqueraded so? -EOPNOTSUPP: the host does not forward it. */
int tracked_check(uint8_t family);

/* Before the setting is changed: all that may fail of it. */
int tracked_prepare(struct cv *cv);

/* Before a masq destination comes to be, or is changed. */
int tracked_learn(struct cv *cv, uint32_t slot);

int tracked_settle(struct cv *cv, bool wanted);

#endif
