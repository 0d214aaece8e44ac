// SPDX-License-Identifier: GPL-2.0-or-later
/* What the third door needs outside the maps, and that it is there. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "bpffs.h"
#include "cleanup.h"
#include "culvert0.h"
#include "devices.h"
#include "journal.h"
#include "mapkeys.h"
#include "sysctl.h"
#include "tchook.h"
#include "tracked.h"
#include "why.h"

#define LOOPBACK_IFINDEX 1

/* ---- what is needed ----------------------------------------------------------- */

struct needs {
	struct culvert0_wants family[2]; /* IPv4, IPv6 */
	bool answers;			 /* a masq real server is the director itself, or was */
	bool tracked;			 /* conntrack masquerades */
};

static void cleanup_needs(struct needs *n)
{
	for (int i = 0; i < 2; i++) {
		free(n->family[i].marks);
		free(n->family[i].addrs);
		free(n->family[i].flows);
	}
}

static int mark_order(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

static int addr_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(union cv_addr));
}

static size_t sort_unique(void *items, size_t n, size_t size,
			  int (*order)(const void *, const void *))
{
	size_t kept = 0;

	if (!n)
		return 0;
	qsort(items, n, size, order);
	for (size_t i = 1; i < n; i++) {
		if (order((char *)items + kept * size, (char *)items + i * size) != 0)
			memmove((char *)items + ++kept * size, (char *)items + i * size, size);
	}
	return kept + 1;
}

/* May the director's own packets to it be led elsewhere? Not what never leaves a host or is many hosts'. */
static bool leads(const struct cv_service_key *key)
{
	const struct in6_addr *a6 = (const struct in6_addr *)&key->addr;
	uint32_t a4 = ntohl(key->addr.v4);

	if (key->family == AF_INET)
		return a4 >> 24 != 0 && a4 >> 24 != IN_LOOPBACKNET && !IN_MULTICAST(a4) &&
		       a4 != INADDR_BROADCAST;
	return !IN6_IS_ADDR_UNSPECIFIED(a6) && !IN6_IS_ADDR_MULTICAST(a6) &&
	       !IN6_IS_ADDR_LOOPBACK(a6) && !IN6_IS_ADDR_LINKLOCAL(a6);
}

/* What the data path would look such a service up for: of FTP, the data connections' ports too. */
static void add_flow(struct culvert0_wants *w, const struct cv_service_key *key)
{
	uint16_t port = ntohs(key->port);
	struct culvert0_flow *flow = &w->flows[w->n_flows++];
	bool ftp = key->proto == IPPROTO_TCP && port == 21;

	*flow = (struct culvert0_flow){ .to = key->addr, .ipproto = key->proto };
	flow->ports[0] = ftp ? 20 : port;
	flow->ports[1] = port;
	if (!ftp)
		return;
	w->flows[w->n_flows] = *flow;
	flow = &w->flows[w->n_flows++];
	flow->ports[0] = 1024;
	flow->ports[1] = 65535;
}

static int collect_services(const struct cv *cv, struct needs *out)
{
	size_t n = cv->settings->num_services;

	for (int i = 0; i < 2; i++) {
		struct culvert0_wants *w = &out->family[i];

		w->marks = malloc((n + 1) * sizeof(*w->marks));
		w->addrs = malloc((n + 1) * sizeof(*w->addrs));
		w->flows = malloc((2 * n + 1) * sizeof(*w->flows));
		if (!w->marks || !w->addrs || !w->flows)
			return cv_plain(-ENOMEM);
	}
	for (uint32_t slot = 0, seen = 0; seen < n && slot < cv->journal->geo.max_services;
	     slot++) {
		const struct cv_service *svc = svc_at(cv, slot);
		struct culvert0_wants *w = &out->family[svc->key.family == AF_INET6];

		if (!(svc->flags & CV_SVC_USED))
			continue;
		seen++;
		if (svc->key.fwmark) {
			w->marks[w->n_marks++] = svc->key.fwmark;
		} else {
			add_flow(w, &svc->key);
			if (leads(&svc->key))
				w->addrs[w->n_addrs++] = svc->key.addr;
		}
	}
	for (int i = 0; i < 2; i++) {
		struct culvert0_wants *w = &out->family[i];

		w->n_marks = sort_unique(w->marks, w->n_marks, sizeof(*w->marks), mark_order);
		w->n_addrs = sort_unique(w->addrs, w->n_addrs, sizeof(*w->addrs), addr_order);
		if (!w->n_marks)
			w->n_flows = 0;
	}
	return cv->spoiled;
}

/*
 * May it answer? One that has left its service does, on the connections that it has (ip_vs_out()). When
 * they have ended by their timers, the next change of routes takes the program away.
 */
static bool answers_here(const struct cv_dest *d)
{
	const uint32_t what = CV_DEST_USED | CV_DEST_LOCAL | CV_DEST_METHOD;

	return (d->flags & what) == (CV_DEST_USED | CV_DEST_LOCAL | CV_MASQ) &&
	       (d->flags & CV_DEST_AVAILABLE || d->activeconns || d->inactconns);
}

static bool any_local_masq(const struct cv *cv)
{
	for (uint32_t i = 0; cv->settings->num_masq && i < cv->journal->geo.max_dests; i++) {
		if (answers_here(dest_at(cv, i)))
			return true;
	}
	return false;
}

static bool needed(const struct needs *n)
{
	return n->family[0].n_marks || n->family[0].n_addrs || n->family[1].n_marks ||
	       n->family[1].n_addrs;
}

/* ---- forwarding (R4) ----------------------------------------------------------- */

/*
 * IPv4 forwards what comes in by a device whose `forwarding` is on. IPv6 asks
 * conf.all's, which makes a router of the whole host, or from Linux 6.17 on the
 * device's `force_forwarding`.
 */
static const char *const switch_name[2] = { "forwarding", "force_forwarding" };
static const uint32_t switch_flag[2] = { CV_DEV_FORWARD4, CV_DEV_FORWARD6 };
static const int families[2] = { AF_INET, AF_INET6 };

/* A kernel without the family forwards nothing of it. */
int culvert0_forwards(uint8_t family, bool *forwards)
{
	int on = 0, err = sysctl_dev_get(family, "all", "forwarding", &on);

	*forwards = on;
	return err == -ENOENT ? 0 : err;
}

int culvert0_check(uint8_t family)
{
	bool forwards;
	int on, err;

	if (family == AF_INET)
		return 0;
	err = culvert0_forwards(AF_INET6, &forwards);
	if (err || forwards)
		return err;
	err = sysctl_dev_get(AF_INET6, "all", switch_name[1], &on);
	if (err != -ENOENT)
		return err;
	return cv_fail(
		-EOPNOTSUPP,
		"this kernel forwards IPv6 for all devices or for none, and a mark's packets "
		"are forwarded: set net.ipv6.conf.all.forwarding to 1 first");
}

struct device {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	uint32_t flags; /* CV_DEV_* */
};

struct devices {
	struct device *all;
	size_t n;
};

static void cleanup_devices(struct devices *d)
{
	free(d->all);
}

static int add_device(struct devices *d, uint32_t ifindex, uint32_t flags)
{
	struct device *more = realloc(d->all, (d->n + 1) * sizeof(*more)), *dev;

	if (!more)
		return cv_plain(-ENOMEM);
	d->all = more;
	dev = &more[d->n];
	memset(dev, 0, sizeof(*dev));
	dev->ifindex = ifindex;
	dev->flags = flags;
	if (if_indextoname(ifindex, dev->name))
		d->n++;
	return 0;
}

/* Those that the map knows of, and the loopback device. */
static int read_devices(struct cv *cv, struct devices *out)
{
	_cleanup_(map_keys_free) struct map_keys known = {};
	int fd = map_fd(cv, MAP_DEVICES), err = add_device(out, LOOPBACK_IFINDEX, 0);
	const uint32_t *ifindexes;
	struct cv_device dev;

	if (fd < 0)
		return fd;
	if (!err)
		err = map_keys(fd, sizeof(*ifindexes), &known);
	ifindexes = known.keys;
	for (uint32_t i = 0; i < known.n && !err; i++) {
		if (ifindexes[i] == LOOPBACK_IFINDEX)
			continue;
		if (bpf_map_lookup_elem(fd, &ifindexes[i], &dev) == 0)
			err = add_device(out, ifindexes[i], dev.flags);
		else if (errno != ENOENT)
			err = cv_fail(-errno, "cannot read a device: %s", strerror(errno));
	}
	return err;
}

static int set_flag(struct cv *cv, struct device *d, uint32_t flag, bool on)
{
	int err = devices_mark(cv, d->ifindex, flag, on ? flag : 0);

	if (!err)
		d->flags = (d->flags & ~flag) | (on ? flag : 0);
	return err;
}

/* Notes which devices are to forward because of us; those that are not to any more stop. */
static int plan_forwarding(struct cv *cv, struct devices *d, const struct needs *n, int i)
{
	bool host;
	int err = culvert0_forwards(families[i], &host);

	for (size_t at = 0; at < d->n && !err; at++) {
		struct device *dev = &d->all[at];
		bool want = dev->flags & CV_DEV_ATTACHED && n->family[i].n_marks && !host;
		bool ours = dev->flags & switch_flag[i];
		int on = 0;

		if (want == ours)
			continue;
		if (ours && !host)
			err = sysctl_dev_set(families[i], dev->name, switch_name[i], 0);
		if (!err && want)
			err = sysctl_dev_get(families[i], dev->name, switch_name[i], &on);
		if (want && (err == -ENOENT || on)) {
			err = 0;
			continue;
		}
		if (!err)
			err = set_flag(cv, dev, switch_flag[i], want);
	}
	return err;
}

static int start_forwarding(const struct devices *d, int i)
{
	int err = 0;

	for (size_t at = 0; at < d->n && !err; at++) {
		if (d->all[at].flags & switch_flag[i])
			err = sysctl_dev_set(families[i], d->all[at].name, switch_name[i], 1);
	}
	return err;
}

/* ---- rules ---------------------------------------------------------------------- */

static void pick(const struct devices *d, uint32_t flag, struct culvert0_names *out)
{
	for (size_t at = 0; at < d->n; at++) {
		if (d->all[at].flags & flag)
			memcpy(out->names[out->n++], d->all[at].name, IFNAMSIZ);
	}
}

/* R5: announced last, withdrawn first. */
static void announce_led(struct cv *cv, uint32_t flag, bool on)
{
	uint32_t led = cv->settings->led;

	__atomic_store_n(&cv->settings->led, on ? led | flag : led & ~flag, __ATOMIC_RELEASE);
}

static int settle_rules(struct cv *cv, struct rtnl *nl, const struct devices *d,
			const struct needs *n, int i)
{
	const struct culvert0_wants *w = &n->family[i];
	const uint32_t led = i ? CV_LED6 : CV_LED4, marks = i ? CV_MARKS6 : CV_MARKS4;
	_cleanup_free_ char(*names)[IFNAMSIZ] = calloc(2 * d->n + 1, sizeof(*names));
	struct culvert0_names guards = { .names = names }, attached = { .names = names + d->n };
	int err;

	if (!names)
		return cv_plain(-ENOMEM);
	pick(d, switch_flag[i], &guards);
	pick(d, CV_DEV_ATTACHED, &attached);
	if (!w->n_flows)
		announce_led(cv, led, false);
	err = culvert0_rules(nl, w, cv->settings->culvert0, &guards, &attached);
	if (!err && w->n_flows)
		announce_led(cv, led, true);
	announce_led(cv, marks, !err && w->n_marks);
	/* A kernel without IPv6, or without policy routing: then only marks cannot do without. */
	return (err == -EAFNOSUPPORT || err == -EOPNOTSUPP) && !w->n_marks ? 0 : err;
}

/* ---- answers that are seen where they leave -------------------------------------------- */

static int settle_answers(struct cv *cv, const struct devices *d, bool wanted)
{
	_cleanup_fd_ int links = -1, progs = -1, prog = -1;
	int err = bpffs_subdir(cv->dir, "links", true, &links);

	if (!err)
		err = bpffs_subdir(cv->dir, "progs", false, &progs);
	if (!err) {
		prog = bpffs_get(progs, "tc_answers");
		err = prog < 0 ? prog : 0;
	}
	for (size_t at = 0; at < d->n && !err; at++) {
		const struct device *dev = &d->all[at];
		bool want = wanted &&
			    (dev->flags & CV_DEV_ATTACHED || dev->ifindex == LOOPBACK_IFINDEX);
		bool tcx, gone = false,
			  there = tchook_find(links, dev->ifindex, TC_OUT, &tcx, &gone);

		if (dev->ifindex == cv->settings->culvert0 || want == (there && !gone))
			continue;
		if (there)
			err = tchook_detach(links, dev->ifindex, TC_OUT);
		if (!err && want)
			err = tchook_attach(links, dev->ifindex, TC_OUT, prog, &tcx);
	}
	return err;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int apply(struct cv *cv, const struct needs *n)
{
	_cleanup_(cleanup_devices) struct devices d = {};
	_cleanup_(rtnl_close) struct rtnl nl = {};
	int err = rtnl_open(&nl, RTNL_HERE);

	if (!err)
		err = devices_refresh(cv);
	if (!err)
		err = read_devices(cv, &d);
	if (!err && needed(n))
		err = culvert0_device_up(cv, &nl);
	for (int i = 0; i < 2 && !err; i++) {
		err = plan_forwarding(cv, &d, n, i);
		if (!err)
			err = settle_rules(cv, &nl, &d, n, i);
		if (!err)
			err = start_forwarding(&d, i);
	}
	if (!err && !n->tracked)
		err = tracked_settle(cv, false);
	if (!err)
		err = settle_answers(cv, &d, n->answers || n->tracked);
	if (!err && n->tracked) /* its answers are counted from its first connection on */
		err = tracked_settle(cv, true);
	if (!err && !needed(n))
		err = culvert0_device_down(cv, &nl);
	return err;
}

/* Another service whose address leads to culvert0, of this family; at this very address if `same`. */
static bool other_leads(const struct cv *cv, uint32_t slot, bool same)
{
	const struct cv_service_key *key = &svc_at(cv, slot)->key;

	for (uint32_t i = 0; i < cv->journal->geo.max_services && !cv->spoiled; i++) {
		const struct cv_service *svc = svc_at(cv, i);

		if (i == slot || !(svc->flags & CV_SVC_USED) || svc->key.family != key->family ||
		    svc->key.fwmark || !leads(&svc->key))
			continue;
		if (!same || memcmp(&svc->key.addr, &key->addr, sizeof(key->addr)) == 0)
			return true;
	}
	return false;
}

/*
 * One service came or went. While there are others of its kind, the device and
 * the rules stay as they are, and only its address's route follows. False: it
 * takes more than that, or somebody has taken away what should be there.
 */
static bool settle_one(struct cv *cv, uint32_t slot)
{
	_cleanup_(rtnl_close) struct rtnl nl = {};
	const struct cv_service *svc = svc_at(cv, slot);
	bool used = svc->flags & CV_SVC_USED;

	if (svc->key.fwmark || cv->settings->num_fwmark || !cv->settings->culvert0 ||
	    !other_leads(cv, slot, false))
		return false;
	if (!leads(&svc->key) || (!used && other_leads(cv, slot, true)))
		return !cv->spoiled;
	return !cv->spoiled && !rtnl_open(&nl, RTNL_HERE) &&
	       !culvert0_route(&nl, svc->key.family, &svc->key.addr, cv->settings->culvert0, used);
}

static int settle_all(struct cv *cv)
{
	_cleanup_(cleanup_needs) struct needs n = { .family = { { .family = AF_INET },
								{ .family = AF_INET6 } } };
	int err = collect_services(cv, &n);

	if (err)
		return err;
	n.answers = any_local_masq(cv);
	n.tracked = cv->settings->conntrack;
	return apply(cv, &n);
}

int culvert0_settle(struct cv *cv)
{
	uint32_t due = cv->journal->routes_due;
	int err;

	if (due == ROUTES_SETTLED)
		return 0;
	err = maps_need(cv, MAPS_LIST);
	if (!err && (due == ROUTES_ALL || !settle_one(cv, due - ROUTES_OF(0))))
		err = settle_all(cv);
	if (!err)
		__atomic_store_n(&cv->journal->routes_due, ROUTES_SETTLED, __ATOMIC_RELEASE);
	return err;
}

int culvert0_remove(struct cv *cv)
{
	const struct needs none = { .family = { { .family = AF_INET }, { .family = AF_INET6 } } };

	/* Killed half way, it is put up again by whoever comes next. */
	__atomic_store_n(&cv->journal->routes_due, ROUTES_ALL, __ATOMIC_RELEASE);
	return apply(cv, &none);
}
