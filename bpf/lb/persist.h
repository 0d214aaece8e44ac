/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Persistence: a client keeps its real server. A template remembers the server
 * of a client's network; every connection made through it holds it
 * (ip_vs_sched_persist() in ip_vs_core.c).
 */
#ifndef CULVERT_BPF_LB_PERSIST_H
#define CULVERT_BPF_LB_PERSIST_H

#include "open.h"
#include "sip.h"

/* The client's address under the service's mask: the template's granularity. */
static __always_inline void mask_client(const struct cv_service *svc, const struct flow *f,
					union cv_addr *out)
{
	__u32 bits = svc->netmask;

	*out = f->saddr;
	if (!f->v6) {
		out->v4 &= svc->netmask;
		return;
	}
	for (int i = 0; i < 4; i++) {
		__u32 from = i * 32;

		if (bits <= from)
			out->w[i] = 0;
		else if (bits < from + 32)
			out->w[i] &= bpf_htonl(~0U << ((32 - (bits - from)) & 31));
	}
}

/*
 * By what the client's template is known:
 *   the service's own port     <protocol, client, virtual address, port>
 *   FTP, and any-port services <protocol, client, virtual address, 0>
 *   marks                      <IPPROTO_IP, client, mark, 0>
 * and, with --pe sip, by its Call-ID besides.
 */
static __always_inline void template_key(const struct cv_service *svc, const struct flow *f,
					 struct conn_key *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	mask_client(svc, f, &k->caddr);
	k->v6 = f->v6;
	k->template = true;
	k->proto = f->proto;
	if (svc->key.fwmark && f->dport != svc->key.port) {
		k->proto = IPPROTO_IP;
		k->addr.v4 = bpf_htonl(svc->key.fwmark);
		return;
	}
	k->addr = f->daddr;
	if (f->dport == svc->key.port && f->dport != bpf_htons(FTP_PORT))
		k->port = f->dport;
}

/* Is the template's server still to be had? ip_vs_check_template() */
static __always_inline bool template_good(const struct cv_conn_common *t)
{
	struct cv_dest *d = dest_at(t->dest);

	return d && d->flags & CV_DEST_AVAILABLE &&
	       !(settings.expire_quiescent_template && !READ_ONCE(d->weight));
}

/* Flips a flag of a template, if it is still the one that was found. */
static __always_inline bool template_flip(struct cv_conn_common *t, __u32 ctl, __u32 flag)
{
	for (int i = 0; i < 8; i++) {
		__u32 seen = __sync_val_compare_and_swap(&t->ctl, ctl, ctl ^ flag);

		if (seen == ctl)
			return true;
		if (!(seen & CV_CTL_LIVE) || (seen ^ ctl) & (CV_CTL_GEN | CV_CTL_STALE))
			return false;
		ctl = seen;
	}
	return false;
}

/* One more connection for a template (C8). */
static __always_inline bool template_hold(struct cv_conn_common *t, __u32 ctl)
{
	__sync_fetch_and_add(&t->n_control, 1);
	if (template_flip(t, ctl, CV_CTL_HELD))
		return true;
	__sync_fetch_and_sub(&t->n_control, 1);
	return false;
}

/* What is listed of a call. */
static __always_inline void template_note_call(bool v6, const struct conn_id *id)
{
	struct cv_call_key key = { .slot = id->slot, .v6 = v6 };
	struct sip_work *w = sip_work();

	if (!w)
		return;
	w->call.generation = id->ctl & CV_CTL_GEN;
	bpf_map_update_elem(&calls, &key, &w->call, BPF_ANY);
}

/* What a new template of the key in `n` is like. */
static __always_inline void template_new(const struct cv_service *svc, const struct cv_dest *dest,
					 struct new_conn *n)
{
	n->timeout = svc->timeout * CV_HZ;
	n->dport = n->key.port ? dest->port : 0;
	n->fwmark = 0;
	n->ctl = CV_CTL_TEMPLATE;
	n->control = (__u32)n->call;
	n->method = dest->flags & CV_DEST_METHOD;
}

/* A template for the client: the one there is, or a new one with a server that is chosen now. */
static __always_inline enum verdict template_find(struct cv_service *svc, __u32 service,
						  const struct flow *f, struct new_conn *n,
						  struct conn_id *id, struct decision *out)
{
	struct cv_conn_common *t;
	struct cv_dest *dest;
	__u32 chosen;
	int made;

	template_key(svc, f, &n->key);
	if (conn_find_slot(&n->key, n->call, id)) {
		t = conn_at(f->v6, id->slot);
		if (t && template_good(t))
			return V_SEND;
		/* Its server left: no new connection finds it any more, and it goes with its last one. */
		if (t)
			template_flip(t, id->ctl, CV_CTL_STALE);
	}
	chosen = schedule(service, f);
	if (chosen == CV_NONE)
		return V_UNREACH;
	dest = dest_at(chosen);
	if (!dest) /* SCHED_BUSY */
		return decided(out, V_DROP, CV_C_DROP_LOCKED);
	template_new(svc, dest, n);
	n->fwmark = f->mark;
	made = conn_make(dest, chosen, n, id);
	if (made == CONN_MADE && n->call)
		template_note_call(f->v6, id);
	if (made == CONN_MADE || made == CONN_THERE)
		return V_SEND;
	return decided(out, V_DROP, made == CONN_LOCKED ? CV_C_DROP_LOCKED : CV_C_DROP_FULL);
}

GLOBAL int admit_persistent(__u32 service, const struct flow *f, struct decision *out)
{
	struct cv_service *svc = service_at(service);
	struct new_conn *n = new_conn();
	struct cv_conn_common *t;
	struct conn_id id = {};
	enum verdict v;
	__u32 chosen;

	if (!svc || !f || !out || !n)
		return V_DROP;
	n->call = 0;
	if (svc->pe) {
		struct sip_work *w = sip_work();

		if (f->proto != IPPROTO_UDP || f->quoted || !w)
			return decided(out, V_DROP, CV_C_DROP_NOCALL);
		if (!out->call)
			return V_CALL;
		n->call = w->hash;
	}
	v = template_find(svc, service, f, n, &id, out);
	if (v != V_SEND)
		return v;
	t = conn_at(f->v6, id.slot);
	if (!t)
		return decided(out, V_DROP, CV_C_DROP_ERROR);
	if (!template_hold(t, id.ctl))
		return decided(out, V_DROP, CV_C_DROP_LOCKED);
	chosen = t->dest;
	WRITE_ONCE(t->expires, READ_ONCE(clock.now) + t->timeout);
	n->control = id.slot;
	v = open_conn(f, chosen, CV_CTL_CONTROLLED, svc->key.port, out);
	if (v != V_SEND || !out->fresh)
		__sync_fetch_and_sub(&t->n_control, 1);
	return v;
}

#endif
