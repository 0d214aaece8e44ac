/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocols' state machines, as ip_vs_proto_tcp.c and ip_vs_proto_udp.c
 * have them (SCTP's: sctp.h). With DR and tunnels the director sees the client's
 * half only: the INPUT_ONLY rows.
 */
#ifndef CULVERT_BPF_LB_STATE_H
#define CULVERT_BPF_LB_STATE_H

#include "conn.h"
#include "defence.h"
#include "sctp.h"

enum tcp_event { EV_SYN, EV_FIN, EV_ACK, EV_RST, EV_NONE };

#define TCP_ROW(no, es, ss, sr, fw, tw, cl, cw, la, li, sa)                        \
	{                                                                          \
		[CV_TCP_NONE] = CV_TCP_##no, [CV_TCP_ESTABLISHED] = CV_TCP_##es,   \
		[CV_TCP_SYN_SENT] = CV_TCP_##ss, [CV_TCP_SYN_RECV] = CV_TCP_##sr,  \
		[CV_TCP_FIN_WAIT] = CV_TCP_##fw, [CV_TCP_TIME_WAIT] = CV_TCP_##tw, \
		[CV_TCP_CLOSE] = CV_TCP_##cl, [CV_TCP_CLOSE_WAIT] = CV_TCP_##cw,   \
		[CV_TCP_LAST_ACK] = CV_TCP_##la, [CV_TCP_LISTEN] = CV_TCP_##li,    \
		[CV_TCP_SYNACK] = CV_TCP_##sa                                      \
	}
#define CV_TCP_ES CV_TCP_ESTABLISHED
#define CV_TCP_SS CV_TCP_SYN_SENT
#define CV_TCP_SR CV_TCP_SYN_RECV
#define CV_TCP_FW CV_TCP_FIN_WAIT
#define CV_TCP_TW CV_TCP_TIME_WAIT
#define CV_TCP_CL CV_TCP_CLOSE
#define CV_TCP_CW CV_TCP_CLOSE_WAIT
#define CV_TCP_LA CV_TCP_LAST_ACK
#define CV_TCP_LI CV_TCP_LISTEN
#define CV_TCP_SA CV_TCP_SYNACK

/* Columns:  NONE ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN SYNACK */
static const __u8 tcp_next[2][DIRECTIONS][4][16] = {
	{
		[FROM_CLIENT] = {
			[EV_SYN] = TCP_ROW(SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR),
			[EV_FIN] = TCP_ROW(CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW),
			[EV_ACK] = TCP_ROW(ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES),
			[EV_RST] = TCP_ROW(CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR),
		},
		[FROM_SERVER] = {
			[EV_SYN] = TCP_ROW(SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR),
			[EV_FIN] = TCP_ROW(TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW),
			[EV_ACK] = TCP_ROW(ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES),
			[EV_RST] = TCP_ROW(CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL),
		},
		[FROM_CLIENT_ONLY] = {
			[EV_SYN] = TCP_ROW(SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR),
			[EV_FIN] = TCP_ROW(CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW),
			[EV_ACK] = TCP_ROW(ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES),
			[EV_RST] = TCP_ROW(CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL),
		},
	},
	{	/* secure_tcp: no connection counts as established on the client's word alone */
		[FROM_CLIENT] = {
			[EV_SYN] = TCP_ROW(SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA),
			[EV_FIN] = TCP_ROW(CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA),
			[EV_ACK] = TCP_ROW(ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA),
			[EV_RST] = TCP_ROW(CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL),
		},
		[FROM_SERVER] = {
			[EV_SYN] = TCP_ROW(SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA),
			[EV_FIN] = TCP_ROW(TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW),
			[EV_ACK] = TCP_ROW(ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES),
			[EV_RST] = TCP_ROW(CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL),
		},
		[FROM_CLIENT_ONLY] = {
			[EV_SYN] = TCP_ROW(SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA),
			[EV_FIN] = TCP_ROW(CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW),
			[EV_ACK] = TCP_ROW(ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES),
			[EV_RST] = TCP_ROW(CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL),
		},
	},
};

/* States in which a connection counts in activeconns (tcp_state_active_table). */
#define TCP_ACTIVE                                                                  \
	(1U << CV_TCP_ESTABLISHED | 1U << CV_TCP_SYN_SENT | 1U << CV_TCP_SYN_RECV | \
	 1U << CV_TCP_SYNACK)

static __always_inline enum tcp_event tcp_event(__u8 flags)
{
	if (flags & TCP_RST)
		return EV_RST;
	if (flags & TCP_SYN)
		return EV_SYN;
	if (flags & TCP_FIN)
		return EV_FIN;
	return flags & TCP_ACK ? EV_ACK : EV_NONE;
}

/* The state after a packet. A segment without any of the four flags closes, as set_tcp_state() has it. */
static __always_inline __u32 tcp_step(__u32 state, __u32 dir, __u8 flags, bool secure)
{
	enum tcp_event event = tcp_event(flags);

	if (event == EV_NONE)
		return CV_TCP_CLOSE;
	return tcp_next[secure & 1][dir][event & 3][state & 15];
}

static __always_inline __u32 timeout_of(__u8 proto, __u32 state)
{
	__u32 at = proto == IPPROTO_TCP	 ? CV_TIMEOUT_TCP + state :
		   proto == IPPROTO_SCTP ? CV_TIMEOUT_SCTP + state :
					   CV_TIMEOUT_UDP;

	return settings.timeout[bounded(at, CV_TIMEOUT_SLOTS - 1)];
}

/* State and INACTIVE of `ctl` after a packet; the other bits as they are. `flags`: flow.tcp_flags or sctp_event. */
GLOBAL __u32 ctl_after(__u32 ctl, __u32 proto, __u32 dir, __u32 flags)
{
	__u32 state = ctl & CV_CTL_STATE;

	if (dir >= DIRECTIONS)
		return ctl;
	if (proto == IPPROTO_SCTP)
		return sctp_ctl_after(ctl, dir, flags);
	if (proto != IPPROTO_TCP)
		return ctl | CV_CTL_INACTIVE;
	if (ctl & CV_CTL_NOOUTPUT) {
		if (dir == FROM_SERVER)
			ctl &= ~CV_CTL_NOOUTPUT;
		else
			dir = FROM_CLIENT_ONLY;
	}
	state = tcp_step(state, dir, flags, defends(settings.secure_tcp));
	ctl = (ctl & ~(CV_CTL_STATE | CV_CTL_INACTIVE)) | state;
	return TCP_ACTIVE >> state & 1 ? ctl : ctl | CV_CTL_INACTIVE;
}

/* A connection through the template has proved that its client is one: ip_vs_control_assure_ct(). */
static __always_inline void template_assure(bool v6, __u32 slot)
{
	struct cv_conn_common *t = conn_at(v6, slot);

	if (t && !(READ_ONCE(t->ctl) & CV_CTPL_ASSURED))
		__sync_fetch_and_or(&t->ctl, CV_CTPL_ASSURED);
}

static __always_inline void count_packet(struct cv_conn_common *c)
{
	if (unlikely(c->in_pkts < CV_IN_PKTS))
		c->in_pkts++;
}

/*
 * May the packet change the state? An established connection's data does not;
 * and the packet that made an SCTP connection has done so (twice the same INIT
 * would be another state).
 */
static __always_inline bool may_move(const struct cv_conn_common *c, __u32 ctl, __u8 proto,
				     enum direction dir, __u8 flags)
{
	__u32 state = ctl & CV_CTL_STATE;

	if (proto == IPPROTO_TCP)
		return !(state == CV_TCP_ESTABLISHED && dir != FROM_SERVER &&
			 (flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK);
	return proto == IPPROTO_SCTP &&
	       (dir == FROM_SERVER ||
		(c->in_pkts && (state != CV_SCTP_ESTABLISHED || flags != SCTP_DATA)));
}

/* Of TCP and SCTP: has the client proved to be one? */
GLOBAL int is_established(__u32 proto, __u32 ctl)
{
	return (ctl & CV_CTL_STATE) ==
	       (proto == IPPROTO_SCTP ? CV_SCTP_ESTABLISHED : CV_TCP_ESTABLISHED);
}

/* ... or has only asked for a connection? ip_vs_random_dropentry() */
GLOBAL int is_half_open(__u32 proto, __u32 ctl)
{
	__u32 states = proto == IPPROTO_SCTP ? 1U << CV_SCTP_INIT1 | 1U << CV_SCTP_INIT :
		       proto == IPPROTO_TCP  ? 1U << CV_TCP_SYN_RECV | 1U << CV_TCP_SYNACK :
					       0;

	return states >> (ctl & 31) & 1;
}

/*
 * Moves a live connection on by one packet: its state, its counts, its timer.
 * Most packets change nothing but the timer, and that once a tick.
 */
static __always_inline void conn_step(bool v6, struct conn_ref *r, struct cv_dest *d, __u8 proto,
				      enum direction dir, __u8 flags)
{
	__u32 ctl = r->ctl, expires, state, timeout;

	if (may_move(r->c, ctl, proto, dir, flags)) {
		for (int i = 0; i < 4; i++) {
			__u32 next = ctl_after(ctl, proto, dir, flags), seen;

			if (next == ctl)
				break;
			seen = __sync_val_compare_and_swap(&r->c->ctl, ctl, next);
			if (seen == ctl) {
				if ((ctl & CV_CTL_STATE) == CV_TCP_ESTABLISHED)
					tag_not_live(v6, r->slot);
				else if (is_asked(proto, ctl))
					tag_answered(v6, r->slot);
				if (d && (ctl ^ next) & CV_CTL_INACTIVE)
					dest_move_conn(d, next & CV_CTL_INACTIVE);
				ctl = next;
				break;
			}
			if (!(seen & CV_CTL_LIVE) || (seen ^ ctl) & CV_CTL_GEN)
				return;
			ctl = seen;
		}
		r->ctl = ctl;
		if (unlikely(ctl & CV_CTL_CONTROLLED) && is_established(proto, ctl))
			template_assure(v6, r->c->control);
	} else if (unlikely(ctl & CV_CTL_CONTROLLED) && proto == IPPROTO_UDP &&
		   dir == FROM_SERVER) {
		template_assure(v6, r->c->control);
	}
	state = ctl & CV_CTL_STATE;
	timeout = timeout_of(proto, state);
	expires = READ_ONCE(clock.now) + timeout;
	if (r->c->expires != expires)
		WRITE_ONCE(r->c->expires, expires);
	if (unlikely(r->c->timeout != timeout))
		WRITE_ONCE(r->c->timeout, timeout);
}

/*
 * conn_step() for tc, proved once: by slot, with what the caller knows of it in
 * `ctl`, and the packet's protocol, direction and flags packed into one.
 */
#define STEP(proto, dir, flags) ((proto) | (dir) << 8 | (flags) << 16)

GLOBAL int conn_step_slot(bool v6, __u32 slot, __u32 ctl, __u32 step)
{
	struct conn_ref r = { .c = v6 ? conn_at(true, slot) : conn_at(false, slot),
			      .ctl = ctl,
			      .slot = slot };
	struct cv_dest *dest = r.c ? dest_at(r.c->dest) : NULL;

	if (!r.c)
		return -1;
	conn_step(v6, &r, dest, step, step >> 8 & 0xff, step >> 16 & 0xff);
	return 0;
}

#endif
