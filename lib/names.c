// SPDX-License-Identifier: GPL-2.0-or-later
/* Names as IPVS prints them: ip_vs_state_name() and what stands behind it, scheduler names. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "culvert.h"

/* clang-format off */

static const char *const scheds[CV_SCHED_COUNT] = {
	[CV_SCHED_RR] = "rr",
	[CV_SCHED_WRR] = "wrr",
	[CV_SCHED_LC] = "lc",
	[CV_SCHED_WLC] = "wlc",
	[CV_SCHED_LBLC] = "lblc",
	[CV_SCHED_LBLCR] = "lblcr",
	[CV_SCHED_DH] = "dh",
	[CV_SCHED_SH] = "sh",
	[CV_SCHED_MH] = "mh",
	[CV_SCHED_SED] = "sed",
	[CV_SCHED_NQ] = "nq",
	[CV_SCHED_FO] = "fo",
	[CV_SCHED_OVF] = "ovf",
};

static const char *const tcp_states[CV_TCP_LAST] = {
	[CV_TCP_NONE] = "NONE",
	[CV_TCP_ESTABLISHED] = "ESTABLISHED",
	[CV_TCP_SYN_SENT] = "SYN_SENT",
	[CV_TCP_SYN_RECV] = "SYN_RECV",
	[CV_TCP_FIN_WAIT] = "FIN_WAIT",
	[CV_TCP_TIME_WAIT] = "TIME_WAIT",
	[CV_TCP_CLOSE] = "CLOSE",
	[CV_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
	[CV_TCP_LAST_ACK] = "LAST_ACK",
	[CV_TCP_LISTEN] = "LISTEN",
	[CV_TCP_SYNACK] = "SYNACK",
};

static const char *const sctp_states[CV_SCTP_LAST] = {
	[CV_SCTP_NONE] = "NONE",
	[CV_SCTP_INIT1] = "INIT1",
	[CV_SCTP_INIT] = "INIT",
	[CV_SCTP_COOKIE_SENT] = "C-SENT",
	[CV_SCTP_COOKIE_REPLIED] = "C-REPLIED",
	[CV_SCTP_COOKIE_WAIT] = "C-WAIT",
	[CV_SCTP_COOKIE] = "COOKIE",
	[CV_SCTP_COOKIE_ECHOED] = "C-ECHOED",
	[CV_SCTP_ESTABLISHED] = "ESTABLISHED",
	[CV_SCTP_SHUTDOWN_SENT] = "S-SENT",
	[CV_SCTP_SHUTDOWN_RECEIVED] = "S-RECEIVED",
	[CV_SCTP_SHUTDOWN_ACK_SENT] = "S-ACK-SENT",
	[CV_SCTP_REJECTED] = "REJECTED",
	[CV_SCTP_CLOSED] = "CLOSED",
};

static const char *const causes[CV_C_COUNT] = {
	[CV_C_PASS_OTHER] = "pass-other",
	[CV_C_PASS_NOSERVICE] = "pass-no-service",
	[CV_C_PASS_MALFORMED] = "pass-malformed",
	[CV_C_PASS_LOCAL] = "pass-local",
	[CV_C_PASS_NOTSYN] = "pass-not-syn",
	[CV_C_PASS_TO_TC] = "pass-to-tc",
	[CV_C_SENT] = "sent",
	[CV_C_RESOLVING] = "resolving",
	[CV_C_ANSWERED] = "answered",
	[CV_C_DROP_NODEST] = "drop-no-destination",
	[CV_C_DROP_NOROUTE] = "drop-no-route",
	[CV_C_DROP_LOCKED] = "drop-locked",
	[CV_C_DROP_FULL] = "drop-full",
	[CV_C_DROP_OVERLOAD] = "drop-overload",
	[CV_C_DROP_TTL] = "drop-ttl",
	[CV_C_DROP_TOOBIG] = "drop-too-big",
	[CV_C_DROP_ERROR] = "drop-error",
	[CV_C_FRAGMENT] = "fragment",
	[CV_C_CONN_NEW] = "connections-new",
	[CV_C_CONN_EXPIRED] = "connections-expired",
	[CV_C_CONN_EVICTED] = "connections-evicted",
	[CV_C_DROP_NOCALL] = "drop-no-call",
	[CV_C_PASS_NETFILTER] = "passed-to-netfilter",
};

/* clang-format on */

const char *cv_sched_name(enum cv_sched sched)
{
	return (unsigned int)sched < CV_SCHED_COUNT ? scheds[sched] : "?";
}

int cv_sched_by_name(const char *name)
{
	for (int i = 0; i < CV_SCHED_COUNT; i++) {
		if (strcmp(scheds[i], name) == 0)
			return i;
	}
	return -ENOENT;
}

const char *cv_state_name(uint8_t proto, uint8_t state, bool template)
{
	if (template)
		return state == CV_CTPL_ASSURED ? "ASSURED" : "NONE";
	switch (proto) {
	case IPPROTO_TCP:
		return state < CV_TCP_LAST ? tcp_states[state] : "ERR!";
	case IPPROTO_UDP:
		return state < CV_UDP_LAST ? "UDP" : "ERR!";
	case IPPROTO_SCTP:
		return state < CV_SCTP_LAST ? sctp_states[state] : "ERR!";
	case IPPROTO_IP:
		return "NONE";
	}
	return "ERR!";
}

const char *cv_cause_name(enum cv_cause cause)
{
	return (unsigned int)cause < CV_C_COUNT ? causes[cause] : NULL;
}
