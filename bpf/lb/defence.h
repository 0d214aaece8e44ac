/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far the load balancer defends itself (update_defense_level() in
 * ip_vs_ctl.c). secure_tcp, drop_entry and drop_packet are 0: off; 3: on; 1, as
 * which the library notes 2 too: on while less than amemthresh pages are free.
 */
#ifndef CULVERT_BPF_LB_DEFENCE_H
#define CULVERT_BPF_LB_DEFENCE_H

#include "../common.h"

static __always_inline bool memory_low(void)
{
	__u32 pages = READ_ONCE(clock.free_pages);

	return pages && pages < settings.amemthresh;
}

static __always_inline bool defends(__u32 mode)
{
	return unlikely(mode) && (mode == 3 || memory_low());
}

/* Which of the new connections are refused: every so many; 0: none. */
static __always_inline __u32 drop_rate(void)
{
	__u32 mode = settings.drop_packet, most = settings.amemthresh;

	if (likely(!mode))
		return 0;
	if (mode == 3)
		return settings.am_droprate;
	return memory_low() ? most / (most - clock.free_pages) : 0;
}

#endif
