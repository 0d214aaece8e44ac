// SPDX-License-Identifier: GPL-2.0-or-later
/* The ends of masq real servers (ip_vs_rs_hash()), for packets of no connection. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include <culvert/lb.h>

#include "instance.h"
#include "reals.h"
#include "why.h"

/* Is it an end that packets come from? */
static bool answers(uint32_t flags)
{
	return flags & CV_DEST_AVAILABLE && (flags & CV_DEST_METHOD) == CV_MASQ;
}

/* The map's value, 0 if there is none. */
static uint32_t value(struct txn *t, const struct cv_real_key *key)
{
	int fd = map_fd(t->cv, MAP_REALS);
	uint32_t n = 0;

	if (fd < 0 || (bpf_map_lookup_elem(fd, key, &n) < 0 && errno != ENOENT))
		t->err = fd < 0 ? fd : cv_fail(-errno, "map reals: %s", strerror(errno));
	return n;
}

/* Another destination with this one's end: its slot and 1; or 0. Asked only if it matters, for it is looked for. */
static uint32_t another(struct cv *cv, uint32_t slot)
{
	const struct cv_dest *d = dest_at(cv, slot);

	for (uint32_t i = 0; i < cv->journal->geo.max_dests; i++) {
		const struct cv_dest *other = dest_at(cv, i);

		if (i != slot && answers(other->flags) && other->owner.proto == IPPROTO_UDP &&
		    other->port == d->port && memcmp(&other->addr, &d->addr, sizeof(d->addr)) == 0)
			return i + 1;
	}
	return 0;
}

/* Whose calls they are that come from an end: of several destinations the one that was added last. */
static void follow_newest(struct txn *t, struct cv_real_key *key, uint32_t slot, bool comes,
			  bool others)
{
	uint32_t was, now = slot + 1;

	key->what = CV_REAL_NEWEST;
	was = value(t, key);
	if (!comes) {
		if (was != slot + 1)
			return;
		now = others && t->cv->settings->num_sip ? another(t->cv, slot) : 0;
	}
	txn_hash_count(t, MAP_REALS, key, was, now);
}

void reals_follow(struct txn *t, uint32_t slot, uint32_t flags)
{
	const struct cv_dest *d = dest_at(t->cv, slot);
	struct cv_real_key key = { .addr = d->addr,
				   .port = d->port,
				   .proto = d->owner.proto,
				   .family = flags & CV_DEST_IPV6 ? AF_INET6 : AF_INET,
				   .what = CV_REAL_COUNT };
	bool comes = answers(flags);
	uint32_t n;

	if (answers(d->flags) == comes)
		return;
	n = value(t, &key);
	txn_hash_count(t, MAP_REALS, &key, n, comes ? n + 1 : n - (n > 0));
	if (d->owner.proto == IPPROTO_UDP && d->port)
		follow_newest(t, &key, slot, comes, n > 1);
}
