/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection as it is handed to ctl_adopt, behind an Ethernet header. */
#ifndef CULVERT_RECORD_H
#define CULVERT_RECORD_H

#include "types.h"

struct cv_conn_record {
	union cv_addr caddr, vaddr;
	__be16 cport, vport, dport;
	__u8 proto;
	__u8 flags;    /* CV_RECORD_* */
	__u32 dest;    /* index of the destination, which is in its service */
	__u32 ctl;     /* CV_CTL_STATE, _INACTIVE, _NOOUTPUT, _TEMPLATE */
	__u32 timeout; /* ticks from a packet to the end */
	__u32 left;    /* ticks until it ends */
	__u32 fwmark;
	__u32 in_pkts;
};

#define CV_RECORD_IPV6 0x01U

/* What ctl_adopt returns. */
enum cv_adopted { CV_ADOPTED, CV_ADOPT_THERE, CV_ADOPT_LOCKED, CV_ADOPT_FULL, CV_ADOPT_BAD };

#endif
