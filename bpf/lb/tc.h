/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tc door: for devices without XDP, for what XDP leaves over, and for
 * packets with partial checksums and GSO. What it lets pass goes on to the next
 * program on the hook and then up the stack.
 */
#ifndef CULVERT_BPF_LB_TC_H
#define CULVERT_BPF_LB_TC_H

#include <linux/pkt_cls.h>

#include "begin.h"
#include "fragment.h"
#include "icmp_relay.h"
#include "ip_options.h"
#include "live_send.h"
#include "split.h"
#include "stray.h"
#include "tc_xmit.h"
#include "tracked.h"
#include "tunneled.h"

/* Sends an ICMP error about the packet back to its sender. */
GLOBAL int tc_answer(struct __sk_buff *skb, struct flow *f, struct icmp_error *e, __u32 otherwise)
{
	struct tc_scratch *s = tc_scratch();

	if (!f || !e || !s || skb->gso_segs > 1 || !icmp_allowed(e))
		return tc_drop(otherwise);
	tc_route(skb, &f->saddr, e->router ? NULL : &f->daddr, f->v6, &s->hop);
	if (e->router && s->hop.src.q[0] | s->hop.src.q[1])
		f->daddr = s->hop.src;
	/* A director's own address as the source of a packet from a wire is a lie. */
	if (s->hop.nh.flags & CV_NH_LOCAL ? skb->ifindex != settings.culvert0 : !s->hop.nh.ifindex)
		return tc_drop(otherwise);
	if (icmp_make(skb, f, e))
		return tc_drop(otherwise);
	count_cause(CV_C_ANSWERED);
	return s->hop.nh.flags & CV_NH_LOCAL ? tc_to_stack(skb) : tc_out(skb, &s->hop);
}

/* Can a GSO packet not be sent in one, nor passed on? */
static __always_inline bool tc_splits(struct __sk_buff *skb, const struct flow *f,
				      const struct cv_dest *dest, __u32 method,
				      const struct hop *hop)
{
	__u32 mtu = hop->nh.mtu;

	if (likely(!skb->gso_size) || skb->gso_size == GSO_BY_FRAGS ||
	    hop->nh.flags & CV_NH_LOCAL || method == CV_LOCALNODE)
		return false;
	if (method == CV_TUNNEL) {
		if (tun_has_sum(dest->tun_type, dest->tun_flags))
			return true;
		mtu = mtu ? mtu - tun_overhead(dest) : 0;
	}
	return f->ttl <= 1 || !tc_fits(skb, f, mtu);
}

/*
 * Is the packet addressed to somebody else than the director, who can be reached? Of
 * IPv6, IPVS only looks whether it is one host at all (ip_vs_leave()), and finds out later.
 */
static __always_inline bool tc_elsewhere(struct __sk_buff *skb, struct flow *f)
{
	struct tc_scratch *s = tc_scratch();

	if (!s || f->v6)
		return s && f->daddr.b[0] != 0xff;
	tc_lookup(skb, &f->daddr, f->v6, &s->hop);
	return s->hop.nh.ifindex != 0;
}

/*
 * Is the packet led to culvert0 if it is passed up? Its connection's real server
 * is the director itself, which will be found out there: once.
 */
static __always_inline bool tc_led(const struct __sk_buff *skb, const struct flow *f,
				   const struct cv_conn_common *c)
{
	return unlikely(c->fwmark || settings.led & (f->v6 ? CV_LED6 : CV_LED4)) &&
	       settings.culvert0 && skb->ifindex != settings.culvert0;
}

/* A packet of a connection, on its way: its state, its timer, its figures, and out. */
static __noinline int tc_send(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn)
{
	__u32 now = READ_ONCE(clock.now), index;
	struct tc_scratch *s = tc_scratch();
	struct cv_conn_common *c;
	struct cv_dest *dest;
	bool local;

	if (!f || !conn || !conn->c || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn->c;
	if (is_tracked(c))
		return tracked_send(skb, f, conn);
	index = c->dest;
	dest = dest_at(index);
	if (dest)
		tc_hop(skb, dest, now, &s->hop);
	else if (c->method == CV_BYPASS) /* ip_vs_bypass_xmit(): to whom it is addressed to */
		tc_lookup(skb, &f->daddr, f->v6, &s->hop);
	else
		return tc_drop(CV_C_DROP_ERROR);
	local = s->hop.nh.flags & CV_NH_LOCAL || c->method == CV_LOCALNODE;
	if (local && c->method != CV_MASQ && tc_led(skb, f, c))
		return tc_pass(CV_C_PASS_NETFILTER);
	if (!conn_same(conn))
		return tc_drop(CV_C_DROP_LOCKED);
	if (dest && tc_splits(skb, f, dest, c->method, &s->hop))
		return SEND_SPLIT;
	conn_step_slot(f->v6, conn->slot, conn->ctl, STEP(f->proto, FROM_CLIENT, f->tcp_flags));
	count_packet(c);
	count_in(index, f->len);
	if (c->method == CV_MASQ)
		return tc_send_nat(skb, f, conn->slot, &s->hop);
	if (local) /* bypassing itself leads nowhere */
		return dest ? tc_pass(CV_C_PASS_LOCAL) : tc_drop(CV_C_DROP_NOROUTE);
	if (!s->hop.nh.ifindex)
		return tc_no_way(&s->hop);
	if (dest)
		WRITE_ONCE(dest->neigh_seen, now);
	if (dest && c->method == CV_TUNNEL)
		return tc_send_tunnel(skb, f, dest, s, c->cport);
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
	int rc = 0;

	if (!f || !conn || !conn->c || !s)
		return tc_drop(CV_C_DROP_ERROR);
	c = conn->c;
	hop = &s->hop;
	index = c->dest;
	dest = dest_at(index);
	if (!dest || !conn_same(conn) || !nat_of(f->v6, conn->slot, true, &n))
		return tc_drop(CV_C_DROP_ERROR);
	tc_way_back(skb, f, &n.to, hop);
	if (!hop->nh.ifindex && !(hop->nh.flags & CV_NH_LOCAL))
		return tc_drop(CV_C_DROP_NOROUTE);
	if (tc_splits(skb, f, dest, CV_MASQ, hop))
		return SEND_SPLIT;
	if (f->ttl <= 1 && !(hop->nh.flags & CV_NH_LOCAL))
		return SEND_TTL;
	if (hop->nh.ifindex && !tc_fits(skb, f, hop->nh.mtu))
		rc = tc_too_big(f, hop->nh.mtu);
	if (rc && rc != SEND_CUT)
		return rc;
	conn_step_slot(f->v6, conn->slot, conn->ctl, STEP(f->proto, FROM_SERVER, f->tcp_flags));
	count_out(dest, index, f->len);
	if (rc)
		return rc;
	if (tc_nat(skb, f, &n))
		return tc_drop(CV_C_DROP_ERROR);
	if (hop->nh.flags & CV_NH_LOCAL) { /* the client is the director itself */
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
	if (rc == SEND_NO_ROUTE || rc == SEND_SILENT) {
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

/* Finds the Call-ID of a UDP packet. Of one put together of fragments, the first is searched. */
static __noinline int tc_finds_call(struct __sk_buff *skb, struct flow *f, bool whole)
{
	struct sip_work *w = sip_work();
	__u32 at, len;

	if (!w || !f)
		return false;
	at = f->l4 + sizeof(struct udphdr);
	len = f->len + ETH_HLEN - at;
	if (f->len + ETH_HLEN <= at)
		return false;
	if (whole)
		len = frag_text();
	else if (len > sizeof(w->text))
		len = sizeof(w->text);
	if (!len ||
	    (!whole && bpf_skb_load_bytes(skb, at, w->text, bounded(len - 1, SIP_MOST - 1) + 1)))
		return false;
	w->len = len;
	return sip_call();
}

/* The first packet of a connection of a service with --pe sip: its Call-ID decides. */
static __noinline int tc_call(struct __sk_buff *skb, struct flow *f, struct decision *d, bool whole)
{
	if (!f || !d)
		return V_DROP;
	if (!tc_finds_call(skb, f, whole))
		return decided(d, V_DROP, CV_C_DROP_NOCALL);
	d->call = true;
	return admit(f, d);
}

/* The client's side of a packet that a real server begins a call with. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} beginning SEC(".maps");

/* Does the packet, which is of no connection, begin one for the real server that sent it? Only if it is forwarded. */
static __noinline int tc_begins(struct __sk_buff *skb, struct flow *f, struct decision *d,
				bool whole)
{
	struct tc_scratch *s = tc_scratch();
	struct flow *client;
	__u32 zero = 0, dest;

	client = bpf_map_lookup_elem(&beginning, &zero);
	if (!f || !d || !s || !client || f->ttl <= 1)
		return false;
	dest = who_begins(f);
	if (dest == CV_NONE)
		return false;
	tc_route(skb, &f->daddr, &f->saddr, (f->v6 ? ROUTE_V6 : 0) | ROUTE_FORWARDED, &s->hop);
	if (s->hop.nh.flags & CV_NH_LOCAL || !s->hop.nh.ifindex || !tc_finds_call(skb, f, whole))
		return false;
	*client = *f;
	client->saddr = f->daddr;
	client->sport = f->dport;
	client->mark = 0;
	return begin_conn(client, dest, d) == V_SEND;
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
	if (at - ETH_HLEN + sizeof(chunk) > f->len ||
	    bpf_skb_load_bytes(skb, at, &chunk, sizeof(chunk)))
		return false;
	return chunk.type == CHUNK_ABORT;
}

/* As live_skb() does, by the end that is the client's. */
GLOBAL int tc_hash(struct __sk_buff *skb, const struct flow *f, bool reply)
{
	struct place at;

	if (!f)
		return -1;
	at = conn_place(f->v6, reply ? &f->daddr : &f->saddr, reply ? f->dport : f->sport, f->proto,
			0);
	skb_hash(skb, at.client);
	return 0;
}

/*
 * Sends a packet of `conn`; what sending returns for the caller to see to has an
 * error that says it. `whole`: 0, or what frag_carry() wants to know.
 */
static __always_inline int tc_carry(struct __sk_buff *skb, struct flow *f, struct conn_ref *conn,
				    bool reply, __u32 whole)
{
	int rc;

	if (unlikely(whole)) {
		rc = frag_carry(skb, f, conn->slot, conn->ctl, whole);
		if (rc == SEND_REMAKE)
			rc = frag_remake(skb, f, conn->slot, reply);
	} else {
		tc_hash(skb, f, reply);
		rc = reply ? tc_reply(skb, f, conn) : tc_send(skb, f, conn);
		if (unlikely(rc == SEND_SPLIT))
			return split_frame(skb, f);
		if (unlikely(rc == SEND_CUT))
			rc = whole_take(skb, f) ? tc_drop(CV_C_DROP_ERROR) : SEND_WHOLE;
	}
	return unlikely(rc == SEND_WHOLE) ? cut_send(skb, f, conn->slot, reply) : rc;
}

/*
 * May a stray be answered? IPVS sees it if it is for the director itself or if it
 * is forwarded: by now with a hop less, and then it hears from the router.
 */
enum stray { STRAY_NOT, STRAY_LOCAL, STRAY_FORWARDED };

static __noinline int tc_stray(struct __sk_buff *skb, struct flow *f)
{
	struct tc_scratch *s = tc_scratch();

	if (!f || !s || !is_stray(f))
		return STRAY_NOT;
	tc_route(skb, &f->daddr, &f->saddr, (f->v6 ? ROUTE_V6 : 0) | ROUTE_FORWARDED, &s->hop);
	if (s->hop.nh.flags & CV_NH_LOCAL) /* conntrack may know of it, if it was masqueraded */
		return settings.tracked ? STRAY_NOT : STRAY_LOCAL;
	return s->hop.nh.ifindex && f->ttl > 1 ? STRAY_FORWARDED : STRAY_NOT;
}

/* What becomes of it: decide(), and what only tc can tell. */
static __always_inline enum verdict tc_decide(struct __sk_buff *skb, struct flow *f, bool whole,
					      struct decision *d, struct conn_ref *conn,
					      enum stray *stray)
{
	bool begun = false;
	enum verdict v;

	if (f->proto == IPPROTO_SCTP && !whole &&
	    (f->sctp_event == SCTP_COOKIE_ECHO || f->sctp_event == SCTP_COOKIE_ACK) &&
	    tc_bundled_abort(skb, f))
		f->sctp_event = SCTP_BUNDLED_ABORT;
	if (perhaps_begins() && tc_begins(skb, f, d, whole))
		begun = take_conn(f->v6, d, true, conn);
	else if (perhaps_stray())
		*stray = tc_stray(skb, f);
	v = unlikely(begun)	      ? V_REPLY :
	    unlikely(*stray)	      ? V_UNREACH :
	    is_ipsec(f->proto, f->v6) ? decide_related(f, d, conn) :
	    f->v6		      ? decide(f, true, false, d, conn) :
					decide(f, false, false, d, conn);
	if (v == V_CALL) {
		v = tc_call(skb, f, d, whole);
		if (v == V_SEND)
			take_conn(f->v6, d, false, conn);
	}
	if (unlikely(v == V_UNREACH && d->bypass) && !whole && tc_elsewhere(skb, f)) {
		v = open_bypass(f, d);
		if (v == V_SEND)
			v = f->v6 ? take_conn(true, d, false, conn) :
				    take_conn(false, d, false, conn);
	}
	return v;
}

/* `whole`: f is a packet put together of fragments, of which skb is one. */
static __always_inline int tc_balance(struct __sk_buff *skb, struct flow *f, bool whole)
{
	struct icmp_error e = {};
	/* Fragments have no ports that rules could lead them by: their packets get no mark. */
	bool routed = skb->ifindex == settings.culvert0;
	struct decision d = { .front = !whole && !routed,
			      .routed = routed,
			      .own = routed && !skb->ingress_ifindex };
	struct conn_ref conn = {};
	__u32 otherwise = CV_C_DROP_NODEST, how;
	enum stray stray = STRAY_NOT;
	enum verdict v = tc_decide(skb, f, whole, &d, &conn, &stray);
	bool reply;
	int rc;

	if (unlikely(whole) && v != V_SEND && v != V_REPLY &&
	    !(v == V_UNREACH && frag_join(skb, f)))
		return frag_settle(skb, v);
	switch (v) {
	case V_SEND:
	case V_REPLY:
		reply = v == V_REPLY;
		how = (reply ? FRAG_REPLY : 0) | (d.once ? FRAG_ONCE : 0);
		rc = tc_carry(skb, f, &conn, reply, whole ? FRAG_WHOLE | how : 0);
		if (d.once)
			conn_end_slot(f->v6, conn.slot, conn.ctl);
		if (rc < SEND_TTL)
			return rc;
		otherwise = tc_error(&e, f->v6, rc);
		e.router = reply;
		if ((otherwise == CV_C_DROP_TOOBIG || rc == SEND_SILENT) && !whole && !reply)
			tc_one_hop(skb, f->v6);
		break;
	case V_PASS:
		return tc_pass(d.cause);
	case V_TO_TC:
	case V_CALL:
	case V_DROP:
		return tc_drop(d.cause);
	case V_UNREACH:
		e = icmp_port_unreach(f->v6);
		e.router = stray == STRAY_FORWARDED;
		if (e.router && !whole)
			tc_one_hop(skb, f->v6);
		break;
	}
	e.whole = whole;
	return tc_answer(skb, f, &e, otherwise);
}

/* Either door's, for a packet that is parsed. */
static __always_inline int tc_enter(struct __sk_buff *skb, struct flow *f, enum parsed parsed)
{
	bool whole = parsed == PARSE_FRAGMENT;

	if (unlikely(whole || parsed == PARSE_OTHER) && settings.ignore_tunneled)
		tunneled_note(skb, f);
	if (unlikely(whole)) {
		int rc = frag_enter(skb, f);

		if (rc != FRAG_WHOLE)
			return rc;
	} else if (parsed == PARSE_MALFORMED ||
		   (parsed != PARSE_OTHER && !length_fits(f, skb->len))) {
		return tc_pass(CV_C_PASS_MALFORMED);
	} else if (parsed == PARSE_OTHER) {
		return tc_pass(CV_C_PASS_OTHER);
	} else if (parsed == PARSE_ICMP) {
		int rc = relay_icmp(skb, f);

		if (unlikely(rc == SEND_SCHEDULE))
			rc = relay_schedule(skb, f);
		return rc == SEND_WHOLE ? cut_send(skb, f, relay_slot(), false) : rc;
	}
	return tc_balance(skb, f, whole);
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

	if (!settings.num_services || skb->pkt_type != PACKET_HOST || skb->vlan_present ||
	    tunneled(skb))
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
	if (parsed == PARSE_FRAGMENT && cut_marked(skb))
		return cut_resume(skb, &f);
	if (unlikely(has_ip_options(&f)) && options_for_stack(skb, &f))
		return tc_pass(CV_C_PASS_OTHER);
	return tc_enter(skb, &f, parsed);
}

#endif
