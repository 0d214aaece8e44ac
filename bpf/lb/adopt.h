/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections that no packet made: the library has them from elsewhere. They go
 * the way that others go, so that the table's invariants are one place's affair.
 */
#ifndef CULVERT_BPF_LB_ADOPT_H
#define CULVERT_BPF_LB_ADOPT_H

#include <culvert/record.h>

#include "open.h"

static __always_inline void adopt_read(const struct cv_conn_record *r, struct new_conn *n)
{
	n->key.caddr = r->caddr;
	n->key.addr = r->vaddr;
	n->key.cport = r->cport;
	n->key.port = r->vport;
	n->key.proto = r->proto;
	n->key.v6 = r->flags & CV_RECORD_IPV6;
	n->key.reply = false;
	n->key.template = r->ctl & CV_CTL_TEMPLATE;
	n->dport = r->dport;
	n->ctl = r->ctl & (CV_CTL_STATE | CV_CTL_INACTIVE | CV_CTL_NOOUTPUT | CV_CTL_TEMPLATE);
	n->timeout = r->timeout;
	n->control = 0;
	n->call = 0;
	n->fwmark = r->fwmark;
}

/* What had a mark was chosen behind netfilter. */
static __always_inline __u8 adopt_method(const struct cv_dest *dest, const struct cv_conn_record *r)
{
	__u32 method = dest->flags & CV_DEST_METHOD;

	if (!settings.tracked || method != CV_MASQ || r->ctl & CV_CTL_TEMPLATE)
		return method;
	return r->fwmark ? CV_RETRACKED : CV_TRACKED;
}

static __always_inline int adopt(struct __sk_buff *skb)
{
	struct new_conn *n = new_conn();
	struct cv_conn_record r;
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct conn_id id;
	int made;

	if (!n || bpf_skb_load_bytes(skb, 14, &r, sizeof(r)))
		return CV_ADOPT_BAD;
	dest = dest_at(r.dest);
	if (!dest || !(dest->flags & CV_DEST_AVAILABLE))
		return CV_ADOPT_BAD;
	adopt_read(&r, n);
	n->method = adopt_method(dest, &r);
	made = conn_make(dest, r.dest, n, &id);
	if (made != CONN_MADE)
		return made == CONN_THERE  ? CV_ADOPT_THERE :
		       made == CONN_LOCKED ? CV_ADOPT_LOCKED :
					     CV_ADOPT_FULL;
	c = conn_at(r.flags & CV_RECORD_IPV6, id.slot);
	if (c) {
		WRITE_ONCE(c->expires, READ_ONCE(clock.now) + r.left);
		c->in_pkts = r.in_pkts;
	}
	return CV_ADOPTED;
}

#endif
