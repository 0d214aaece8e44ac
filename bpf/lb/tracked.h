/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Masquerading by the kernel's conntrack (net.ipv4.vs.conntrack, lib/tracked.h): the
 * connection is chosen, kept and counted here as any other, but its packets go
 * up the stack as they came, with a value by which a rule of culvert's in PREROUTING
 * gives the first of them its real server; conntrack does as much with the others
 * and undoes it in the answers. Those are seen where they leave.
 */
#ifndef CULVERT_BPF_LB_TRACKED_H
#define CULVERT_BPF_LB_TRACKED_H

#include <culvert/tracked.h>

#include "tc_xmit.h"

static __always_inline bool is_tracked(const struct cv_conn_common *c)
{
	return unlikely(c->method >= CV_TRACKED);
}

static __always_inline __u32 tracked_value(const struct flow *f, const struct cv_conn_common *c)
{
	struct cv_dest *dest = dest_at(c->dest);
	__u32 value = CV_TRACKED_PREFIX | (c->dest & CV_TRACKED_DEST);

	if (!dest || dest->port != c->dport || !c->dport || is_ipsec(f->proto, f->v6))
		value |= CV_TRACKED_OWN_PORT;
	return value;
}

/*
 * Up the stack. What was chosen behind netfilter has an entry of its own already, that
 * of a packet for the host: it comes in once more, by culvert0, where no rule leads
 * it back (lib/culvert0.h) and a zone keeps the two entries apart.
 */
static __noinline int tracked_pass(struct __sk_buff *skb, struct flow *f, struct cv_conn_common *c)
{
	struct {
		__u8 prefix[2];
		__be32 value;
	} __attribute__((packed)) mac = { .prefix = CV_TRACKED_MAC };
	__u32 value;

	if (!f || !c)
		return tc_drop(CV_C_DROP_ERROR);
	value = tracked_value(f, c);
	if (c->method == CV_TRACKED) {
		skb->priority = value;
		return tc_pass(CV_C_PASS_NETFILTER);
	}
	mac.value = bpf_htonl(value);
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_source), &mac, sizeof(mac), 0))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(CV_C_PASS_NETFILTER);
	return tc_to_stack(skb);
}

/* A client's packet. */
static __noinline int tracked_send(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn)
{
	struct cv_conn_common *c;

	if (!f || !conn || !conn->c || !conn_same(conn))
		return tc_drop(CV_C_DROP_LOCKED);
	c = conn->c;
	conn_step_slot(f->v6, conn->slot, conn->ctl, STEP(f->proto, FROM_CLIENT, f->tcp_flags));
	count_packet(c);
	count_in(c->dest, f->len);
	return tracked_pass(skb, f, c);
}

/* The connection of a key, if its answers are counted where they leave. */
static __always_inline struct cv_conn_common *tracked_find(const struct conn_key *k,
							   struct conn_id *id)
{
	struct cv_conn_common *c;

	if (!conn_find_slot(k, 0, id))
		return NULL;
	c = conn_at(k->v6, id->slot);
	return c && is_tracked(c) ? c : NULL;
}

/* A packet that leaves: an answer, which has the virtual address by now? Of what connection? */
static __noinline bool tracked_answer(const struct flow *f, struct conn_id *id)
{
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct conn_key k;

	if (!f || !id)
		return false;
	answer_key(f, false, &k);
	c = tracked_find(&k, id);
	dest = c ? dest_at(c->dest) : NULL;
	if (!dest)
		return false;
	conn_step_slot(f->v6, id->slot, id->ctl, STEP(f->proto, FROM_SERVER, f->tcp_flags));
	count_out(dest, c->dest, f->len);
	return true;
}

/* An ICMP error that leaves, about a packet of a client's as it was sent. */
static __always_inline void tracked_error(const struct flow *f, const struct conn_key *about)
{
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct conn_id id;

	c = tracked_find(about, &id);
	dest = c ? dest_at(c->dest) : NULL;
	if (dest)
		count_out(dest, c->dest, f->len);
}

#endif
