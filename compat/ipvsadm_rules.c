// SPDX-License-Identifier: GPL-2.0-or-later
/* -S: the commands that make what stands, as ipvsadm -S writes them and -R reads them. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "ipvsadm_view.h"

unsigned int sched_flag_names(const struct cv_service_spec *s, const char *names[3])
{
	static const char *const words[][3] = {
		{ "flag-1", "flag-2", "flag-3" },
		{ "sh-fallback", "sh-port", NULL },
		{ "mh-fallback", "mh-port", NULL },
	};
	const char *const *word = words[s->sched == CV_SCHED_SH ? 1 :
					s->sched == CV_SCHED_MH ? 2 :
								  0];
	unsigned int n = 0;

	if (s->flags & CV_SVC_SCHED1)
		names[n++] = word[0];
	if (s->flags & CV_SVC_SCHED2)
		names[n++] = word[1];
	if (s->flags & CV_SVC_SCHED3 && word[2])
		names[n++] = word[2];
	return n;
}

void text_sched_flags(struct out *out, const struct cv_service_spec *s)
{
	const char *names[3];
	unsigned int n = sched_flag_names(s, names);

	for (unsigned int i = 0; i < n; i++) {
		if (i)
			out_char(out, ',');
		out_text(out, names[i]);
	}
}

static void rule_label(const struct listing *x, const char *command,
		       const struct cv_service_info *s)
{
	struct label l;

	label_service(&l, x->names, &s->spec.key, true);
	out_text(x->out, command);
	out_bytes(x->out, l.text, l.len);
}

static void rule_persistence(struct out *out, const struct cv_service_spec *s)
{
	out_text(out, " -p ");
	out_number(out, s->timeout);
	if (s->key.family == AF_INET && s->netmask != 0xffffffff) {
		union cv_addr mask = { .v4 = s->netmask };
		struct label l;

		label_address(&l, AF_INET, &mask);
		out_text(out, " -M ");
		out_bytes(out, l.text, l.len);
	} else if (s->key.family == AF_INET6 && s->netmask != 128) {
		out_text(out, " -M ");
		out_number(out, s->netmask);
	}
}

void rule_service(const struct listing *x, const struct cv_service_info *s)
{
	rule_label(x, "-A ", s);
	out_text(x->out, " -s ");
	out_text(x->out, cv_sched_name(s->spec.sched));
	if (s->spec.flags & CV_SVC_PERSISTENT)
		rule_persistence(x->out, &s->spec);
	if (s->spec.pe)
		out_text(x->out, " --pe sip");
	if (s->spec.flags & CV_SVC_ONEPACKET)
		out_text(x->out, " -o");
	if (s->spec.flags & (CV_SVC_SCHED1 | CV_SVC_SCHED2 | CV_SVC_SCHED3)) {
		out_text(x->out, " -b ");
		text_sched_flags(x->out, &s->spec);
	}
	out_char(x->out, '\n');
}

static void rule_checksum(struct out *out, uint8_t flags)
{
	if (flags & CV_TUN_REMCSUM)
		out_text(out, " --tun-remcsum");
	else if (flags & CV_TUN_CSUM)
		out_text(out, " --tun-csum");
	else
		out_text(out, " --tun-nocsum");
}

static void rule_tunnel(struct out *out, const struct cv_dest_spec *d)
{
	switch (d->tun_type) {
	case CV_TUN_GUE:
		out_text(out, " --tun-type gue --tun-port ");
		out_number(out, ntohs(d->tun_port));
		rule_checksum(out, d->tun_flags);
		break;
	case CV_TUN_GRE:
		out_text(out, " --tun-type gre");
		rule_checksum(out, d->tun_flags);
		break;
	default:
		out_text(out, " --tun-type ipip");
	}
}

static void rule_thresholds(struct out *out, const struct cv_dest_spec *d)
{
	if (d->u_threshold) {
		out_text(out, " -x ");
		out_number(out, d->u_threshold);
	}
	if (d->l_threshold) {
		out_text(out, " -y ");
		out_number(out, d->l_threshold);
	}
}

void rule_dest(const struct listing *x, const struct cv_service_info *s,
	       const struct cv_dest_info *d)
{
	struct label l;

	label_endpoint(&l, x->names, d->spec.family, &d->spec.addr, d->spec.port,
		       s->spec.key.proto);
	rule_label(x, "-a ", s);
	out_text(x->out, " -r ");
	out_bytes(x->out, l.text, l.len);
	out_text(x->out, d->spec.method == CV_MASQ   ? " -m" :
			 d->spec.method == CV_TUNNEL ? " -i" :
						       " -g");
	out_text(x->out, " -w ");
	out_left_number(x->out, d->spec.weight, 0);
	if (x->whole)
		rule_thresholds(x->out, &d->spec);
	if (d->spec.method == CV_TUNNEL)
		rule_tunnel(x->out, &d->spec);
	out_char(x->out, '\n');
}
