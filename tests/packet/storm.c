// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged packets (mutate.h) against every door of the load balancer, with
 * services of every method. What holds for each of them:
 *
 *   others' traffic   a packet in which no address of ours stands passes, unchanged
 *   no surprise       what leaves is a rule's: from a client to a real server of
 *                     the service that it called, an answer of a masq server, or
 *                     an ICMP error to who sent it
 *   accounting        every packet is counted once, as what became of it
 *   both doors        XDP with tc behind it, and tc alone, do the same
 *
 * and, after each round, that destinations count what the table holds.
 *
 * A round is a sequence from a seed; one that breaks is cut down to as few
 * packets as still break it, and printed. CULVERT_SEED=N plays that one;
 * CULVERT_STORM=N is how many packets are sent in all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "case.h"
#include "mutate.h"

enum through { BY_XDP, BY_TC, BY_CULVERT0, BY_ANSWERS, WAYS };
static const char *const way_names[] = { "XDP", "tc", "culvert0", "the way out" };

static struct path *directors[WAYS];
static uint64_t sent_in; /* packets, each way counted */

/* ---- services ----------------------------------------------------------------------------- */

struct offer {
	uint16_t port;
	uint8_t proto;
	enum cv_method method;
	uint8_t tun_type, tun_flags;
	uint32_t flags;
	enum cv_sched sched;
};

static const struct offer offers[] = {
	{ PORT_DR, IPPROTO_TCP, CV_DROUTE, .sched = CV_SCHED_WLC },
	{ PORT_UDP, IPPROTO_UDP, CV_DROUTE, .sched = CV_SCHED_RR },
	{ PORT_MASQ, IPPROTO_TCP, CV_MASQ, .sched = CV_SCHED_WRR },
	{ PORT_IPIP, IPPROTO_TCP, CV_TUNNEL, .sched = CV_SCHED_SH },
	{ PORT_GUE, IPPROTO_TCP, CV_TUNNEL, CV_TUN_GUE, CV_TUN_CSUM, .sched = CV_SCHED_MH },
	{ PORT_GRE, IPPROTO_TCP, CV_TUNNEL, CV_TUN_GRE, .sched = CV_SCHED_LC },
	{ PORT_PERSISTENT, IPPROTO_TCP, CV_DROUTE, .flags = CV_SVC_PERSISTENT,
	  .sched = CV_SCHED_RR },
	{ PORT_ONCE, IPPROTO_UDP, CV_DROUTE, .flags = CV_SVC_ONEPACKET, .sched = CV_SCHED_RR },
	{ 21, IPPROTO_TCP, CV_MASQ, .flags = CV_SVC_PERSISTENT, .sched = CV_SCHED_RR },
};
#define OFFERS (sizeof(offers) / sizeof(offers[0]))

static void add_offer(struct path *p, const struct offer *o, bool v6)
{
	uint32_t s = service_add(p, &(struct service_spec){ .v6 = v6,
							    .port = o->port,
							    .proto = o->proto,
							    .sched = o->sched,
							    .flags = o->flags,
							    .timeout = 60 });

	for (unsigned int n = 1; n <= MUTATE_MASQ; n++) {
		uint32_t d = dest_add(p, s,
				      &(struct dest_spec){ .number = n,
							   .method = o->method,
							   .masq = o->method == CV_MASQ });

		p->dests[d].tun_type = o->tun_type;
		p->dests[d].tun_flags = o->tun_flags;
		p->dests[d].tun_port = o->tun_type == CV_TUN_GUE ? __builtin_bswap16(6080) : 0;
	}
}

static void director_begin(struct path *p)
{
	path_reset(p);
	for (unsigned int i = 0; i < 2 * OFFERS; i++)
		add_offer(p, &offers[i / 2], i % 2);
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t s = service_add(p, &(struct service_spec){ .fwmark = 1, .v6 = v6 });

		dest_add(p, s, &(struct dest_spec){ .number = 4 });
	}
	p->settings->schedule_icmp = 1;
}

/* ---- what the packet is about, whatever it claims ------------------------------------------ */

static union cv_addr vip[2], server0[2]; /* of a server, but its last byte (2) */

static bool holds(const struct frame *f, const void *bytes, size_t n)
{
	return memmem(f->data + ETH_LEN, f->len - ETH_LEN, bytes, n);
}

/* Do any of our addresses stand anywhere in it? */
static bool about_us(const struct frame *f)
{
	return holds(f, &vip[0], 4) || holds(f, &vip[1], 16) || holds(f, &server0[0], 3) ||
	       holds(f, &server0[1], 15);
}

static bool is_v6(const struct frame *f)
{
	return f->len >= ETH_LEN + 40 && f->data[12] == 0x86 && f->data[13] == 0xdd;
}

static bool is_v4(const struct frame *f)
{
	return f->len >= ETH_LEN + 20 && f->data[12] == 8 && f->data[13] == 0;
}

static bool is_server(const uint8_t *addr, bool v6)
{
	return memcmp(addr, &server0[v6], v6 ? 15 : 3) == 0;
}

struct ends {
	bool v6, icmp;
	const uint8_t *src, *dst;
	size_t size;
};

/* False: not an IP packet. */
static bool ends_of(const struct frame *f, struct ends *e)
{
	const uint8_t *ip = f->data + ETH_LEN;

	e->v6 = is_v6(f);
	if (!e->v6 && !is_v4(f))
		return false;
	e->src = ip + (e->v6 ? 8 : 12);
	e->dst = ip + (e->v6 ? 24 : 16);
	e->size = e->v6 ? 16 : 4;
	e->icmp = e->v6 ? ip[6] == IPPROTO_ICMPV6 : ip[9] == IPPROTO_ICMP;
	return true;
}

/* Has it the marks of a fragment? An IPv6 fragment header may stand behind others. */
static bool is_fragment(const struct frame *f)
{
	const uint8_t *ip = f->data + ETH_LEN;

	if (is_v4(f))
		return (ip[6] & 0x3f) || ip[7];
	return is_v6(f) && (ip[6] == IPPROTO_FRAGMENT ||
			    memchr(ip + 40, IPPROTO_FRAGMENT, f->len - ETH_LEN - 40));
}

static bool same(const uint8_t *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

static bool host_noted(const struct path *p, const uint8_t *addr, size_t size)
{
	union cv_addr a = {};
	uint32_t bit;

	memcpy(&a, addr, size);
	bit = cv_host_bit(&a);
	return p->settings->hosts[bit / 32] >> bit % 32 & 1;
}

/* Others' fragments may be held like ours, where the bit of an address is that of one of ours. */
static bool held_by_chance(const struct path *p, const struct frame *f)
{
	struct ends e;

	return is_fragment(f) && ends_of(f, &e) &&
	       (host_noted(p, e.src, e.size) || host_noted(p, e.dst, e.size));
}

/* Once a mark has made it a connection, a packet goes by that, marked or not; and an error about one, whoever's and to whom. */
static bool marked_before(const struct path *p, const struct frame *f)
{
	struct ends e;

	if (!ends_of(f, &e))
		return false;
	for (uint32_t slot = 0; slot < table_slots(p, e.v6); slot++) {
		const struct cv_conn_common *c = table_at(p, e.v6, slot);
		union cv_addr caddr = table_caddr(p, e.v6, slot),
			      vaddr = table_vaddr(p, e.v6, slot);

		if (!(c->ctl & CV_CTL_LIVE) || !c->fwmark)
			continue;
		if (e.icmp ? holds(f, &vaddr, e.size) && holds(f, &caddr, e.size) :
			     same(e.dst, &vaddr, e.size) && same(e.src, &caddr, e.size))
			return true;
	}
	return false;
}

/* ---- what must hold ------------------------------------------------------------------------- */

enum told { TOLD_PASS, TOLD_SENT, TOLD_DROP };

/* What a cause says became of the packet; a fragment may be held (dropped) or pass. */
static bool cause_fits(enum cv_cause cause, enum fate fate)
{
	if (cause == CV_C_FRAGMENT)
		return fate != SENT;
	if (cause <= CV_C_PASS_TO_TC)
		return fate == PASSED;
	if (cause <= CV_C_ANSWERED)
		return fate == SENT;
	return fate == DROPPED;
}

struct before {
	uint64_t causes[CV_C_FRAGMENT + 1];
};

static void look(const struct path *p, struct before *b)
{
	for (unsigned int i = 0; i <= CV_C_FRAGMENT; i++)
		b->causes[i] = path_cause(p, (enum cv_cause)i);
}

/* The one thing that it was counted as since; CV_C_COUNT: none; CV_C_COUNT + 1: several. */
static unsigned int counted_as(const struct path *p, const struct before *b)
{
	unsigned int cause = CV_C_COUNT;

	for (unsigned int i = 0; i <= CV_C_FRAGMENT; i++) {
		uint64_t n = path_cause(p, (enum cv_cause)i) - b->causes[i];

		if (!n || i == CV_C_PASS_TO_TC)
			continue;
		if (n > 1 || cause != CV_C_COUNT)
			return CV_C_COUNT + 1;
		cause = i;
	}
	return cause;
}

/* From a client by way of a service, an answer of a masq server, or an ICMP error about `in`. */
static bool explained(const struct frame *in, const struct frame *out, uint32_t mark)
{
	struct ends i, o;

	if (!ends_of(in, &i) || !ends_of(out, &o))
		return false;
	if (o.icmp && o.v6 == i.v6 && same(o.dst, i.src, o.size) && !same(o.src, i.src, o.size))
		return true; /* an answer to the sender */
	if (i.icmp) /* an error on its way: one end is a stranger's; with a mark, a service's whatever it is about */
		return mark || (about_us(in) && about_us(out));
	if (o.v6 == i.v6 && is_server(i.src, i.v6) && same(o.src, &vip[o.v6], o.size) &&
	    same(o.dst, i.dst, o.size))
		return true; /* masq's answer */
	if (!same(i.dst, &vip[i.v6], i.size) && !mark)
		return false;
	if (o.v6 == i.v6 && same(o.src, i.src, i.size))
		return same(o.dst, i.dst, i.size) || is_server(o.dst, o.v6);
	return is_server(o.dst, o.v6) &&
	       about_us(out); /* a tunnel, and perhaps the last fragment of it */
}

static bool check_one(enum through way, const struct frame *in, uint32_t mark,
		      const struct outcome *o, const struct before *before)
{
	const char *name = way_names[way];
	unsigned int cause = counted_as(directors[way], before);
	bool ours = about_us(in) || mark || held_by_chance(directors[way], in);

	if (o->fate != PASSED && way == BY_CULVERT0 && !mark && marked_before(directors[way], in)) {
		ours = true;
		mark = 1;
	}
	if (!ours && o->fate != PASSED)
		return breaks("%s: %s a packet of others", name, fate_names[o->fate]);
	if (o->fate == PASSED && cause != CV_C_PASS_LOCAL && way != BY_CULVERT0 &&
	    frame_differs(in, &o->out, 0) >= 0)
		return breaks("%s passed a packet changed", name);
	if (o->fate == SENT && !explained(in, &o->out, mark)) {
		if (!shrinking)
			frame_print("sent", &o->out);
		return breaks("%s sent what no rule explains", name);
	}
	if (cause > CV_C_COUNT)
		return breaks("%s counted a packet more than once", name);
	/* The fragment that makes a packet whole sends all of them in once more, and is counted then. */
	if (cause == CV_C_COUNT && o->fate == DROPPED && is_fragment(in))
		return true;
	if (cause ==
	    CV_C_COUNT) /* what is not for this host, and what is on its way out, is not counted */
		return (o->fate == PASSED && way != BY_CULVERT0) ||
		       breaks("%s: %s and not counted", name, fate_names[o->fate]);
	if (way == BY_ANSWERS) /* what it rewrites goes on */
		return (cause == CV_C_SENT && o->fate == PASSED) || o->fate == DROPPED;
	return cause_fits(cause, o->fate) ||
	       breaks("%s: %s, counted as %s", name, fate_names[o->fate], cause_names[cause]);
}

/* ---- a round ---------------------------------------------------------------------------------- */

static enum fate skb_fate(int verdict)
{
	return verdict == TC_ACT_SHOT ? DROPPED : verdict == TC_ACT_REDIRECT ? SENT : PASSED;
}

static bool send_one(enum through way, const struct frame *in, uint32_t mark, struct outcome *o)
{
	struct path *p = directors[way];
	struct before before;

	look(p, &before);
	sent_in++;
	if (way <= BY_TC)
		path_send(p, way == BY_XDP ? XDP_DOOR : TC_DOOR, in, mark, o);
	else
		o->fate = skb_fate(path_run_skb(p, way == BY_CULVERT0 ? p->culvert0 : p->answers,
						in, &o->out, mark));
	return check_one(way, in, mark, o, &before);
}

/*
 * An IP packet cut off in its header: BPF_PROG_TEST_RUN gives no such to tc (6.18),
 * so XDP is asked alone, and leaves it to the stack.
 */
static bool stump(const struct frame *f)
{
	uint32_t type = (uint32_t)(f->data[12] << 8 | f->data[13]);

	return (type == ETH_P_IP && f->len < ETH_LEN + 20) ||
	       (type == ETH_P_IPV6 && f->len < ETH_LEN + 40);
}

static bool send_stump(const struct frame *in)
{
	struct before before;
	struct frame out;

	look(directors[BY_XDP], &before);
	sent_in++;
	if (path_run_xdp(directors[BY_XDP], in, &out, 1, NULL) != XDP_PASS ||
	    frame_differs(in, &out, 0) >= 0 || counted_as(directors[BY_XDP], &before) != CV_C_COUNT)
		return breaks("XDP did something about the beginning of a header");
	return true;
}

static void pass_time(uint32_t ticks)
{
	for (int way = 0; way < WAYS; way++)
		path_pass_time(directors[way], ticks);
}

/* The sweeper keeps the timers of those that live by their tags (C9), and comes by once in so long. */
#define SWEPT (4 * CV_HZ)

/* Has a timer run out just now, or is about to? */
static bool timer_at_hand(const struct path *p)
{
	uint32_t now = p->clock->now;

	for (int v6 = 0; v6 < 2; v6++) {
		for (uint32_t slot = 0; slot < table_slots(p, v6); slot++) {
			const struct cv_conn_common *c = table_at(p, v6, slot);

			if (c->ctl & CV_CTL_LIVE && c->expires - now + SWEPT <= 2 * SWEPT)
				return true;
		}
	}
	return false;
}

/*
 * A connection may end that much later by one door than by the other. That is as it should be; but what comes next
 * would be another connection by the one door and not by the other, so time goes on until there is no doubt.
 */
static void let_timers_agree(void)
{
	for (int i = 0;
	     i < 100 && (timer_at_hand(directors[BY_XDP]) || timer_at_hand(directors[BY_TC])); i++)
		pass_time(2 * SWEPT);
}

/* Time passes, servers come and go: seldom, and the same everywhere. */
static void change(uint64_t r)
{
	static const uint32_t spans[] = { 1, CV_HZ, 20 * CV_HZ, 70 * CV_HZ };

	if (r % 4 < 2) {
		pass_time(spans[r / 4 % 4]);
		let_timers_agree();
	}
	for (int way = 0; way < WAYS && r % 4 >= 2; way++) {
		struct path *p = directors[way];
		uint32_t dest = (uint32_t)(r >> 16) % p->num_dests;

		if (r % 4 == 2)
			path_sweep(p);
		else if (p->dests[dest].flags & CV_DEST_AVAILABLE)
			dest_remove(p, dest);
		else
			dest_readd(p, dest / MUTATE_MASQ, dest);
	}
}

/* The last of the servers are the marks'; they stay. */
static bool changes(uint64_t seed)
{
	return seed % 97 == 0 &&
	       (seed % 4 != 3 ||
		(uint32_t)(seed >> 16) % directors[0]->num_dests < 2 * OFFERS * MUTATE_MASQ);
}

static bool step(uint64_t seed)
{
	struct outcome o[WAYS];
	struct frame f;
	uint32_t mark;

	if (changes(seed)) {
		change(seed);
		return true;
	}
	mutate_packet(seed, &f, &mark);
	if (stump(&f))
		return send_stump(&f);
	for (int way = 0; way < WAYS; way++) {
		if (mark &&
		    way <= BY_TC) /* XDP knows no marks, and their connections would differ */
			continue;
		if (!send_one(way, &f, mark, &o[way]))
			return false;
	}
	return mark || doors_agree(&o[BY_XDP], &o[BY_TC], true);
}

#define ROUND 2000

static bool play(const uint64_t *seeds, unsigned int n)
{
	uint32_t start = directors[0]->clock->now;

	for (int way = 0; way < WAYS; way++) {
		directors[way]->clock->now = start;
		director_begin(directors[way]);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (!step(seeds[i]))
			return false;
		if (i % 500 && i + 1 < n)
			continue;
		for (int way = 0; way < WAYS; way++) {
			if (table_audit(directors[way]))
				return breaks("%s: invariants of the table", way_names[way]);
		}
	}
	return true;
}

/* Takes away what can go, in pieces that get smaller; how many are left. */
static unsigned int shrink(uint64_t *seeds, unsigned int n)
{
	static uint64_t less[ROUND];

	for (unsigned int piece = n / 2; piece; piece /= 2) {
		for (unsigned int at = 0; at + piece <= n;) {
			memcpy(less, seeds, at * sizeof(*less));
			memcpy(less + at, seeds + at + piece, (n - at - piece) * sizeof(*less));
			if (play(less, n - piece)) {
				at += piece;
				continue;
			}
			n -= piece;
			memcpy(seeds, less, n * sizeof(*less));
		}
	}
	return n;
}

static void play_round(uint64_t round)
{
	static uint64_t seeds[ROUND];
	uint64_t state = round * 0x9e3779b97f4a7c15ULL;
	struct frame f;
	uint32_t mark;
	unsigned int n = ROUND;

	for (unsigned int i = 0; i < n; i++)
		seeds[i] = (uint64_t)mutate_random(&state) << 32 | mutate_random(&state);
	if (play(seeds, n))
		return;
	shrinking = true;
	n = shrink(seeds, n);
	shrinking = false;
	play(seeds, n);
	for (unsigned int i = 0; i < n; i++) {
		mutate_packet(seeds[i], &f, &mark);
		fprintf(stderr, "%s mark %u: ", changes(seeds[i]) ? "a change, not" : "packet",
			mark);
		frame_print("", &f);
	}
	fail_msg("CULVERT_SEED=%lu, %u packets: %s", (unsigned long)round, n, broken);
}

static void storm(void **state)
{
	mutate_rounds(play_round, &sent_in, 1000000, 100000000);
	figure("attacks.storm", sent_in,
	       "malformed packets, nothing of others dropped, each counted once");
	print_message("%lu packets\n", (unsigned long)sent_in);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(storm),
};

int main(int argc, char **argv)
{
	struct sizes sizes = { .sets = 48, .max_services = 128, .max_dests = 64 };

	path_stay_here();
	for (int way = 0; way < WAYS; way++)
		directors[way] = path_load(&sizes);
	for (int v6 = 0; v6 < 2; v6++) {
		vip[v6] = addr_of(v6 ? VIP6 : VIP, NULL);
		server0[v6] = addr_of(server_addr(0, v6), NULL);
	}
	mutate_begin();
	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
