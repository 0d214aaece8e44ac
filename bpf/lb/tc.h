/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tc door: for devices without XDP, for what XDP leaves over, and for
 * packets with partial checksums and GSO. What it lets pass goes on to the next
 * program on the hook and then up the stack.
 */
#ifndef CULVERT_BPF_LB_TC_H
#define CULVERT_BPF_LB_TC_H

#include <linux/pkt_cls.h>

#include "decide.h"
#include "fragment.h"
#include "icmp_relay.h"
#include "live.h"
#include "tc_xmit.h"

/* Sends an ICMP error about the packet back to its sender. */
static __noinline int tc_answer(struct __sk_buff *skb, struct flow *f, struct icmp_error *e, __u32 otherwise)
{
	struct tc_scratch *s = tc_scratch();

	if (!f || !e || !s || skb->gso_segs > 1 || !icmp_allowed())
		return tc_drop(otherwise);
	nexthop_lookup(skb, &f->saddr, f->v6, &s->hop);
	/* A director's own address as the source of a packet from a wire is a lie. */
	if (s->hop.nh.flags & CV_NH_LOCAL ? skb->ifindex != settings.culvert0 : !s->hop.nh.ifindex)
		return tc_drop(otherwise);
	if (icmp_make(skb, f, e))
		return tc_drop(otherwise);
	count_cause(CV_C_ANSWERED);
	return s->hop.nh.flags & CV_NH_LOCAL ? tc_to_stack(skb) : tc_out(&s->hop);
}

/* A packet of a connection, on its way: its state, its timer, its figures, and out. */
static __noinline int tc_send(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn)
{
	__u32 now = READ_ONCE(clock.now), index;
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;

	if (!f || !conn || !conn->c || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn->c;
	index = c->dest;
	dest = dest_at(index);
	if (!dest)
		return tc_drop(CV_C_DROP_ERROR);
	tc_hop(skb, dest, now, &s->hop);
	if (!conn_same(conn))
		return tc_drop(CV_C_DROP_LOCKED);
	conn_step_slot(f->v6, conn->slot, conn->ctl, STEP(f->proto, FROM_CLIENT, f->tcp_flags));
	count_packet(c);
	count_in(index, f->len);
	if (c->method == CV_MASQ)
		return tc_send_nat(skb, f, conn->slot, &s->hop);
	if (s->hop.nh.flags & CV_NH_LOCAL || c->method == CV_LOCALNODE)
		return tc_pass(CV_C_PASS_LOCAL);
	if (!s->hop.nh.ifindex)
		return SEND_NO_ROUTE;
	WRITE_ONCE(dest->neigh_seen, now);
	if (c->method == CV_TUNNEL)
		return tc_send_tunnel(skb, f, dest, s, c->cport * 0x9e3779b1U ^ c->fwmark);
	return tc_send_dr(skb, f, &s->hop);
}

/* An answer of a masq connection, on its way to the client. */
static __noinline int tc_reply(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn)
{
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	struct hop *hop;
	struct nat n = {};
	__u32 index;

	if (!f || !conn || !conn->c || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn->c;
	hop = &s->hop;
	index = c->dest;
	dest = dest_at(index);
	if (!dest || !conn_same(conn))
		return tc_drop(CV_C_DROP_ERROR);
	nexthop_lookup(skb, &f->daddr, f->v6, hop);
	if (!hop->nh.ifindex && !(hop->nh.flags & CV_NH_LOCAL))
		return tc_drop(CV_C_DROP_NOROUTE);
	if (f->ttl <= 1 && !(hop->nh.flags & CV_NH_LOCAL))
		return SEND_TTL;
	if (hop->nh.ifindex && !tc_fits(skb, f, hop->nh.mtu))
		return SEND_TOO_BIG | hop->nh.mtu;
	conn_step_slot(f->v6, conn->slot, conn->ctl, STEP(f->proto, FROM_SERVER, f->tcp_flags));
	count_out(index, f->len);
	if (!nat_of(f->v6, conn->slot, true, &n) || tc_nat(skb, f, &n))
		return tc_drop(CV_C_DROP_ERROR);
	if (hop->nh.flags & CV_NH_LOCAL) {		/* the client is the director itself */
		count_cause(CV_C_PASS_LOCAL);
		return tc_to_stack(skb);
	}
	return tc_forward(skb, f, hop);
}

/* Why a packet cannot go on, by what sending it returned, and as what it counts if no error answers it. */
static __always_inline __u32 tc_error(struct icmp_error *e, bool v6, __u32 rc)
{
	if (rc == SEND_TTL) {
		*e = icmp_ttl_exceeded(v6);
		return CV_C_DROP_TTL;
	}
	if (rc == SEND_NO_ROUTE) {
		*e = icmp_host_unreach(v6);
		return CV_C_DROP_NOROUTE;
	}
	*e = icmp_too_big(v6, rc & 0xffff);
	return CV_C_DROP_TOOBIG;
}

/* A packet that is too big had lost a hop before that was seen: the error quotes it so. */
static __always_inline void tc_one_hop(struct __sk_buff *skb, bool v6)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN <= end)
		decrease_ttl(data, end, v6);
}

/* COOKIE ECHO and COOKIE ACK may have an ABORT behind them, and that is then what counts: set_sctp_state(). */
static __noinline int tc_bundled_abort(struct __sk_buff *skb, struct flow *f)
{
	struct sctp_chunk chunk;
	__u32 at, len;

	if (!f)
		return false;
	at = f->l4 + sizeof(struct sctp_head);
	if (bpf_skb_load_bytes(skb, at, &chunk, sizeof(chunk)))
		return false;
	len = bpf_ntohs(chunk.length);
	if (len < sizeof(chunk))
		return false;
	at += (len + 3) & ~3;
	if (at - ETH_HLEN + sizeof(chunk) > f->len || bpf_skb_load_bytes(skb, at, &chunk, sizeof(chunk)))
		return false;
	return chunk.type == CHUNK_ABORT;
}

/* `whole`: f is a packet put together of fragments, of which skb is one. */
static __always_inline int tc_balance(struct __sk_buff *skb, struct flow *f, bool whole)
{
	struct icmp_error e = {};
	struct decision d = {};
	struct conn_ref conn = {};
	__u32 otherwise = CV_C_DROP_NODEST;
	enum verdict v;
	int rc;

	if (f->proto == IPPROTO_SCTP && !whole &&
	    (f->sctp_event == SCTP_COOKIE_ECHO || f->sctp_event == SCTP_COOKIE_ACK) && tc_bundled_abort(skb, f))
		f->sctp_event = SCTP_BUNDLED_ABORT;
	v = f->v6 ? decide(f, true, false, &d, &conn) : decide(f, false, false, &d, &conn);
	if (unlikely(whole) && v != V_UNREACH)
		return frag_decided(skb, v, conn.slot, conn.ctl);
	switch (v) {
	case V_SEND:
	case V_REPLY:
		rc = v == V_REPLY ? tc_reply(skb, f, &conn) : tc_send(skb, f, &conn);
		if (d.once)
			conn_end_slot(f->v6, conn.slot, conn.ctl);
		if (rc < SEND_TTL)
			return rc;
		otherwise = tc_error(&e, f->v6, rc);
		if (otherwise == CV_C_DROP_TOOBIG)
			tc_one_hop(skb, f->v6);
		break;
	case V_PASS:
		return tc_pass(d.cause);
	case V_TO_TC:
	case V_DROP:
		return tc_drop(d.cause);
	case V_UNREACH:
		e = icmp_port_unreach(f->v6);
		break;
	}
	return tc_answer(skb, f, &e, otherwise);
}

/* What the kernel calls PACKET_HOST tells the device's own address, which XDP then goes by. */
static __always_inline void learn_uplink(const struct __sk_buff *skb, const struct ethhdr *eth)
{
	struct cv_uplink *u = &uplinks[skb->ifindex % CV_UPLINKS];

	if (likely(u->ifindex == skb->ifindex && *(__u32 *)u->mac == *(__u32 *)eth->h_dest &&
		   *(__u16 *)(u->mac + 4) == *(__u16 *)(eth->h_dest + 4)))
		return;
	u->ifindex = 0;
	__builtin_memcpy(u->mac, eth->h_dest, ETH_ALEN);
	WRITE_ONCE(u->ifindex, skb->ifindex);
}

static __always_inline int tc_uplink_door(struct __sk_buff *skb)
{
	void *data, *end;
	struct flow f = {};
	enum parsed parsed;
	int rc;

	if (!settings.num_services || skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return TC_NEXT;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (likely(data + ETH_HLEN <= end)) {
		learn_uplink(skb, data);
		rc = live_tc(skb);
		if (rc != LIVE_NOT)
			return rc;
	}
	bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN > end)
		return tc_pass(CV_C_PASS_MALFORMED);
	f.mark = skb->mark;
	parsed = parse_frame(data, end, &f, true);
	if (parsed == PARSE_FRAGMENT) {
		rc = frag_enter(skb, &f);
		return rc == FRAG_WHOLE ? tc_balance(skb, &f, true) : rc;
	}
	if (parsed == PARSE_MALFORMED || (parsed != PARSE_OTHER && !length_fits(&f, skb->len)))
		return tc_pass(CV_C_PASS_MALFORMED);
	if (parsed == PARSE_OTHER)
		return tc_pass(CV_C_PASS_OTHER);
	return parsed == PARSE_ICMP ? relay_icmp(skb, &f) : tc_balance(skb, &f, false);
}

#endif
