/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net.ipv4.vs.nat_icmp_send: what a masq real server sends from its port and
 * is of no connection (its time was up, or the director's table is a new one) is
 * answered with "port unreachable", so that the server gives up, too
 * (ip_vs_out_hook()).
 */
#ifndef CULVERT_BPF_LB_STRAY_H
#define CULVERT_BPF_LB_STRAY_H

#include "decide.h"

static __always_inline bool is_real(struct cv_real_key *key)
{
	if (bpf_map_lookup_elem(&reals, key))
		return true;
	key->proto = 0; /* of a service by mark */
	return bpf_map_lookup_elem(&reals, key);
}

GLOBAL int is_stray(const struct flow *f)
{
	struct cv_real_key key = {};
	struct conn_id id;

	if (!f)
		return false;
	if (f->proto == IPPROTO_TCP  ? f->tcp_flags & TCP_RST :
	    f->proto == IPPROTO_SCTP ? f->sctp_event == SCTP_ABORT :
				       f->proto != IPPROTO_UDP)
		return false;
	key.addr = f->saddr;
	key.port = f->sport;
	key.proto = f->proto;
	key.family = f->v6 ? AF_INET6 : AF_INET;
	return is_real(&key) && !find_any_reply(f, &id);
}

static __always_inline bool perhaps_stray(void)
{
	return unlikely(settings.num_masq && settings.nat_icmp_send);
}

#endif
