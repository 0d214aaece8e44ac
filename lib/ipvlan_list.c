// SPDX-License-Identifier: GPL-2.0-or-later
/* Slaves as their namespaces have them now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "why.h"

/* Where it is. A namespace may have lost its last name and process: then it has no netns_ino. */
static int describe_netns(struct cv_ipv *v, struct cv_ipv_link *out)
{
	_cleanup_fd_ int self = -1;
	const struct ipv_netns *where;
	int err;

	out->here = out->host.peer_nsid == RTNL_HERE;
	if (out->here) {
		err = netns_open_self(&self);
		out->netns_ino = err ? 0 : netns_ino(self);
	} else {
		err = ipv_netns_find(v, out->host.peer_nsid, &where);
		out->netns_ino = err ? 0 : where->ino;
	}
	if (err)
		return err == -ESRCH ? 0 : err;
	err = netns_name(out->netns_ino, out->netns);
	return err == -ENOENT ? 0 : err;
}

/* 0, or -ENODEV if it went meanwhile. */
static int describe(struct cv_ipv *v, uint32_t slot, struct cv_ipv_link *out)
{
	const struct cv_ipv_slave *s = &v->slaves[slot];
	const struct cv_ipv_master *m = &v->masters[s->master];
	struct rtnl_link master;
	int err;

	memset(out, 0, sizeof(*out));
	out->slot = slot;
	out->policy = m->policy;
	out->master_ifindex = m->ifindex;
	err = ipv_host_end(v, slot, &out->host);
	if (!err)
		err = rtnl_link_by_index(&v->rtnl, out->host.peer_nsid, out->host.peer,
					 &out->inner);
	/* The kernel knows no such namespace any more. */
	if (err == -EINVAL)
		return cv_plain(-ENODEV);
	if (!err)
		err = rtnl_link_by_index(&v->rtnl, RTNL_HERE, m->ifindex, &master);
	if (err)
		return err;
	strcpy(out->host_end, out->host.name);
	strcpy(out->master, master.name);
	return describe_netns(v, out);
}

int cv_ipv_each_link(struct cv_ipv *v, int (*each)(const struct cv_ipv_link *link, void *arg),
		     void *arg)
{
	struct cv_ipv_link link;
	int stop = 0;

	for (uint32_t i = 0; i < CV_IPV_SLAVES && !stop; i++) {
		if (ipv_load(v->slaves[i].state) != CV_IPV_LIVE)
			continue;
		stop = describe(v, i, &link);
		if (!stop)
			stop = each(&link, arg);
		else if (stop == -ENODEV)
			stop = 0;
	}
	return stop;
}

struct search {
	const char *name;
	uint64_t ino; /* 0: in any namespace */
	struct cv_ipv_link *out;
	unsigned int found;
	char where[256]; /* names of the namespaces, for the complaint */
};

static int match(const struct cv_ipv_link *link, void *arg)
{
	struct search *s = arg;
	size_t used = strlen(s->where);

	if (strcmp(link->inner.name, s->name) || (s->ino && link->netns_ino != s->ino))
		return 0;
	snprintf(s->where + used, sizeof(s->where) - used, "%s%s", used ? ", " : "",
		 link->netns[0] ? link->netns : "one without a name");
	if (!s->found++)
		*s->out = *link;
	return 0;
}

int cv_ipv_find(struct cv_ipv *v, const char *netns, const char *name, struct cv_ipv_link *out)
{
	struct cv_ipv_link link;
	struct search s = { .name = name, .out = &link };
	_cleanup_fd_ int fd = -1;
	int err;

	if (netns) {
		err = netns_open(netns, &fd);
		if (err)
			return err;
		s.ino = netns_ino(fd);
	}
	err = cv_ipv_each_link(v, match, &s);
	if (err)
		return err;
	if (!s.found)
		return cv_fail(-ENODEV,
			       netns ? "Cannot find device \"%s\" in \"%s\"" :
				       "Cannot find device \"%s\"",
			       name, netns);
	if (s.found > 1)
		return cv_fail(-ENOTUNIQ,
			       "\"%s\" is in several namespaces (%s): name one with -n NETNS", name,
			       s.where);
	*out = link;
	return 0;
}

/* ---- figures ------------------------------------------------------------------------- */

static const char *const count_names[CV_IPV_COUNTS] = {
	[CV_IPV_RX_PACKETS] = "rx_packets",	  [CV_IPV_RX_BYTES] = "rx_bytes",
	[CV_IPV_TX_PACKETS] = "tx_packets",	  [CV_IPV_TX_BYTES] = "tx_bytes",
	[CV_IPV_TX_LOCAL] = "tx_local",		  [CV_IPV_CLONES] = "clones",
	[CV_IPV_DROP_SOURCE] = "drop_source",	  [CV_IPV_DROP_VLAN] = "drop_vlan",
	[CV_IPV_DROP_PROTOCOL] = "drop_protocol", [CV_IPV_DROP_MALFORMED] = "drop_malformed",
	[CV_IPV_DROP_GROUP] = "drop_group",	  [CV_IPV_DROP_PRIVATE] = "drop_private",
	[CV_IPV_DROP_HOST] = "drop_host",	  [CV_IPV_DROP_ROUTER] = "drop_router",
	[CV_IPV_DROP_FORWARD] = "drop_forward",
};

const char *cv_ipv_count_name(enum cv_ipv_count what)
{
	return what < CV_IPV_COUNTS ? count_names[what] : NULL;
}

void cv_ipv_counts(struct cv_ipv *v, uint32_t slot, uint64_t out[CV_IPV_COUNTS])
{
	_cleanup_free_ struct cv_ipv_counters *all = NULL;
	int cpus = libbpf_num_possible_cpus();

	memset(out, 0, sizeof(*out) * CV_IPV_COUNTS);
	all = cpus > 0 ? calloc((size_t)cpus, sizeof(*all)) : NULL;
	if (!all || bpf_map_lookup_elem(v->maps[IPV_COUNTERS], &slot, all) < 0)
		return;
	for (int c = 0; c < cpus; c++) {
		for (int i = 0; i < CV_IPV_COUNTS; i++)
			out[i] += all[c].n[i];
	}
}
