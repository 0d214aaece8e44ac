/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tc egress of a device by which answers of a masq real server leave that is
 * the director itself: they become the virtual address's (ip_vs_local_reply4()).
 * Here the stack has already cut what is larger than the way. And of those that
 * conntrack has rewritten (tracked.h), or has not, because it takes them for invalid.
 */
#ifndef CULVERT_BPF_LB_ANSWERS_H
#define CULVERT_BPF_LB_ANSWERS_H

#include "tc.h"

/* An answer as a whole, or its first fragment: its connection moves on, and it gets the virtual address. */
static __noinline int answer_rewrite(struct __sk_buff *skb, struct flow *f, struct conn_id *id,
				     bool fragment)
{
	struct conn_ref conn = {};
	struct nat n = { .fragment = fragment };
	struct cv_dest *dest;
	__u32 index;

	if (!f || !id)
		return TC_NEXT;
	conn.slot = id->slot;
	conn.ctl = id->ctl;
	conn.c = conn_at(f->v6, id->slot);
	if (!conn.c)
		return TC_NEXT;
	index = conn.c->dest;
	dest = dest_at(index);
	if (!dest || !conn_same(&conn))
		return TC_NEXT;
	conn_step_slot(f->v6, conn.slot, conn.ctl, STEP(f->proto, FROM_SERVER, f->tcp_flags));
	count_out(dest, index, f->len);
	if (!nat_of(f->v6, conn.slot, true, &n) || tc_nat(skb, f, &n))
		return tc_drop(CV_C_DROP_ERROR);
	count_cause(CV_C_SENT);
	return TC_NEXT;
}

/* Is it an answer that has the real server's address yet: of a local one, or one that conntrack made nothing of? */
static __always_inline bool answers_one(const struct flow *f, struct conn_id *out)
{
	struct cv_conn_common *c;

	if (!find_any_reply(f, out))
		return false;
	c = conn_at(f->v6, out->slot);
	return c && (c->method == CV_MASQ || is_tracked(c));
}

/*
 * The first fragment has the ports. What connection it is of is kept for the others, which follow it.
 * It is counted, and moves the connection on, as the packet that it is the first of.
 */
static __noinline int answer_first(struct __sk_buff *skb, struct flow *f, struct frag_work *w)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	bool tracked;

	if (!f || !w)
		return TC_NEXT;
	f->proto = w->frag.key.proto;
	if (parse_ports(data + bounded(f->l4, 0x3fff), end, f, true) != PARSED)
		return TC_NEXT;
	if (f->v6) /* there is no fragment header in the whole */
		f->len -= FRAG_HEADER6;
	__builtin_memset(&w->fresh, 0, sizeof(w->fresh));
	tracked = settings.tracked && tracked_answer(f, &w->fresh.conn);
	if (!tracked && !answers_one(f, &w->fresh.conn))
		return TC_NEXT;
	w->fresh.state = FRAG_DECIDED;
	w->fresh.verdict = tracked ? V_PASS : V_REPLY;
	w->fresh.due = READ_ONCE(clock.now) + FRAG_TIME;
	bpf_map_update_elem(&frag_queues, &w->frag.key, &w->fresh, BPF_ANY);
	return tracked ? TC_NEXT : answer_rewrite(skb, f, &w->fresh.conn, true);
}

static __noinline int answer_fragment(struct __sk_buff *skb, struct flow *f)
{
	struct nat n = { .fragment = true };
	struct cv_conn_common *c;
	struct frag_queue *q;
	struct frag_work *w;
	struct cv_dest *dest;
	__u32 zero = 0;

	w = bpf_map_lookup_elem(&frag_works, &zero);
	if (!w || !f || !frag_parse(skb, f, &w->frag))
		return TC_NEXT;
	if (!w->frag.offset)
		return answer_first(skb, f, w);
	q = bpf_map_lookup_elem(&frag_queues, &w->frag.key);
	if (!q || q->state != FRAG_DECIDED || cv_before(q->due, READ_ONCE(clock.now)))
		return TC_NEXT;
	c = conn_at(f->v6, q->conn.slot);
	if (!c || (READ_ONCE(c->ctl) ^ q->conn.ctl) & CV_CTL_GEN)
		return TC_NEXT;
	dest = dest_at(c->dest);
	if (dest)
		count_out_more(dest, c->dest, w->frag.payload);
	if (q->verdict == V_PASS)
		return TC_NEXT;
	f->proto = 0; /* there are no ports to rewrite */
	if (!nat_of(f->v6, q->conn.slot, true, &n) || tc_nat(skb, f, &n))
		return tc_drop(CV_C_DROP_ERROR);
	return TC_NEXT;
}

/* An ICMP error of the server's about a client's packet: about the packet as the client sent it (ip_vs_out_icmp()). */
static __noinline int answer_error(struct __sk_buff *skb, struct flow *f)
{
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct icmp_head h;
	struct about *a;
	__u32 zero = 0;

	a = bpf_map_lookup_elem(&relaying, &zero);
	if (!a || !f || bpf_skb_load_bytes(skb, f->l4, &h, sizeof(h)) ||
	    !icmp_is_error(f->v6, h.type))
		return TC_NEXT;
	__builtin_memset(a, 0, sizeof(*a));
	a->at = f->l4 + sizeof(h);
	if (!about_parse(skb, f->v6, a))
		return TC_NEXT;
	if (settings.tracked)
		tracked_error(f, &a->key);
	a->key.reply = true;
	if (!conn_find_slot(&a->key, 0, &a->conn))
		return TC_NEXT;
	c = conn_at(f->v6, a->conn.slot);
	if (!c || c->method != CV_MASQ)
		return TC_NEXT;
	dest = dest_at(c->dest);
	if (!dest)
		return TC_NEXT;
	count_out(dest, c->dest, f->len);
	if (!nat_of(f->v6, a->conn.slot, true, &a->nat) || relay_nat(skb, f, a))
		return tc_drop(CV_C_DROP_ERROR);
	return TC_NEXT;
}

static __always_inline int tc_answers_door(struct __sk_buff *skb)
{
	struct conn_id id = {};
	struct flow f = {};

	if (!settings.num_masq || skb->vlan_present)
		return TC_NEXT;
	bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);
	switch (parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, &f, true)) {
	case PARSED:
		if (settings.tracked && tracked_answer(&f, &id))
			return TC_NEXT;
		return answers_one(&f, &id) ? answer_rewrite(skb, &f, &id, false) : TC_NEXT;
	case PARSE_IPSEC: /* conntrack has rewritten it */
		as_isakmp(&f);
		if (settings.tracked)
			tracked_answer(&f, &id);
		return TC_NEXT;
	case PARSE_FRAGMENT:
		return answer_fragment(skb, &f);
	case PARSE_ICMP:
		return answer_error(skb, &f);
	default:
		return TC_NEXT;
	}
}

#endif
