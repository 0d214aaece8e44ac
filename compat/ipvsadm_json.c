// SPDX-License-Identifier: GPL-2.0-or-later
/* What stands in the documents of -L --json; docs/json.md tells the meaning of every member. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ipvsadm_view.h"

static void json_address(struct jsonw *j, const char *key, uint8_t family,
			 const union cv_addr *addr)
{
	struct label l;

	label_address(&l, family, addr);
	jsonw_string(j, key, l.text);
}

static const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "ipv6" : "ipv4";
}

static void json_protocol(struct jsonw *j, uint8_t proto)
{
	char number[16];
	const char *name = number;

	if (proto == IPPROTO_TCP)
		name = "tcp";
	else if (proto == IPPROTO_UDP)
		name = "udp";
	else if (proto == IPPROTO_SCTP)
		name = "sctp";
	else
		snprintf(number, sizeof(number), "%u", proto);
	jsonw_string(j, "protocol", name);
}

static void json_figures(struct jsonw *j, const char *key, const uint64_t figure[CV_RATES])
{
	jsonw_object(j, key);
	jsonw_number(j, "conns", figure[CV_CONNS]);
	jsonw_number(j, "in_pkts", figure[CV_INPKTS]);
	jsonw_number(j, "out_pkts", figure[CV_OUTPKTS]);
	jsonw_number(j, "in_bytes", figure[CV_INBYTES]);
	jsonw_number(j, "out_bytes", figure[CV_OUTBYTES]);
	jsonw_close(j);
}

static void json_persistence(struct jsonw *j, const struct cv_service_spec *s)
{
	union cv_addr mask = { .v4 = s->netmask };

	jsonw_object(j, "persistent");
	jsonw_number(j, "timeout", s->timeout);
	if (s->key.family == AF_INET6)
		jsonw_number(j, "prefix", s->netmask);
	else
		json_address(j, "netmask", AF_INET, &mask);
	if (s->pe)
		jsonw_string(j, "engine", "sip");
	jsonw_close(j);
}

void json_service(struct jsonw *j, const struct cv_service_info *s)
{
	const struct cv_service_key *key = &s->spec.key;
	const char *flags[3];
	unsigned int n = sched_flag_names(&s->spec, flags);

	jsonw_object(j, NULL);
	jsonw_string(j, "family", family_name(key->family));
	if (key->fwmark) {
		jsonw_number(j, "fwmark", key->fwmark);
	} else {
		json_protocol(j, key->proto);
		json_address(j, "address", key->family, &key->addr);
		jsonw_number(j, "port", ntohs(key->port));
	}
	jsonw_string(j, "scheduler", cv_sched_name(s->spec.sched));
	jsonw_array(j, "scheduler_flags");
	for (unsigned int i = 0; i < n; i++)
		jsonw_string(j, NULL, flags[i]);
	jsonw_close(j);
	if (s->spec.flags & CV_SVC_PERSISTENT)
		json_persistence(j, &s->spec);
	jsonw_bool(j, "one_packet", s->spec.flags & CV_SVC_ONEPACKET);
	json_figures(j, "stats", s->figures.total);
	json_figures(j, "rate", s->figures.rate);
	jsonw_array(j, "destinations");
}

static const char *method_word(enum cv_method method)
{
	switch (method) {
	case CV_MASQ:
		return "masq";
	case CV_LOCALNODE:
		return "local";
	case CV_TUNNEL:
		return "tunnel";
	case CV_BYPASS:
		return "bypass";
	default:
		return "route";
	}
}

static void json_tunnel(struct jsonw *j, const struct cv_dest_spec *d)
{
	jsonw_object(j, "tunnel");
	jsonw_string(j, "type",
		     d->tun_type == CV_TUN_GUE ? "gue" :
		     d->tun_type == CV_TUN_GRE ? "gre" :
						 "ipip");
	if (d->tun_type == CV_TUN_GUE)
		jsonw_number(j, "port", ntohs(d->tun_port));
	if (d->tun_type != CV_TUN_IPIP)
		jsonw_string(j, "checksum",
			     d->tun_flags & CV_TUN_REMCSUM ? "remote" :
			     d->tun_flags & CV_TUN_CSUM	   ? "yes" :
							     "no");
	jsonw_close(j);
}

void json_dest(struct jsonw *j, const struct cv_dest_info *d)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "family", family_name(d->spec.family));
	json_address(j, "address", d->spec.family, &d->spec.addr);
	jsonw_number(j, "port", ntohs(d->spec.port));
	jsonw_string(j, "method", method_word(d->spec.method));
	if (d->spec.method == CV_TUNNEL)
		json_tunnel(j, &d->spec);
	jsonw_signed(j, "weight", d->spec.weight);
	jsonw_number(j, "upper_threshold", d->spec.u_threshold);
	jsonw_number(j, "lower_threshold", d->spec.l_threshold);
	jsonw_number(j, "active_conns", d->activeconns);
	jsonw_number(j, "inactive_conns", d->inactconns);
	jsonw_number(j, "persistent_conns", d->persistconns);
	jsonw_bool(j, "overloaded", d->overload);
	jsonw_bool(j, "local", d->local);
	json_figures(j, "stats", d->figures.total);
	json_figures(j, "rate", d->figures.rate);
	jsonw_close(j);
}

static void json_endpoint(struct jsonw *j, const char *key, uint8_t family,
			  const union cv_addr *addr, __be16 port)
{
	jsonw_object(j, key);
	json_address(j, "address", family, addr);
	jsonw_number(j, "port", ntohs(port));
	jsonw_close(j);
}

void json_connection(struct jsonw *j, const struct cv_conn_info *c)
{
	jsonw_object(j, NULL);
	json_protocol(j, c->proto);
	jsonw_string(j, "state", cv_state_name(c->proto, c->state, c->template));
	jsonw_number(j, "expires", c->seconds_left);
	json_endpoint(j, "client", c->family, &c->caddr, c->cport);
	json_endpoint(j, "virtual", c->family, &c->vaddr, c->vport);
	json_endpoint(j, "destination", c->dest_family, &c->daddr, c->dport);
	jsonw_string(j, "method", method_word(c->method));
	jsonw_bool(j, "template", c->template);
	if (c->fwmark)
		jsonw_number(j, "fwmark", c->fwmark);
	if (c->pe_name)
		jsonw_string(j, "engine", c->pe_name);
	if (c->pe_data)
		jsonw_string(j, "engine_data", c->pe_data);
	jsonw_number(j, "in_pkts", c->in_pkts);
	jsonw_close(j);
}

void json_sync(struct jsonw *j, const struct cv_sync_spec *s)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "state", s->role == CV_SYNC_MASTER ? "master" : "backup");
	jsonw_string(j, "interface", s->ifname);
	jsonw_number(j, "syncid", s->syncid);
	jsonw_number(j, "maxlen", s->maxlen);
	if (s->group_family)
		json_address(j, "group", s->group_family, &s->group);
	jsonw_number(j, "port", s->port);
	jsonw_number(j, "ttl", s->ttl);
	jsonw_close(j);
}
