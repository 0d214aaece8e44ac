/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection table as it stands in memory: looking into it, and auditing it. */
#ifndef PACKET_TABLE_H
#define PACKET_TABLE_H

#include "path.h"

static inline uint32_t table_slots(const struct path *p, bool v6)
{
	return (v6 ? p->geo.sets6 : p->geo.sets4) * CV_WAYS;
}

struct cv_conn_common *table_at(const struct path *p, bool v6, uint32_t slot);
__u32 *table_tag(const struct path *p, bool v6, uint32_t slot);

/* The addresses of an entry. */
union cv_addr table_caddr(const struct path *p, bool v6, uint32_t slot);
union cv_addr table_vaddr(const struct path *p, bool v6, uint32_t slot);
union cv_addr table_daddr(const struct path *p, bool v6, uint32_t slot);

/* Live entries, expired ones too. */
uint32_t table_count(const struct path *p, bool v6);

/* The live connection (no template) of a packet from the client; NULL: none. */
struct cv_conn_common *table_find(const struct path *p, const struct packet *of);

/*
 * The invariants of include/culvert/conn.h that hold while no packet is on its
 * way: nothing is busy or locked; a tag stands where and only where a live entry
 * does (C2); every connection is counted exactly once at its destination, as
 * what it is (C4); no key appears twice (C5); templates know how many connections
 * they control. Returns how many are broken, and prints the first few.
 */
unsigned int table_audit(const struct path *p);

const char *state_name(uint8_t proto, uint32_t ctl);

#endif
