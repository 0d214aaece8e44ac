// SPDX-License-Identifier: GPL-2.0-or-later
/* The connection tables, read while the data path changes them (C3). */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "culvert.h"
#include "instance.h"
#include "journal.h"

#define MAPS4 (MAP_BIT(MAP_CONN4_TAGS) | MAP_BIT(MAP_CONN4))
#define MAPS6 (MAP_BIT(MAP_CONN6_TAGS) | MAP_BIT(MAP_CONN6))

static uint32_t ctl_of(const struct cv_conn_common *c)
{
	return __atomic_load_n(&c->ctl, __ATOMIC_ACQUIRE);
}

static bool is_live(uint32_t ctl)
{
	return (ctl & (CV_CTL_LIVE | CV_CTL_BUSY)) == CV_CTL_LIVE;
}

/* Copies an entry that is one and the same connection before and after the copy. */
static bool copy_entry(const void *entry, const struct cv_conn_common *c, void *out, size_t size,
		       uint32_t *ctl)
{
	*ctl = ctl_of(c);
	if (!is_live(*ctl))
		return false;
	memcpy(out, entry, size);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return is_live(ctl_of(c)) && !((ctl_of(c) ^ *ctl) & CV_CTL_GEN);
}

/* Which server of which service it goes to. */
static void show_server(struct cv *cv, uint32_t dest, struct cv_conn_info *out)
{
	const struct cv_dest *d = dest_at(cv, dest);

	out->dest_family = d->flags & CV_DEST_IPV6 ? AF_INET6 : AF_INET;
	out->in_service = (d->flags & CV_DEST_AVAILABLE) && d->service != CV_NONE;
	out->service = d->owner;
	out->server_port = d->port;
}

/* What is being shown, besides what stands in the table. */
struct shown {
	struct cv_conn_info info;
	struct cv_call call;
};

/* The Call-ID of a call's template; it may have ended meanwhile, or have come just now. */
static void show_call(struct cv *cv, uint32_t slot, uint32_t ctl, struct shown *out)
{
	struct cv_call_key key = { .slot = slot, .v6 = out->info.family == AF_INET6 };
	int fd = map_fd(cv, MAP_CALLS);

	if (fd < 0 || bpf_map_lookup_elem(fd, &key, &out->call) < 0 ||
	    out->call.generation != (ctl & CV_CTL_GEN))
		return;
	out->call.id[CV_CALL_MOST] = '\0';
	out->info.pe_name = "sip";
	out->info.pe_data = (const char *)out->call.id;
}

static void show_common(struct cv *cv, const struct cv_conn_common *c, uint32_t ctl, uint32_t tag,
			uint32_t now, struct cv_conn_info *out)
{
	out->proto = c->proto;
	out->state = ctl & CV_CTL_STATE;
	out->template = ctl & CV_CTL_TEMPLATE;
	out->cport = c->cport;
	out->vport = c->vport;
	out->dport = c->dport;
	/* ip_vs_check_template() gives these ports to one that takes no more connections */
	if (ctl & CV_CTL_STALE)
		out->vport = out->dport = htons(0xffff);
	out->fwmark = c->fwmark;
	/* The sweeper has yet to see the last packets of one whose tag says so (C9). */
	out->seconds_left =
		(tag & CV_TAG_LIVE && tag & CV_TAG_SEEN ? c->timeout : c->expires - now) / CV_HZ;
	out->in_pkts = c->in_pkts;
	out->method = c->method < CV_TRACKED ? c->method : CV_MASQ;
	out->dest_family = out->family;
	out->timeout = (c->timeout + CV_HZ - 1) / CV_HZ;
	out->inactive = ctl & CV_CTL_INACTIVE;
	out->no_output = ctl & CV_CTL_NOOUTPUT;
	out->stale = ctl & CV_CTL_STALE;
	if (c->dest < cv->journal->geo.max_dests)
		show_server(cv, c->dest, out);
}

/* False: there is no live connection in this slot. */
static bool read4(struct cv *cv, uint32_t slot, uint32_t tag, uint32_t now, struct shown *shown)
{
	struct cv_conn_info *out = &shown->info;
	const struct cv_conn4 *at = conn4_at(cv, slot);
	struct cv_conn4 e;
	uint32_t ctl;

	if (!copy_entry(at, &at->c, &e, sizeof(e), &ctl) || cv_before(e.c.expires, now))
		return false;
	*out = (struct cv_conn_info){ .family = AF_INET };
	out->caddr.v4 = e.caddr;
	out->vaddr.v4 = e.vaddr;
	show_common(cv, &e.c, ctl, tag, now, out);
	if (out->template && e.c.control)
		show_call(cv, slot, ctl, shown);
	if (out->dest_family == AF_INET6)
		out->daddr = dest_at(cv, e.c.dest)->addr;
	else
		out->daddr.v4 = e.daddr;
	return true;
}

static bool read6(struct cv *cv, uint32_t slot, uint32_t tag, uint32_t now, struct shown *shown)
{
	struct cv_conn_info *out = &shown->info;
	const struct cv_conn6 *at = conn6_at(cv, slot);
	struct cv_conn6 e;
	uint32_t ctl;

	if (!copy_entry(at, &at->c, &e, sizeof(e), &ctl) || cv_before(e.c.expires, now))
		return false;
	*out = (struct cv_conn_info){ .family = AF_INET6 };
	out->caddr = e.caddr;
	out->vaddr = e.vaddr;
	show_common(cv, &e.c, ctl, tag, now, out);
	if (out->template && e.c.control)
		show_call(cv, slot, ctl, shown);
	out->daddr = e.daddr;
	return true;
}

/* The tags say where it is worth looking: one line instead of a set's entries. */
static int each_of(struct cv *cv, uint8_t family,
		   int (*each)(const struct cv_conn_info *c, void *arg), void *arg)
{
	bool v6 = family == AF_INET6;
	uint32_t sets = v6 ? cv->journal->geo.sets6 : cv->journal->geo.sets4;
	uint32_t now = cv_now(cv);

	for (uint32_t set = 0; set < sets; set++) {
		const struct cv_tags *tags = (v6 ? conn6_tags_at : conn4_tags_at)(cv, set);

		for (uint32_t way = 0; way < CV_WAYS; way++) {
			struct shown shown;
			uint32_t slot = set * CV_WAYS + way;
			uint32_t tag = __atomic_load_n(&tags->tag[way], __ATOMIC_RELAXED);
			int rc;

			if (!(tag & CV_TAG_CLIENT))
				continue;
			if (!(v6 ? read6 : read4)(cv, slot, tag, now, &shown))
				continue;
			rc = each(&shown.info, arg);
			if (rc)
				return rc;
		}
	}
	return cv->spoiled;
}

int cv_each_conn(struct cv *cv, int (*each)(const struct cv_conn_info *c, void *arg), void *arg)
{
	int rc = maps_need(cv, MAP_BIT(MAP_DESTS) | MAPS4 | MAPS6);

	if (!rc)
		rc = each_of(cv, AF_INET, each, arg);
	if (!rc)
		rc = each_of(cv, AF_INET6, each, arg);
	return rc;
}

static int count_one(const struct cv_conn_info *c, void *arg)
{
	(*(uint64_t *)arg)++;
	return 0;
}

uint64_t cv_count_conns(struct cv *cv, uint8_t family)
{
	uint64_t n = 0;

	if (maps_need(cv, MAP_BIT(MAP_DESTS) | (family == AF_INET6 ? MAPS6 : MAPS4)) == 0)
		each_of(cv, family, count_one, &n);
	return n;
}
