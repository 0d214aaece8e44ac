/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --pe sip: a call that a masq real server begins. Its first message, which is of
 * no connection, makes one as if the client had called, and leaves as the virtual
 * address's, so that what the client answers finds the server: ip_vs_new_conn_out(),
 * __ip_vs_rs_conn_out(). With one-packet scheduling so leave a server's answers.
 */
#ifndef CULVERT_BPF_LB_BEGIN_H
#define CULVERT_BPF_LB_BEGIN_H

#include "decide.h"

static __always_inline bool perhaps_begins(void)
{
	return unlikely(settings.num_sip && settings.num_masq);
}

/* The service of a masq destination that may begin calls; none. */
static __always_inline struct cv_service *service_of_calls(const struct cv_dest *d)
{
	struct cv_service *svc;

	if ((d->flags & (CV_DEST_AVAILABLE | CV_DEST_METHOD)) != (CV_DEST_AVAILABLE | CV_MASQ))
		return NULL;
	svc = service_at(d->service);
	return svc && svc->pe && svc->key.port && !svc->key.fwmark ? svc : NULL;
}

/* The destination whose packet it is, of no connection, and which may begin calls; or CV_NONE. */
GLOBAL __u32 who_begins(const struct flow *f)
{
	struct cv_real_key key = { .what = CV_REAL_NEWEST };
	struct conn_id id;
	struct cv_dest *d;
	__u32 *newest;

	if (!f || f->proto != IPPROTO_UDP || !f->sport)
		return CV_NONE;
	key.addr = f->saddr;
	key.port = f->sport;
	key.proto = f->proto;
	key.family = f->v6 ? AF_INET6 : AF_INET;
	newest = bpf_map_lookup_elem(&reals, &key);
	d = newest ? dest_at(*newest - 1) : NULL;
	return d && service_of_calls(d) && !find_any_reply(f, &id) ? *newest - 1 : CV_NONE;
}

/* The call's template, if it leads to this destination; else a new one, instead of it. */
static __always_inline bool begin_template(struct cv_service *svc, const struct flow *f,
					   struct cv_dest *d, __u32 dest, struct new_conn *n,
					   struct conn_id *id)
{
	struct cv_conn_common *t;
	int made;

	template_key(svc, f, &n->key);
	if (conn_find_slot(&n->key, n->call, id)) {
		t = conn_at(f->v6, id->slot);
		if (t && t->dest == dest && template_good(t))
			return true;
		if (t)
			template_flip(t, id->ctl, CV_CTL_STALE);
	}
	template_new(svc, d, n);
	made = conn_make(d, dest, n, id);
	if (made == CONN_MADE && n->call)
		template_note_call(f->v6, id);
	return made == CONN_MADE || made == CONN_THERE;
}

/*
 * Makes the connection that a packet of the destination's begins; f is the packet as it
 * would come from its client. Without persistence no call is looked for, and none wanted.
 */
GLOBAL int begin_conn(struct flow *f, __u32 dest, struct decision *out)
{
	struct cv_dest *d = dest_at(dest);
	struct new_conn *n = new_conn();
	struct cv_service *svc = d ? service_of_calls(d) : NULL;
	struct sip_work *w = sip_work();
	struct conn_id id = {};
	struct cv_conn_common *t;
	enum verdict v;

	if (!f || !out || !n || !w || !svc)
		return V_PASS;
	f->daddr = svc->key.addr;
	f->dport = svc->key.port;
	out->own = true; /* conntrack has not seen the client's half */
	out->once = svc->flags & CV_SVC_ONEPACKET;
	if (!(svc->flags & CV_SVC_PERSISTENT))
		return open_conn(f, dest, 0, svc->key.port, out);
	n->call = w->hash;
	if (!begin_template(svc, f, d, dest, n, &id))
		return V_PASS;
	t = conn_at(f->v6, id.slot);
	if (!t || !template_hold(t, id.ctl))
		return V_PASS;
	WRITE_ONCE(t->expires, READ_ONCE(clock.now) + t->timeout);
	n->control = id.slot;
	v = open_conn(f, dest, CV_CTL_CONTROLLED, svc->key.port, out);
	if (v != V_SEND || !out->fresh)
		__sync_fetch_and_sub(&t->n_control, 1);
	return v;
}

#endif
