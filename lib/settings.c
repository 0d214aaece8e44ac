// SPDX-License-Identifier: GPL-2.0-or-later
/* The defaults of net.ipv4.vs.* and of the protocols' timeouts, and ipvsadm --set. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "culvert.h"
#include "instance.h"
#include "journal.h"
#include "settings.h"
#include "why.h"

#define S(seconds) ((seconds)*CV_HZ)

/* tcp_timeouts, udp_timeouts and sctp_timeouts of ip_vs_proto_*.c. */
static const uint32_t default_timeouts[CV_TIMEOUT_COUNT] = {
	[CV_TIMEOUT_TCP + CV_TCP_NONE] = S(2),
	[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED] = S(15 * 60),
	[CV_TIMEOUT_TCP + CV_TCP_SYN_SENT] = S(2 * 60),
	[CV_TIMEOUT_TCP + CV_TCP_SYN_RECV] = S(60),
	[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT] = S(2 * 60),
	[CV_TIMEOUT_TCP + CV_TCP_TIME_WAIT] = S(2 * 60),
	[CV_TIMEOUT_TCP + CV_TCP_CLOSE] = S(10),
	[CV_TIMEOUT_TCP + CV_TCP_CLOSE_WAIT] = S(60),
	[CV_TIMEOUT_TCP + CV_TCP_LAST_ACK] = S(30),
	[CV_TIMEOUT_TCP + CV_TCP_LISTEN] = S(2 * 60),
	[CV_TIMEOUT_TCP + CV_TCP_SYNACK] = S(2 * 60),
	[CV_TIMEOUT_UDP + CV_UDP_NORMAL] = S(5 * 60),
	[CV_TIMEOUT_SCTP + CV_SCTP_NONE] = S(2),
	[CV_TIMEOUT_SCTP + CV_SCTP_INIT1] = S(4),
	[CV_TIMEOUT_SCTP + CV_SCTP_INIT] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_COOKIE_SENT] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_COOKIE_REPLIED] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_COOKIE_WAIT] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_COOKIE] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_COOKIE_ECHOED] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_ESTABLISHED] = S(15 * 60),
	[CV_TIMEOUT_SCTP + CV_SCTP_SHUTDOWN_SENT] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_SHUTDOWN_RECEIVED] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_SHUTDOWN_ACK_SENT] = S(61),
	[CV_TIMEOUT_SCTP + CV_SCTP_REJECTED] = S(4),
	[CV_TIMEOUT_SCTP + CV_SCTP_CLOSED] = S(61),
};

void settings_init(struct cv_settings *s)
{
	*s = (struct cv_settings){
		.conn_reuse_mode = 1,
		.am_droprate = 10,
		.amemthresh = 1024,
		.pmtu_disc = 1,
		.snat_reroute = 1,
		.run_estimation = 1,
		.sync_threshold = { 3, 50 },
		.sync_ports = 1,
		.sync_qlen_max = (uint32_t)(sysconf(_SC_AVPHYS_PAGES) / 32),
		.sync_version = 1,
		.lblc_expiration = 24 * 60 * 60,
		.lblcr_expiration = 24 * 60 * 60,
	};
	memcpy(s->timeout, default_timeouts, sizeof(default_timeouts));
}

void settings_add_host(struct txn *t, const union cv_addr *addr)
{
	uint32_t bit = cv_host_bit(addr), *word = &t->cv->settings->hosts[bit / 32];

	txn_set(t, word, *word | 1U << bit % 32);
}

int cv_set_timeouts(struct cv *cv, uint32_t tcp, uint32_t tcp_fin, uint32_t udp)
{
	const uint32_t most = INT_MAX / CV_HZ;
	uint32_t *timeout = cv->settings->timeout;
	struct txn t;

	if (tcp > most || tcp_fin > most || udp > most)
		return cv_fail(-EINVAL, "a timeout is at most %u s", most);
	txn_begin(&t, cv);
	if (tcp)
		txn_set(&t, &timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED], S(tcp));
	if (tcp_fin)
		txn_set(&t, &timeout[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT], S(tcp_fin));
	if (tcp && cv->settings->conntrack) /* conntrack goes by it, too: tracked.h */
		txn_set(&t, &cv->journal->routes_due, ROUTES_ALL);
	if (udp)
		txn_set(&t, &timeout[CV_TIMEOUT_UDP + CV_UDP_NORMAL], S(udp));
	return txn_commit(&t);
}
