/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SCTP's states, as ip_vs_proto_sctp.c has them: those of the real server, told
 * from the first chunk of each packet. With DR and tunnels only the client's half
 * is seen, and the server is taken to have answered as it should.
 */
#ifndef CULVERT_BPF_LB_SCTP_H
#define CULVERT_BPF_LB_SCTP_H

#include "conn.h"

enum direction { FROM_CLIENT, FROM_SERVER, FROM_CLIENT_ONLY, DIRECTIONS };

#define SCTP_ROW(no, i1, in, cs, cr, cw, co, ce, es, ss, sr, sa, rj, cl)                          \
	{                                                                                         \
		[CV_SCTP_NONE] = SCTP_##no, [CV_SCTP_INIT1] = SCTP_##i1,                          \
		[CV_SCTP_INIT] = SCTP_##in, [CV_SCTP_COOKIE_SENT] = SCTP_##cs,                    \
		[CV_SCTP_COOKIE_REPLIED] = SCTP_##cr, [CV_SCTP_COOKIE_WAIT] = SCTP_##cw,          \
		[CV_SCTP_COOKIE] = SCTP_##co, [CV_SCTP_COOKIE_ECHOED] = SCTP_##ce,                \
		[CV_SCTP_ESTABLISHED] = SCTP_##es, [CV_SCTP_SHUTDOWN_SENT] = SCTP_##ss,           \
		[CV_SCTP_SHUTDOWN_RECEIVED] = SCTP_##sr, [CV_SCTP_SHUTDOWN_ACK_SENT] = SCTP_##sa, \
		[CV_SCTP_REJECTED] = SCTP_##rj, [CV_SCTP_CLOSED] = SCTP_##cl                      \
	}
#define SCTP_I1 CV_SCTP_INIT1
#define SCTP_IN CV_SCTP_INIT
#define SCTP_CS CV_SCTP_COOKIE_SENT
#define SCTP_CR CV_SCTP_COOKIE_REPLIED
#define SCTP_CW CV_SCTP_COOKIE_WAIT
#define SCTP_CO CV_SCTP_COOKIE
#define SCTP_CE CV_SCTP_COOKIE_ECHOED
#define SCTP_ES CV_SCTP_ESTABLISHED
#define SCTP_SS CV_SCTP_SHUTDOWN_SENT
#define SCTP_SR CV_SCTP_SHUTDOWN_RECEIVED
#define SCTP_SA CV_SCTP_SHUTDOWN_ACK_SENT
#define SCTP_RJ CV_SCTP_REJECTED
#define SCTP_CL CV_SCTP_CLOSED

/* clang-format off */

/* Columns:                  NONE INIT1 INIT  COOKIE_  COOKIE_  COOKIE_  COOKIE  COOKIE_  ESTAB-  SHUTDOWN_ REJECTED CLOSED
 *                                            SENT     REPLIED  WAIT             ECHOED   LISHED  SENT, RECEIVED, ACK_SENT */
static const __u8 sctp_next[DIRECTIONS][SCTP_EVENTS][16] = {
	[FROM_CLIENT] = {
		[SCTP_DATA]              = SCTP_ROW(ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_INIT]              = SCTP_ROW(I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN),
		[SCTP_INIT_ACK]          = SCTP_ROW(CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ECHO]       = SCTP_ROW(CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ACK]        = SCTP_ROW(ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN]          = SCTP_ROW(SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN_ACK]      = SCTP_ROW(CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL),
		[SCTP_SHUTDOWN_COMPLETE] = SCTP_ROW(CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL),
		[SCTP_ERROR]             = SCTP_ROW(CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL),
		[SCTP_ABORT]             = SCTP_ROW(CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL),
	},
	[FROM_SERVER] = {
		[SCTP_DATA]              = SCTP_ROW(ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_INIT]              = SCTP_ROW(CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW),
		[SCTP_INIT_ACK]          = SCTP_ROW(CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ECHO]       = SCTP_ROW(CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ACK]        = SCTP_ROW(ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN]          = SCTP_ROW(SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN_ACK]      = SCTP_ROW(SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL),
		[SCTP_SHUTDOWN_COMPLETE] = SCTP_ROW(CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_ERROR]             = SCTP_ROW(CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_ABORT]             = SCTP_ROW(CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL),
	},
	[FROM_CLIENT_ONLY] = {
		[SCTP_DATA]              = SCTP_ROW(ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_INIT]              = SCTP_ROW(I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN),
		[SCTP_INIT_ACK]          = SCTP_ROW(CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ECHO]       = SCTP_ROW(ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_COOKIE_ACK]        = SCTP_ROW(ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN]          = SCTP_ROW(SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL),
		[SCTP_SHUTDOWN_ACK]      = SCTP_ROW(CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL),
		[SCTP_SHUTDOWN_COMPLETE] = SCTP_ROW(CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL),
		[SCTP_ERROR]             = SCTP_ROW(CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL),
		[SCTP_ABORT]             = SCTP_ROW(CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL),
	},
};

/* clang-format on */

/* State, INACTIVE and NOOUTPUT of `ctl` after a packet. Only an established association counts as active. */
static __always_inline __u32 sctp_ctl_after(__u32 ctl, __u32 dir, __u32 event)
{
	__u32 state;

	if (event == SCTP_BUNDLED_ABORT)
		event = SCTP_ABORT;
	if (event >= SCTP_EVENTS || dir >= DIRECTIONS) /* no chunk: nothing happened */
		return ctl;
	if (ctl & CV_CTL_NOOUTPUT) {
		if (dir == FROM_SERVER)
			ctl &= ~CV_CTL_NOOUTPUT;
		else
			dir = FROM_CLIENT_ONLY;
	}
	state = sctp_next[dir][event][ctl & 15];
	ctl = (ctl & ~(CV_CTL_STATE | CV_CTL_INACTIVE)) | state;
	return state == CV_SCTP_ESTABLISHED ? ctl : ctl | CV_CTL_INACTIVE;
}

#endif
