/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of a packet, whichever door it came through: ip_vs_in() of
 * ip_vs_core.c. The doors carry it out (xmit_*.h, icmp.h).
 */
#ifndef CULVERT_BPF_LB_DECIDE_H
#define CULVERT_BPF_LB_DECIDE_H

#include "defence.h"
#include "nexthop.h"
#include "open.h"
#include "persist.h"

/*
 * Does a packet that could open a connection open one, although its ports
 * belong to another? is_new_conn_expected() and expire_nodest_conn, ip_vs_core.c.
 */
static __always_inline bool reopens(const struct cv_conn_common *c, __u32 ctl,
				    const struct cv_dest *dest)
{
	__u32 state = ctl & CV_CTL_STATE, mode = settings.conn_reuse_mode;

	if (!c->in_pkts) /* XDP made it for this very packet, and handed it on */
		return false;
	if (settings.expire_nodest_conn && dest && !READ_ONCE(dest->weight))
		return true;
	if (!mode || ctl & CV_CTL_CONTROLLED)
		return false;
	if (c->proto == IPPROTO_SCTP)
		return state == CV_SCTP_CLOSED;
	return state == CV_TCP_TIME_WAIT || state == CV_TCP_CLOSE ||
	       (mode & 2 && state == CV_TCP_FIN_WAIT && ctl & CV_CTL_NOOUTPUT);
}

/* net.ipv4.vs.drop_packet: one new connection in so many is refused, the first of them (ip_vs_todrop()). */
static __always_inline bool drop_by_rate(void)
{
	__s32 rate = drop_rate();

	if (likely(!rate))
		return false;
	if (settings.drop_packet != 3 && clock.drop_counter > rate) /* memory became scarcer */
		clock.drop_counter = rate;
	if (--clock.drop_counter > 0)
		return false;
	clock.drop_counter = rate;
	return true;
}

/*
 * From an address that no single host has: the stack drops it (ip_route_input_slow(),
 * ipv6_rcv()) before IPVS would see it, and no ICMP error may answer it (RFC 1122, 3.2.2).
 */
static __always_inline bool martian(const struct flow *f)
{
	__u8 first = f->saddr.b[0];

	if (f->v6)
		return first == 0xff || !(f->saddr.q[0] | (f->saddr.q[1] & ~bpf_cpu_to_be64(1)));
	return first == 0 || first == 127 || (first & 0xf0) == 224 || f->saddr.v4 == 0xffffffff;
}

/*
 * A service by mark has a packet before one by address (ip_vs_service_find()),
 * and only behind netfilter its mark is known. While there are services by mark,
 * rules lead what is for a service by address there, too.
 */
static __always_inline bool perhaps_marked(const struct flow *f, const struct cv_service *svc,
					   const struct decision *out)
{
	return unlikely(settings.led & (f->v6 ? CV_LED6 : CV_LED4)) && (out->front || out->xdp) &&
	       !svc->key.fwmark;
}

/* No destination: ip_vs_leave(). What a service on FTP's port is asked about other ports is not its business. */
static __always_inline enum verdict leave(const struct flow *f, const struct cv_service *svc,
					  struct decision *out)
{
	if (svc->key.port == bpf_htons(FTP_PORT) && f->dport != svc->key.port)
		return decided(out, V_PASS, CV_C_PASS_NOSERVICE);
	out->bypass = settings.cache_bypass && svc->key.fwmark;
	return V_UNREACH;
}

/* What XDP cannot finish: connections that end with their packet, and looking for Call-IDs. */
static __always_inline bool wants_tc(const struct cv_service *svc, const struct flow *f)
{
	return f->proto == IPPROTO_UDP &&
	       (svc->flags & CV_SVC_ONEPACKET || (svc->pe && svc->flags & CV_SVC_PERSISTENT));
}

/* A packet without a connection: finds its service, has it scheduled, opens one. */
GLOBAL int admit(struct flow *f, struct decision *out)
{
	struct cv_service *svc;
	__u32 service, chosen;
	int v;

	if (!f || !out)
		return V_DROP;
	service = service_find(f);
	if (service == CV_NONE)
		return decided(out, V_PASS, CV_C_PASS_NOSERVICE);
	svc = service_at(service);
	if (!svc)
		return decided(out, V_PASS, CV_C_PASS_NOSERVICE);
	if (perhaps_marked(f, svc, out))
		return decided(out, V_PASS, CV_C_PASS_NETFILTER);
	if (martian(f))
		return decided(out, V_PASS, CV_C_PASS_MALFORMED);
	if (f->proto == IPPROTO_TCP && !f->quoted &&
	    (f->tcp_flags & TCP_RST || !(f->tcp_flags & TCP_SYN || settings.sloppy_tcp)))
		return decided(out, V_PASS, CV_C_PASS_NOTSYN);
	if (f->proto == IPPROTO_SCTP && !f->quoted && f->sctp_event != SCTP_INIT &&
	    (f->sctp_event == SCTP_ABORT || f->sctp_event == SCTP_NO_CHUNK ||
	     !settings.sloppy_sctp))
		return decided(out, V_PASS, CV_C_PASS_NOTSYN);
	if (out->xdp && wants_tc(svc, f))
		return V_TO_TC;
	if (!out->call && drop_by_rate())
		return decided(out, V_DROP, CV_C_DROP_OVERLOAD);
	/* Active FTP's data connections come from real servers: ip_vs_schedule(). */
	if (f->sport == bpf_htons(FTP_DATA))
		return decided(out, V_PASS, CV_C_PASS_NOSERVICE);
	out->once = svc->flags & CV_SVC_ONEPACKET && f->proto == IPPROTO_UDP;
	if (svc->flags & CV_SVC_PERSISTENT) {
		v = admit_persistent(service, f, out);
		return v == V_UNREACH ? leave(f, svc, out) : v;
	}
	if (!svc->key.fwmark && svc->key.port != f->dport)
		return decided(out, V_PASS, CV_C_PASS_NOSERVICE);
	chosen = schedule(service, f);
	if (chosen == CV_NONE)
		return leave(f, svc, out);
	if (chosen == SCHED_BUSY)
		return decided(out, V_DROP, CV_C_DROP_LOCKED);
	return open_conn(f, chosen, 0, svc->key.port, out);
}

/* The connection of f, alive; or none. */
static __always_inline bool lookup(struct flow *f, bool v6, struct conn_id *id)
{
	struct place at = conn_place(v6, &f->saddr, f->sport, f->proto, 0);
	enum glance seen = conn_glance(v6, at.home, at.client, &f->key, id);
	struct cv_conn_common *c;

	if (seen == GLANCE_NONE)
		seen = conn_glance(v6, place_second(v6, &at), at.client, &f->key, id);
	if (unlikely(seen == GLANCE_UNSURE))
		return conn_find_slot(&f->key, 0, id);
	if (seen == GLANCE_NONE)
		return false;
	c = conn_at(v6, id->slot);
	return likely(!c || !conn_expired(c, READ_ONCE(clock.now))) ||
	       !conn_end_expired(v6, id->slot, id->ctl);
}

/*
 * What becomes of a packet whose connection exists: most go on with it. A SYN
 * may begin another (ANEW); a destination may have left (GONE).
 */
enum second_thought { KEEP, ANEW, GONE };

/* is_new_conn() */
static __always_inline bool may_open(const struct flow *f)
{
	return f->proto == IPPROTO_TCP ? f->tcp_flags & TCP_SYN :
					 f->proto == IPPROTO_SCTP && f->sctp_event == SCTP_INIT;
}

static __always_inline enum second_thought reconsider(const struct flow *f,
						      const struct conn_ref *conn,
						      const struct cv_dest *dest)
{
	if (may_open(f) && reopens(conn->c, conn->ctl, dest))
		return ANEW;
	if (dest ? dest->flags & CV_DEST_AVAILABLE : conn->c->method == CV_BYPASS)
		return KEEP;
	return settings.expire_nodest_conn ? ANEW : GONE;
}

/* Is it an answer of a connection's real server, by whatever method? */
static __always_inline bool find_any_reply(const struct flow *f, struct conn_id *out)
{
	struct conn_key k;

	answer_key(f, true, &k);
	return conn_find_slot(&k, 0, out);
}

/* Is it an answer of a masq connection's real server? */
GLOBAL int find_reply(const struct flow *f, struct conn_id *out)
{
	struct cv_conn_common *c;

	if (!f || !out || !find_any_reply(f, out))
		return false;
	c = conn_at(f->v6, out->slot);
	return c && c->method == CV_MASQ;
}

/*
 * AH and ESP are balanced by the ISAKMP connection, UDP from port 500 to port 500,
 * of the same two hosts: ah_esp_conn_in_get(), ah_esp_conn_out_get().
 */
#define PORT_ISAKMP 500

static __always_inline void as_isakmp(struct flow *f)
{
	f->proto = IPPROTO_UDP;
	f->sport = f->dport = bpf_htons(PORT_ISAKMP);
	f->zero = 0;
}

enum related { RELATED_NOT, RELATED_CLIENT, RELATED_SERVER };

GLOBAL int find_related(struct flow *f, struct conn_id *out)
{
	enum related found = RELATED_NOT;
	__u8 proto;

	if (!f || !out)
		return RELATED_NOT;
	proto = f->proto;
	as_isakmp(f);
	if (settings.num_masq && find_reply(f, out))
		found = RELATED_SERVER;
	else if (conn_find_slot(&f->key, 0, out))
		found = RELATED_CLIENT;
	f->proto = proto;
	return found;
}

/* The connection of a slot that a global function found or made. */
static __always_inline enum verdict take_conn(bool v6, const struct decision *out, bool reply,
					      struct conn_ref *conn)
{
	conn->slot = out->conn.slot;
	conn->ctl = out->conn.ctl;
	conn->c = conn_at(v6, conn->slot);
	return reply ? V_REPLY : V_SEND;
}

/* What becomes of an AH or ESP packet. Without a connection it is the stack's. */
static __always_inline enum verdict decide_related(struct flow *f, struct decision *out,
						   struct conn_ref *conn)
{
	enum related found = find_related(f, &out->conn);
	struct cv_dest *dest;

	if (found == RELATED_NOT)
		return decided(out, V_PASS, CV_C_PASS_OTHER);
	take_conn(f->v6, out, found == RELATED_SERVER, conn);
	if (found == RELATED_SERVER)
		return V_REPLY;
	dest = conn->c ? dest_at(conn->c->dest) : NULL;
	if (dest && dest->flags & CV_DEST_AVAILABLE)
		return V_SEND;
	if (!settings.expire_nodest_conn)
		return decided(out, V_DROP, CV_C_DROP_NODEST);
	conn_end_slot(f->v6, conn->slot, conn->ctl);
	return decided(out, V_PASS, CV_C_PASS_OTHER);
}

/*
 * The old connection ends, a new one begins. ip_vs_conn_expire_now() only sets
 * a timer: the old one still counts when the new one's server is chosen.
 */
static __always_inline int admit_anew(struct flow *f, struct decision *out, __u32 slot, __u32 ctl)
{
	struct cv_conn_common *c;
	struct cv_dest *dest;
	int v;

	if (!f || !out)
		return V_DROP;
	c = conn_at(f->v6, slot);
	dest = c ? dest_at(c->dest) : NULL;
	/* If it is the old one that fills the server, tc has to answer so, and would not find it any more. */
	if (out->xdp && dest && dest->u_threshold)
		return V_TO_TC;
	if (!conn_end_slot(f->v6, slot, ctl) || !dest)
		return admit(f, out);
	dest_add_conn(dest, ctl);
	v = admit(f, out);
	dest_drop_conn(dest, ctl);
	return v;
}

/*
 * `replies`: answers are expected here, so look for those first; without masq
 * destinations there are none. Both orders find the same.
 */
static __always_inline enum verdict decide(struct flow *f, bool v6, bool replies,
					   struct decision *out, struct conn_ref *conn)
{
	bool masq = settings.num_masq;
	enum verdict v;

	out->fresh = false;
	if (unlikely(masq && replies && find_reply(f, &out->conn)))
		return take_conn(v6, out, true, conn);
	if (likely(lookup(f, v6, &out->conn))) {
		take_conn(v6, out, false, conn);
		switch (conn->c ? reconsider(f, conn, dest_at(conn->c->dest)) : GONE) {
		case KEEP:
			return V_SEND;
		case GONE:
			return decided(out, V_DROP, CV_C_DROP_NODEST);
		case ANEW:
			v = admit_anew(f, out, conn->slot, conn->ctl);
			return v == V_SEND ? take_conn(v6, out, false, conn) : v;
		}
	} else if (masq && !replies && find_reply(f, &out->conn)) {
		return take_conn(v6, out, true, conn);
	}
	v = admit(f, out);
	return v == V_SEND ? take_conn(v6, out, false, conn) : v;
}

#endif
