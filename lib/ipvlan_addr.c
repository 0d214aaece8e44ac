// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has which address (V4), and the host's routes to them. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "mapkeys.h"
#include "why.h"

/* ---- what is an address ----------------------------------------------------------- */

static int parse_plen(const char *text, const char *slash, unsigned int max, uint8_t *out)
{
	char *end;
	unsigned long n;

	if (!slash) {
		*out = (uint8_t)max;
		return 0;
	}
	if (slash[1] < '0' || slash[1] > '9')
		return cv_fail(-EINVAL, "\"%s\" is no prefix", text);
	n = strtoul(slash + 1, &end, 10);
	if (*end)
		return cv_fail(-EINVAL, "\"%s\" is no prefix", text);
	if (n > max)
		return cv_fail(-EINVAL, "the prefix length of \"%s\" is out of range (0 to %u)",
			       text, max);
	*out = (uint8_t)n;
	return 0;
}

int cv_ipv_parse_prefix(const char *text, struct cv_ipv_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct cv_ipv_prefix p = { 0 };
	char addr[INET6_ADDRSTRLEN];
	int err;

	if (len >= sizeof(addr))
		return cv_fail(-EINVAL, "\"%s\" is no address", text);
	memcpy(addr, text, len);
	addr[len] = '\0';
	p.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(p.family, addr, &p.addr) != 1)
		return cv_fail(-EINVAL, "\"%s\" is no address", text);
	err = parse_plen(text, slash, p.family == AF_INET ? 32 : 128, &p.plen);
	if (err)
		return err;
	*out = p;
	return 0;
}

static bool is_link_local6(const struct cv_ipv_prefix *p)
{
	return p->family == AF_INET6 && p->addr.b[0] == 0xfe && (p->addr.b[1] & 0xc0) == 0x80;
}

/* Can a device have it? */
static int usable(const struct cv_ipv_prefix *p)
{
	char text[INET6_ADDRSTRLEN];
	bool bad;

	if (p->family == AF_INET)
		bad = p->addr.b[0] == 0 || p->addr.b[0] == 127 || IN_MULTICAST(ntohl(p->addr.v4)) ||
		      p->addr.v4 == INADDR_BROADCAST;
	else
		bad = p->addr.b[0] == 0xff ||
		      (!p->addr.q[0] && !p->addr.w[2] && ntohl(p->addr.w[3]) <= 1);
	if (!bad)
		return 0;
	inet_ntop(p->family, &p->addr, text, sizeof(text));
	return cv_fail(-EINVAL, "%s is not an address that a slave can have", text);
}

/* ---- ownership -------------------------------------------------------------------- */

static struct cv_ipv_addr_key key_of(const struct cv_ipv *v, uint32_t slot,
				     const struct cv_ipv_prefix *p)
{
	return (struct cv_ipv_addr_key){
		.master = v->slaves[slot].master,
		.family = p->family,
		.addr = p->addr,
	};
}

static bool routed(const struct cv_ipv *v, uint32_t slot)
{
	return cv_ipv_mode_of(v->masters[v->slaves[slot].master].policy) != CV_IPV_L2;
}

/* V7: what the data path remembers of the addresses of the slave's master is void. */
static void addrs_changed(struct cv_ipv *v, uint32_t slot)
{
	__atomic_fetch_add(&v->masters[v->slaves[slot].master].edition, 1, __ATOMIC_RELEASE);
}

/* To be ignored or told by errno. */
static int addr_delete(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key)
{
	int err = bpf_map_delete_elem(v->maps[IPV_ADDRS], key);

	addrs_changed(v, slot);
	return err;
}

static int route_one(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key,
		     bool wanted)
{
	uint32_t ifindex = v->slaves[slot].ifindex;
	char text[INET6_ADDRSTRLEN];
	int err;

	/* A link-local address is routed nowhere. */
	if (is_link_local6(
		    &(struct cv_ipv_prefix){ .family = (uint8_t)key->family, .addr = key->addr }))
		return 0;
	if (!wanted) {
		rtnl_route_del(&v->rtnl, (uint8_t)key->family, &key->addr, ifindex);
		return 0;
	}
	err = rtnl_route_add(&v->rtnl, (uint8_t)key->family, &key->addr, ifindex);
	if (!err)
		return 0;
	inet_ntop((int)key->family, &key->addr, text, sizeof(text));
	if (err == -EEXIST)
		return cv_fail(err, "the host has a route to %s already", text);
	return cv_fail(err, "cannot route %s to the slave: %s", text, strerror(-err));
}

/* It is this slave's already: as configured from now on, if the data path was quicker. */
static int claim_known(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key,
		       const struct cv_ipv_addr *value)
{
	struct cv_ipv_addr old;

	if (bpf_map_lookup_elem(v->maps[IPV_ADDRS], key, &old) < 0 || old.slave != slot)
		return cv_fail(-EADDRINUSE, "Address already assigned to an ipvlan device.");
	if (!(old.flags & CV_IPV_CLAIMED))
		return cv_plain(-EEXIST);
	if (bpf_map_update_elem(v->maps[IPV_ADDRS], key, value, BPF_EXIST) < 0)
		return cv_plain(-errno);
	__atomic_fetch_sub(&v->slaves[slot].claims, 1, __ATOMIC_RELAXED);
	return 0;
}

int ipv_addr_claim(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_prefix *p)
{
	struct cv_ipv_addr_key key = key_of(v, slot, p);
	struct cv_ipv_addr value = { .slave = slot, .plen = p->plen };
	bool known = false;
	int err = usable(p);

	if (err)
		return err;
	if (bpf_map_update_elem(v->maps[IPV_ADDRS], &key, &value, BPF_NOEXIST) < 0) {
		if (errno != EEXIST)
			return cv_fail(-errno, "no room for another address: %s", strerror(errno));
		err = claim_known(v, slot, &key, &value);
		known = err == -EEXIST;
		if (err && !known)
			return err;
	}
	addrs_changed(v, slot);
	err = routed(v, slot) ? route_one(v, slot, &key, true) : 0;
	/* Known, it may have lost its route, or have been killed before it got one. */
	if (known)
		return !err || err == -EEXIST ? cv_plain(-EEXIST) : err;
	if (err)
		addr_delete(v, slot, &key);
	return err;
}

static int is_same(const struct rtnl_addr *addr, void *arg)
{
	const struct cv_ipv_prefix *p = arg;

	return addr->family == p->family && !memcmp(&addr->addr, &p->addr, sizeof(p->addr));
}

int ipv_addr_claim_from_inside(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_prefix *p)
{
	struct cv_ipv_addr_key key = key_of(v, slot, p);
	struct cv_ipv_prefix wanted = *p;
	struct cv_ipv_addr value;
	int has;

	/* An administrator may have given it one of the host's (`addr add`), as with the kernel's driver. */
	if (bpf_map_lookup_elem(v->maps[IPV_ADDRS], &key, &value) == 0)
		return ipv_addr_claim(v, slot, p);
	has = rtnl_each_addr(&v->rtnl, RTNL_HERE, 0, is_same, &wanted);
	if (has > 0)
		return cv_fail(-EADDRINUSE, "the host has that address");
	return has < 0 ? has : ipv_addr_claim(v, slot, p);
}

struct note {
	struct cv_ipv *v;
	uint32_t master;
};

static int note_link_local(const struct rtnl_addr *addr, void *arg)
{
	struct cv_ipv_prefix p = { .family = addr->family, .addr = addr->addr };
	const struct note *n = arg;
	struct cv_ipv_addr_key key = { .master = n->master,
				       .family = AF_INET6,
				       .addr = addr->addr };
	uint32_t one = 1;

	if (!is_link_local6(&p))
		return 0;
	return bpf_map_update_elem(n->v->maps[IPV_STRANGERS], &key, &one, BPF_ANY) < 0 ?
		       cv_plain(-errno) :
		       0;
}

int ipv_addr_note_the_hosts(struct cv_ipv *v, uint32_t master)
{
	struct note n = { v, master };

	return rtnl_each_addr(&v->rtnl, RTNL_HERE, v->masters[master].ifindex, note_link_local, &n);
}

int ipv_addr_release(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_prefix *p)
{
	struct cv_ipv_addr_key key = key_of(v, slot, p);
	struct cv_ipv_addr old;

	if (bpf_map_lookup_elem(v->maps[IPV_ADDRS], &key, &old) < 0)
		return cv_plain(-errno);
	if (old.slave != slot)
		return cv_plain(-ENOENT);
	/* Killed in between, it is still known, and found again. */
	if (routed(v, slot))
		route_one(v, slot, &key, false);
	if (addr_delete(v, slot, &key) < 0)
		return cv_plain(-errno);
	if (old.flags & CV_IPV_CLAIMED)
		__atomic_fetch_sub(&v->slaves[slot].claims, 1, __ATOMIC_RELAXED);
	return 0;
}

/* ---- all of a slave's -------------------------------------------------------------- */

/* Calls `each` for every address of a slave; it may delete the one that it is given. */
static int each_key(struct cv_ipv *v, uint32_t slot,
		    int (*each)(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key,
				void *arg),
		    void *arg)
{
	_cleanup_(map_keys_free) struct map_keys all = {};
	const struct cv_ipv_addr_key *keys;
	struct cv_ipv_addr value;
	int err = map_keys(v->maps[IPV_ADDRS], sizeof(*keys), &all);

	keys = all.keys;
	for (uint32_t i = 0; i < all.n && !err; i++) {
		if (bpf_map_lookup_elem(v->maps[IPV_ADDRS], &keys[i], &value) < 0)
			err = errno == ENOENT ? 0 : cv_plain(-errno);
		else if (value.slave == slot)
			err = each(v, slot, &keys[i], arg);
	}
	return err;
}

static int release_key(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key,
		       void *arg)
{
	return addr_delete(v, slot, key) < 0 && errno != ENOENT ? cv_plain(-errno) : 0;
}

int ipv_addr_release_all(struct cv_ipv *v, uint32_t slot)
{
	int err = each_key(v, slot, release_key, NULL);

	if (!err)
		v->slaves[slot].claims = 0;
	return err;
}

static int route_key(struct cv_ipv *v, uint32_t slot, const struct cv_ipv_addr_key *key, void *arg)
{
	const bool *wanted = arg;
	int err = route_one(v, slot, key, *wanted);

	return err == -EEXIST ? 0 : err;
}

int ipv_routes(struct cv_ipv *v, uint32_t slot, bool wanted)
{
	return each_key(v, slot, route_key, &wanted);
}

/* ---- on the device ------------------------------------------------------------------ */

int cv_ipv_addr_add(struct cv_ipv *v, const struct cv_ipv_link *link, const struct cv_ipv_prefix *p)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_addr addr = { .family = p->family, .addr = p->addr, .plen = p->plen };
	struct rtnl_link inner;
	bool known;
	int err;

	err = ipv_inner_rtnl(v, link->slot, &inner, &r);
	if (err)
		return err;
	err = ipv_addr_claim(v, link->slot, p);
	known = err == -EEXIST;
	if (err && !known)
		return err;
	addr.ifindex = inner.ifindex;
	err = rtnl_addr_add(&r, &addr);
	/* There already, but unknown to us until now: that is what was asked for. */
	if (err == -EEXIST && !known)
		return 0;
	if (err && !known)
		ipv_addr_release(v, link->slot, p);
	return err;
}

int cv_ipv_addr_del(struct cv_ipv *v, const struct cv_ipv_link *link, const struct cv_ipv_prefix *p)
{
	_cleanup_(rtnl_close) struct rtnl r = { NULL, 0 };
	struct rtnl_addr addr = { .family = p->family, .addr = p->addr, .plen = p->plen };
	struct rtnl_link inner;
	int err;

	err = ipv_inner_rtnl(v, link->slot, &inner, &r);
	if (err)
		return err;
	addr.ifindex = inner.ifindex;
	err = rtnl_addr_del(&r, &addr);
	if (err && err != -EADDRNOTAVAIL)
		return err;
	if (ipv_addr_release(v, link->slot, p) == 0)
		err = 0;
	return err;
}

struct each_owned {
	struct cv_ipv *v;
	uint32_t slot;
	int (*each)(const struct rtnl_addr *addr, bool owned, void *arg);
	void *arg;
};

static int see_owned(const struct rtnl_addr *addr, void *arg)
{
	struct each_owned *e = arg;
	struct cv_ipv_prefix p = { .family = addr->family, .plen = addr->plen, .addr = addr->addr };
	struct cv_ipv_addr_key key = key_of(e->v, e->slot, &p);
	struct cv_ipv_addr value;
	bool known = bpf_map_lookup_elem(e->v->maps[IPV_ADDRS], &key, &value) == 0;

	if (!known && errno != ENOENT)
		return cv_plain(-errno);
	return e->each(addr, known && value.slave == e->slot, e->arg);
}

int cv_ipv_each_addr(struct cv_ipv *v, const struct cv_ipv_link *link,
		     int (*each)(const struct rtnl_addr *addr, bool owned, void *arg), void *arg)
{
	struct each_owned e = { v, link->slot, each, arg };

	return rtnl_each_addr(&v->rtnl, link->host.peer_nsid, link->inner.ifindex, see_owned, &e);
}

/* ---- allowed sources ------------------------------------------------------------------ */

static struct cv_ipv_allow_key allow_key(uint32_t slot, const struct cv_ipv_prefix *p)
{
	return (struct cv_ipv_allow_key){
		.prefixlen = CV_IPV_ALLOW_FIXED + p->plen,
		.slave = slot,
		.family = p->family,
		.addr = p->addr,
	};
}

int cv_ipv_allow(struct cv_ipv *v, const struct cv_ipv_link *link, const struct cv_ipv_prefix *p)
{
	struct cv_ipv_allow_key key = allow_key(link->slot, p);
	uint32_t one = 1;

	if (bpf_map_update_elem(v->maps[IPV_ALLOWS], &key, &one, BPF_NOEXIST) < 0)
		return errno == EEXIST ? cv_fail(-EEXIST, "that prefix is allowed already") :
					 cv_fail(-errno, "no room for another allowed prefix: %s",
						 strerror(errno));
	ipv_store(v->slaves[link->slot].has_allow, 1);
	return 0;
}

int cv_ipv_disallow(struct cv_ipv *v, const struct cv_ipv_link *link, const struct cv_ipv_prefix *p)
{
	struct cv_ipv_allow_key key = allow_key(link->slot, p);

	if (bpf_map_delete_elem(v->maps[IPV_ALLOWS], &key) == 0)
		return 0;
	return errno == ENOENT ? cv_fail(-ENOENT, "no such prefix is allowed") : cv_plain(-errno);
}

int cv_ipv_each_allow(struct cv_ipv *v, uint32_t slot,
		      int (*each)(const struct cv_ipv_prefix *p, void *arg), void *arg)
{
	_cleanup_(map_keys_free) struct map_keys all = {};
	const struct cv_ipv_allow_key *keys;
	int stop = map_keys(v->maps[IPV_ALLOWS], sizeof(*keys), &all);

	keys = all.keys;
	for (uint32_t i = 0; i < all.n && !stop; i++) {
		struct cv_ipv_prefix p = {
			.family = (uint8_t)keys[i].family,
			.plen = (uint8_t)(keys[i].prefixlen - CV_IPV_ALLOW_FIXED),
			.addr = keys[i].addr,
		};

		if (keys[i].slave == slot)
			stop = each(&p, arg);
	}
	return stop;
}

int ipv_disallow_all(struct cv_ipv *v, uint32_t slot)
{
	_cleanup_(map_keys_free) struct map_keys all = {};
	const struct cv_ipv_allow_key *keys;
	int err =
		v->slaves[slot].has_allow ? map_keys(v->maps[IPV_ALLOWS], sizeof(*keys), &all) : 0;

	keys = all.keys;
	for (uint32_t i = 0; i < all.n && !err; i++) {
		if (keys[i].slave == slot &&
		    bpf_map_delete_elem(v->maps[IPV_ALLOWS], &keys[i]) < 0 && errno != ENOENT)
			err = cv_plain(-errno);
	}
	return err;
}
