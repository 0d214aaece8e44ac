// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "world.h"

struct cv_conn_common *table_at(const struct path *p, bool v6, uint32_t slot)
{
	return v6 ? &((struct cv_conn6 *)p->conns[1])[slot].c :
		    &((struct cv_conn4 *)p->conns[0])[slot].c;
}

__u32 *table_tag(const struct path *p, bool v6, uint32_t slot)
{
	return &p->tags[v6][slot / CV_WAYS].tag[slot % CV_WAYS];
}

enum which_addr { CADDR, VADDR, DADDR };

static union cv_addr entry_addr(const struct path *p, bool v6, uint32_t slot, enum which_addr which)
{
	const struct cv_conn_common *c = table_at(p, v6, slot);

	if (v6) {
		const struct cv_conn6 *e = (const void *)c;

		return which == CADDR ? e->caddr : which == VADDR ? e->vaddr : e->daddr;
	}
	const struct cv_conn4 *e = (const void *)c;

	return (union cv_addr){ .v4 = which == CADDR ? e->caddr :
				      which == VADDR ? e->vaddr :
						       e->daddr };
}

union cv_addr table_caddr(const struct path *p, bool v6, uint32_t slot)
{
	return entry_addr(p, v6, slot, CADDR);
}

union cv_addr table_vaddr(const struct path *p, bool v6, uint32_t slot)
{
	return entry_addr(p, v6, slot, VADDR);
}

union cv_addr table_daddr(const struct path *p, bool v6, uint32_t slot)
{
	return entry_addr(p, v6, slot, DADDR);
}

uint32_t table_count(const struct path *p, bool v6)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < table_slots(p, v6); slot++)
		n += !!(table_at(p, v6, slot)->ctl & CV_CTL_LIVE);
	return n;
}

static bool same(const union cv_addr *a, const union cv_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct cv_conn_common *table_find(const struct path *p, const struct packet *of)
{
	union cv_addr caddr = addr_of(of->src ? of->src : of->v6 ? CLIENT6 : CLIENT, NULL);
	union cv_addr vaddr = addr_of(of->dst ? of->dst : of->v6 ? VIP6 : VIP, NULL);
	uint16_t cport = htons(of->sport ? of->sport : 40000),
		 vport = htons(of->dport ? of->dport : 80);
	uint8_t proto = of->proto ? of->proto : IPPROTO_TCP;

	for (uint32_t slot = 0; slot < table_slots(p, of->v6); slot++) {
		struct cv_conn_common *c = table_at(p, of->v6, slot);
		union cv_addr ca = table_caddr(p, of->v6, slot), va = table_vaddr(p, of->v6, slot);

		if (c->ctl & CV_CTL_LIVE && !(c->ctl & CV_CTL_TEMPLATE) && c->proto == proto &&
		    c->cport == cport && c->vport == vport && same(&ca, &caddr) &&
		    same(&va, &vaddr))
			return c;
	}
	return NULL;
}

/* ---- the audit ------------------------------------------------------------------ */

struct audit {
	const struct path *p;
	unsigned int broken;
	struct tally {
		uint32_t active, inactive, persist;
	} * tally; /* per destination */
};

__attribute__((format(printf, 2, 3))) static void broken(struct audit *a, const char *format, ...)
{
	va_list ap;

	if (a->broken++ >= 8)
		return;
	va_start(ap, format);
	fprintf(stderr, "audit: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
}

/* How many live connections a template controls; `control` of each names its slot. */
static void audit_control(struct audit *a, bool v6)
{
	uint32_t slots = table_slots(a->p, v6), *controlled = calloc(slots, sizeof(*controlled));

	for (uint32_t slot = 0; slot < slots; slot++) {
		const struct cv_conn_common *c = table_at(a->p, v6, slot);

		if (!(c->ctl & CV_CTL_LIVE) || !(c->ctl & CV_CTL_CONTROLLED))
			continue;
		if (c->control >= slots || !(table_at(a->p, v6, c->control)->ctl & CV_CTL_TEMPLATE))
			broken(a, "slot %u is controlled by %u, which is no template", slot,
			       c->control);
		else
			controlled[c->control]++;
	}
	for (uint32_t slot = 0; slot < slots; slot++) {
		const struct cv_conn_common *c = table_at(a->p, v6, slot);

		if (c->ctl & CV_CTL_LIVE && c->n_control != controlled[slot])
			broken(a, "slot %u says that it controls %u connections, it is %u", slot,
			       c->n_control, controlled[slot]);
	}
	free(controlled);
}

static void count_entry(struct audit *a, bool v6, uint32_t slot)
{
	const struct cv_conn_common *c = table_at(a->p, v6, slot);
	struct tally *t;

	if (c->dest >= a->p->geo.max_dests) {
		broken(a, "slot %u has destination %u", slot, c->dest);
		return;
	}
	t = &a->tally[c->dest];
	if (c->ctl & CV_CTL_TEMPLATE)
		t->persist++;
	else if (c->ctl & CV_CTL_INACTIVE)
		t->inactive++;
	else
		t->active++;
}

static void audit_slot(struct audit *a, bool v6, uint32_t slot)
{
	const struct cv_conn_common *c = table_at(a->p, v6, slot);
	uint32_t tag = *table_tag(a->p, v6, slot) & CV_TAG_CLIENT;

	if (c->ctl & CV_CTL_BUSY)
		broken(a, "slot %u is busy at rest (ctl %08x)", slot, c->ctl);
	if (c->ctl & CV_CTL_LIVE && !tag)
		broken(a, "slot %u is live without a tag", slot);
	if (!(c->ctl & CV_CTL_LIVE) && tag)
		broken(a, "slot %u has the tag %x and no live entry", slot, tag);
	if (c->ctl & CV_CTL_LIVE)
		count_entry(a, v6, slot);
}

/* A key in one piece, so that keys can be sorted: zeroed, for memcmp(). */
struct flat_key {
	union cv_addr caddr, vaddr;
	uint16_t cport, vport;
	uint8_t proto, template;
	uint8_t zero[2];
	uint32_t call; /* of a template */
	uint32_t slot;
};

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct flat_key, slot));
}

static void audit_keys(struct audit *a, bool v6)
{
	uint32_t n = table_count(a->p, v6), at = 0;
	struct flat_key *keys = calloc(n + 1, sizeof(*keys));

	for (uint32_t slot = 0; slot < table_slots(a->p, v6) && at < n; slot++) {
		const struct cv_conn_common *c = table_at(a->p, v6, slot);

		/* A stale template is found by nobody. */
		if (c->ctl & CV_CTL_LIVE && !(c->ctl & CV_CTL_STALE))
			keys[at++] = (struct flat_key){ table_caddr(a->p, v6, slot),
							table_vaddr(a->p, v6, slot),
							c->cport,
							c->vport,
							c->proto,
							!!(c->ctl & CV_CTL_TEMPLATE),
							{},
							c->ctl & CV_CTL_TEMPLATE ? c->control : 0,
							slot };
	}
	qsort(keys, at, sizeof(*keys), compare_keys);
	for (uint32_t i = 1; i < at; i++) {
		if (compare_keys(&keys[i - 1], &keys[i]) == 0)
			broken(a, "slots %u and %u have the same key", keys[i - 1].slot,
			       keys[i].slot);
	}
	free(keys);
}

static void audit_counts(struct audit *a)
{
	for (uint32_t i = 0; i < a->p->geo.max_dests; i++) {
		const struct cv_dest *d = &a->p->dests[i];
		const struct tally *t = &a->tally[i];

		if (d->activeconns != t->active || d->inactconns != t->inactive ||
		    d->persistconns != t->persist)
			broken(a, "destination %u counts %u/%u/%u, the table has %u/%u/%u", i,
			       d->activeconns, d->inactconns, d->persistconns, t->active,
			       t->inactive, t->persist);
	}
}

static void audit_locks(struct audit *a)
{
	for (uint32_t i = 0; i < CV_LOCKS; i++) {
		if (a->p->locks[i])
			broken(a, "lock %u is held at rest", i);
	}
	for (uint32_t i = 0; i < a->p->geo.max_services; i++) {
		if (a->p->svcs[i].sched_lock)
			broken(a, "the scheduler's lock of service %u is held at rest", i);
	}
}

unsigned int table_audit(const struct path *p)
{
	struct audit a = { .p = p, .tally = calloc(p->geo.max_dests, sizeof(*a.tally)) };

	for (int v6 = 0; v6 < 2; v6++) {
		for (uint32_t slot = 0; slot < table_slots(p, v6); slot++)
			audit_slot(&a, v6, slot);
		audit_keys(&a, v6);
		audit_control(&a, v6);
	}
	audit_counts(&a);
	audit_locks(&a);
	free(a.tally);
	return a.broken;
}

const char *state_name(uint8_t proto, uint32_t ctl)
{
	static const char *const tcp[CV_TCP_LAST] = { "NONE",	  "ESTABLISHED", "SYN_SENT",
						      "SYN_RECV", "FIN_WAIT",	 "TIME_WAIT",
						      "CLOSE",	  "CLOSE_WAIT",	 "LAST_ACK",
						      "LISTEN",	  "SYNACK" };
	static const char *const sctp[CV_SCTP_LAST] = { "NONE",	    "INIT1",	  "INIT",
							"C-SENT",   "C-REPLIED",  "C-WAIT",
							"COOKIE",   "C-ECHOED",	  "ESTABLISHED",
							"S-SENT",   "S-RECEIVED", "S-ACK-SENT",
							"REJECTED", "CLOSED" };
	uint32_t state = ctl & CV_CTL_STATE;

	if (proto == IPPROTO_SCTP)
		return state < CV_SCTP_LAST ? sctp[state] : "?";
	if (proto == IPPROTO_UDP)
		return state ? "?" : "UDP";
	return state < CV_TCP_LAST ? tcp[state] : "?";
}
