// SPDX-License-Identifier: GPL-2.0-or-later
/* Listing connections, timeouts and sync daemons: what is not a service. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "ipvsadm_list.h"
#include "ipvsadm_view.h"

/* ip_vs_proto_name() in net/netfilter/ipvs/ip_vs_core.c */
static void conn_protocol(struct out *out, uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		out_text(out, "TCP ");
		break;
	case IPPROTO_UDP:
		out_text(out, "UDP ");
		break;
	case IPPROTO_SCTP:
		out_text(out, "SCTP ");
		break;
	case IPPROTO_IP:
		out_text(out, "IP  ");
		break;
	default:
		out_text(out, "IP_");
		out_number(out, proto);
		out_char(out, ' ');
	}
}

static void two_digits(struct out *out, uint32_t n)
{
	if (n < 10)
		out_char(out, '0');
	out_number(out, n);
}

/* "MM:SS" in a column of 6, and a blank. */
static void expire(struct out *out, uint32_t seconds)
{
	uint32_t minutes = seconds / 60;

	two_digits(out, minutes);
	out_char(out, ':');
	two_digits(out, seconds % 60);
	out_text(out, minutes < 100 ? "  " : " ");
}

static void endpoint(const struct listing *x, uint8_t family, const union cv_addr *addr,
		     __be16 port, uint8_t proto, unsigned int width)
{
	struct label l;

	label_endpoint(&l, x->names, family, addr, port, proto);
	out_left(x->out, l.text, l.len, width);
}

void table_connection(const struct listing *x, const struct cv_conn_info *c)
{
	bool engine = x->view == VIEW_PERSISTENT && c->pe_name && c->pe_data;

	conn_protocol(x->out, c->proto);
	expire(x->out, c->seconds_left);
	out_left_text(x->out, cv_state_name(c->proto, c->state, c->template), 11);
	out_char(x->out, ' ');
	endpoint(x, c->family, &c->caddr, c->cport, c->proto, 18);
	out_char(x->out, ' ');
	endpoint(x, c->family, &c->vaddr, c->vport, c->proto, 18);
	out_char(x->out, ' ');
	endpoint(x, c->dest_family, &c->daddr, c->dport, c->proto, engine ? 16 : 0);
	if (engine) {
		out_char(x->out, ' ');
		out_left_text(x->out, c->pe_name, 18);
		out_char(x->out, ' ');
		out_text(x->out, c->pe_data);
	}
	out_char(x->out, '\n');
}

/* Both stop the walk when nobody reads any more. */
static int one_text_connection(const struct cv_conn_info *c, void *arg)
{
	const struct listing *x = arg;

	table_connection(x, c);
	return x->out->err;
}

static int one_json_connection(const struct cv_conn_info *c, void *arg)
{
	struct jsonw *j = arg;

	json_connection(j, c);
	return j->out->err;
}

static void conn_titles(struct out *out, bool engines)
{
	out_text(out, "IPVS connection entries\n"
		      "pro expire state       source             virtual            destination");
	out_text(out, engines ? "        pe name          pe_data\n" : "\n");
}

int list_connections(struct cv *cv, const struct ipvsadm_request *r, struct out *out)
{
	bool engines = ipvsadm_has(r, OPTION_PERSISTENT_CONN);
	_cleanup_(names_free) struct names *names = NULL;
	struct listing x = { .out = out, .view = engines ? VIEW_PERSISTENT : VIEW_PLAIN };
	struct jsonw j;
	int err = 0;

	if (ipvsadm_has(r, OPTION_JSON)) {
		jsonw_begin(&j, out);
		jsonw_array(&j, "connections");
		err = cv ? cv_each_conn(cv, one_json_connection, &j) : 0;
		jsonw_end(&j);
		return err;
	}
	if (!ipvsadm_has(r, OPTION_NUMERIC))
		err = names_new(&names);
	if (err)
		return err;
	x.names = names;
	conn_titles(out, engines);
	return cv ? cv_each_conn(cv, one_text_connection, &x) : 0;
}

/* What a namespace without an instance would begin with (ip_vs_proto_tcp.c, _udp.c). */
static const uint32_t default_timeouts[3] = { 900, 120, 300 };

static void read_timeouts(const struct cv *cv, uint32_t seconds[3])
{
	const struct cv_settings *s = cv ? cv_settings(cv) : NULL;

	for (int i = 0; i < 3; i++)
		seconds[i] = default_timeouts[i];
	if (!s)
		return;
	seconds[0] = s->timeout[CV_TIMEOUT_TCP + CV_TCP_ESTABLISHED] / CV_HZ;
	seconds[1] = s->timeout[CV_TIMEOUT_TCP + CV_TCP_FIN_WAIT] / CV_HZ;
	seconds[2] = s->timeout[CV_TIMEOUT_UDP + CV_UDP_NORMAL] / CV_HZ;
}

int list_timeouts(struct cv *cv, const struct ipvsadm_request *r, struct out *out)
{
	uint32_t seconds[3];
	struct jsonw j;

	read_timeouts(cv, seconds);
	if (ipvsadm_has(r, OPTION_JSON)) {
		jsonw_begin(&j, out);
		jsonw_object(&j, "timeouts");
		jsonw_number(&j, "tcp", seconds[0]);
		jsonw_number(&j, "tcp_fin", seconds[1]);
		jsonw_number(&j, "udp", seconds[2]);
		jsonw_end(&j);
		return 0;
	}
	out_text(out, "Timeout (tcp tcpfin udp):");
	for (int i = 0; i < 3; i++) {
		out_char(out, ' ');
		out_number(out, seconds[i]);
	}
	out_char(out, '\n');
	return 0;
}

static int text_sync(const struct cv_sync_spec *s, void *arg)
{
	struct out *out = arg;

	out_text(out, s->role == CV_SYNC_MASTER ? "master" : "backup");
	out_text(out, " sync daemon (mcast=");
	out_text(out, s->ifname);
	out_text(out, ", syncid=");
	out_number(out, s->syncid);
	if (s->maxlen) {
		out_text(out, ", maxlen=");
		out_number(out, s->maxlen);
	}
	if (s->group_family) {
		struct label l;

		label_address(&l, s->group_family, &s->group);
		out_text(out, ", group=");
		out_bytes(out, l.text, l.len);
	}
	if (s->port) {
		out_text(out, ", port=");
		out_number(out, s->port);
	}
	if (s->ttl) {
		out_text(out, ", ttl=");
		out_number(out, s->ttl);
	}
	out_text(out, ")\n");
	return 0;
}

static int one_json_sync(const struct cv_sync_spec *s, void *arg)
{
	json_sync(arg, s);
	return 0;
}

int list_daemons(struct cv *cv, const struct ipvsadm_request *r, struct out *out)
{
	struct jsonw j;
	int err;

	if (!ipvsadm_has(r, OPTION_JSON))
		return cv ? cv_each_sync(cv, text_sync, out) : 0;
	jsonw_begin(&j, out);
	jsonw_array(&j, "daemons");
	err = cv ? cv_each_sync(cv, one_json_sync, &j) : 0;
	jsonw_end(&j);
	return err;
}
