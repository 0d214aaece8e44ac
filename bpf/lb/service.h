/* SPDX-License-Identifier: GPL-2.0-only */
/* Which service is a packet for? As ip_vs_service_find() looks: mark, address and port, FTP's data, any port. */
#ifndef CULVERT_BPF_LB_SERVICE_H
#define CULVERT_BPF_LB_SERVICE_H

#include "../packet.h"

#define FTP_PORT 21
#define FTP_DATA 20
#define PROT_SOCK 1024

static __always_inline __u32 service_lookup(const struct cv_service_key *key)
{
	__u32 *index = bpf_map_lookup_elem(&services, key);

	return index ? *index : CV_NONE;
}

/* The index of the packet's service, or CV_NONE. */
GLOBAL __u32 service_find(const struct flow *f)
{
	struct cv_service_key key = {};
	__u32 found;

	if (!f)
		return CV_NONE;
	key.family = f->v6 ? AF_INET6 : AF_INET;
	if (f->mark && settings.num_fwmark) {
		key.fwmark = f->mark;
		found = service_lookup(&key);
		if (found != CV_NONE)
			return found;
		key.fwmark = 0;
	}
	key.addr = f->daddr;
	key.port = f->dport;
	key.proto = f->proto;
	found = service_lookup(&key);
	if (found != CV_NONE)
		return found;
	if (settings.num_ftp && f->proto == IPPROTO_TCP &&
	    (bpf_ntohs(f->dport) == FTP_DATA || bpf_ntohs(f->dport) >= PROT_SOCK)) {
		key.port = bpf_htons(FTP_PORT);
		found = service_lookup(&key);
		if (found != CV_NONE)
			return found;
	}
	if (!settings.num_anyport)
		return CV_NONE;
	key.port = 0;
	return service_lookup(&key);
}

#endif
