// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of -L, column by column as ipvsadm prints them, trailing blanks included. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvsadm_view.h"

/* Longest label of an IPv4 service or destination; IPv6 ones are never cut. */
#define SERVICE_WIDTH 33
#define DEST_WIDTH 28

void table_title(const struct listing *x)
{
	static const char *const titles[] = {
		[VIEW_RULES] = "",
		[VIEW_STATS] = "Prot LocalAddress:Port               Conns   InPkts  OutPkts  "
			       "InBytes OutBytes\n"
			       "  -> RemoteAddress:Port\n",
		[VIEW_RATE] = "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    "
			      "InBPS   OutBPS\n"
			      "  -> RemoteAddress:Port\n",
		[VIEW_THRESHOLDS] = "Prot LocalAddress:Port            Uthreshold Lthreshold "
				    "ActiveConn InActConn \n"
				    "  -> RemoteAddress:Port\n",
		[VIEW_PERSISTENT] = "Prot LocalAddress:Port            Weight    PersistConn "
				    "ActiveConn InActConn \n"
				    "  -> RemoteAddress:Port\n",
		[VIEW_TUNNELS] = "Prot LocalAddress:Port Scheduler Flags\n"
				 "  -> RemoteAddress:Port           Forward TunnelInfo    Weight "
				 "ActiveConn InActConn\n",
		[VIEW_PLAIN] = "Prot LocalAddress:Port Scheduler Flags\n"
			       "  -> RemoteAddress:Port           Forward Weight ActiveConn "
			       "InActConn\n",
	};

	out_text(x->out, titles[x->view]);
}

/* Nine columns: exact, or in thousands (K) and so on once eight digits are not enough. */
static void large_number(const struct listing *x, uint64_t n)
{
	static const struct {
		uint64_t below, unit;
		char letter;
	} steps[] = {
		{ 1000000000ULL, 1000ULL, 'K' },
		{ 100000000000ULL, 1000000ULL, 'M' },
		{ 100000000000000ULL, 1000000000ULL, 'G' },
		{ UINT64_MAX, 1000000000000ULL, 'T' },
	};
	unsigned int i = 0;

	if (x->exact) {
		out_char(x->out, ' ');
		out_right_number(x->out, n, 8);
		return;
	}
	if (n < 100000000) {
		out_right_number(x->out, n, 9);
		return;
	}
	while (steps[i].letter != 'T' && n >= steps[i].below)
		i++;
	out_right_number(x->out, n / steps[i].unit, 8);
	out_char(x->out, steps[i].letter);
}

static void figures(const struct listing *x, const uint64_t figure[CV_RATES])
{
	for (int i = 0; i < CV_RATES; i++)
		large_number(x, figure[i]);
}

static void persistence(struct out *out, const struct cv_service_spec *s)
{
	out_text(out, " persistent ");
	out_number(out, s->timeout);
	if (s->key.family == AF_INET && s->netmask != 0xffffffff) {
		union cv_addr mask = { .v4 = s->netmask };
		struct label l;

		label_address(&l, AF_INET, &mask);
		out_text(out, " mask ");
		out_bytes(out, l.text, l.len);
	} else if (s->key.family == AF_INET6 && s->netmask != 128) {
		out_text(out, " mask ");
		out_number(out, s->netmask);
	}
	if (s->pe)
		out_text(out, " pe sip");
}

static void scheduling(struct out *out, const struct cv_service_spec *s)
{
	out_char(out, ' ');
	out_text(out, cv_sched_name(s->sched));
	if (s->flags & (CV_SVC_SCHED1 | CV_SVC_SCHED2 | CV_SVC_SCHED3)) {
		out_text(out, " (");
		text_sched_flags(out, s);
		out_char(out, ')');
	}
	if (s->flags & CV_SVC_PERSISTENT)
		persistence(out, s);
	if (s->flags & CV_SVC_ONEPACKET)
		out_text(out, " ops");
}

void table_service(const struct listing *x, const struct cv_service_info *s)
{
	struct label l;

	label_service(&l, x->names, &s->spec.key, false);
	if (s->spec.key.family == AF_INET && l.len > SERVICE_WIDTH)
		l.len = SERVICE_WIDTH;
	if (x->view == VIEW_STATS || x->view == VIEW_RATE) {
		out_left(x->out, l.text, l.len, SERVICE_WIDTH);
		figures(x, x->view == VIEW_STATS ? s->figures.total : s->figures.rate);
	} else {
		out_bytes(x->out, l.text, l.len);
		scheduling(x->out, &s->spec);
	}
	out_char(x->out, '\n');
}

static const char *method_name(enum cv_method method)
{
	switch (method) {
	case CV_MASQ:
		return "Masq";
	case CV_LOCALNODE:
		return "Local";
	case CV_TUNNEL:
		return "Tunnel";
	default:
		return "Route";
	}
}

static void tunnel_info(struct out *out, const struct cv_dest_spec *d)
{
	const char *csum = d->tun_flags & CV_TUN_REMCSUM ? "r+c" :
			   d->tun_flags & CV_TUN_CSUM	 ? "+c" :
							   "-c";
	char info[16];

	if (d->method != CV_TUNNEL)
		snprintf(info, sizeof(info), "n/a");
	else if (d->tun_type == CV_TUN_GUE)
		snprintf(info, sizeof(info), "gue:%u:%s", ntohs(d->tun_port), csum);
	else if (d->tun_type == CV_TUN_GRE)
		snprintf(info, sizeof(info), "gre:%s", csum);
	else
		snprintf(info, sizeof(info), "ipip");
	out_left_text(out, info, 13);
	out_char(out, ' ');
}

/* Rates of connections and packets are never rounded, and have a blank before them. */
static void dest_rates(const struct listing *x, const uint64_t rate[CV_RATES])
{
	for (int i = CV_CONNS; i <= CV_OUTPKTS; i++) {
		out_char(x->out, ' ');
		out_right_number(x->out, rate[i], 8);
	}
	large_number(x, rate[CV_INBYTES]);
	large_number(x, rate[CV_OUTBYTES]);
}

static void column(struct out *out, int64_t n, unsigned int width)
{
	out_left_number(out, n, width);
	out_char(out, ' ');
}

static void dest_columns(const struct listing *x, const struct cv_dest_info *d)
{
	struct out *out = x->out;

	switch (x->view) {
	case VIEW_THRESHOLDS:
		column(out, d->spec.u_threshold, 10);
		column(out, d->spec.l_threshold, 10);
		break;
	case VIEW_PERSISTENT:
		column(out, d->spec.weight, 9);
		column(out, d->persistconns, 11);
		break;
	default:
		out_left_text(out, method_name(d->spec.method), 7);
		out_char(out, ' ');
		if (x->view == VIEW_TUNNELS)
			tunnel_info(out, &d->spec);
		column(out, d->spec.weight, 6);
	}
	column(out, d->activeconns, 10);
	out_left_number(out, d->inactconns, 10);
}

void table_dest(const struct listing *x, const struct cv_service_info *s,
		const struct cv_dest_info *d)
{
	struct label l;

	label_endpoint(&l, x->names, d->spec.family, &d->spec.addr, d->spec.port,
		       s->spec.key.proto);
	if (d->spec.family == AF_INET && l.len > DEST_WIDTH)
		l.len = DEST_WIDTH;
	out_text(x->out, "  -> ");
	out_left(x->out, l.text, l.len, DEST_WIDTH);
	if (x->view == VIEW_STATS) {
		figures(x, d->figures.total);
	} else if (x->view == VIEW_RATE) {
		dest_rates(x, d->figures.rate);
	} else {
		out_char(x->out, ' ');
		dest_columns(x, d);
	}
	out_char(x->out, '\n');
}
