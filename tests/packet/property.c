// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Properties that hold for any sequence of packets and changes, from a seed:
 *
 *   conservation  every packet is passed untouched, sent or dropped, and counted
 *                 as exactly one thing
 *   counts        destinations count what the table holds (table_audit())
 *   one owner     what identifies a connection (key, server, method) does not
 *                 change while it lives
 *   reachability  what is sent on goes to a server that is in service
 *   both doors    a director with XDP and one with tc alone do the same: the
 *                 same frames, the same table, the same figures
 *
 * A sequence that breaks one is cut down to as few steps as still break it, and
 * printed. CULVERT_SEED=N plays that one sequence; CULVERT_LONG=1 plays more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "case.h"

/* ---- steps --------------------------------------------------------------------------- */

enum what { PACKET, ANSWER, TIME, SWEEP, WEIGHT, REMOVE, READD, THRESHOLD, SETTING, KINDS };

struct step {
	uint8_t what, a, b, c, d;
};

#define STEPS 150
#define SERVICES 5
#define SERVERS_EACH 3
#define DESTS (SERVICES * SERVERS_EACH)

static const struct service_spec services[SERVICES] = {
	{ .port = 80, .sched = CV_SCHED_RR },
	{ .port = 80, .v6 = true, .sched = CV_SCHED_WLC },
	{ .port = 53, .proto = IPPROTO_UDP, .sched = CV_SCHED_WRR },
	{ .port = 443, .sched = CV_SCHED_LC }, /* masq */
	{ .port = 25, .flags = CV_SVC_PERSISTENT, .timeout = 50, .sched = CV_SCHED_WRR },
};
#define MASQ_SERVICE 3

static const uint8_t flags_of[] = {
	SYN, ACK, SYN | ACK, FIN | ACK, RST, ACK | PSH, SYN | FIN, FIN
};
static const uint32_t spans[] = { 1, 7, CV_HZ, 11 * CV_HZ, 61 * CV_HZ, 130 * CV_HZ, 1000 * CV_HZ };

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

/* Mostly packets; now and then a change. */
static struct step random_step(uint64_t *seed)
{
	uint32_t r = next_random(seed), kind = r % 64;
	struct step s = { .a = (uint8_t)(r >> 8),
			  .b = (uint8_t)(r >> 16),
			  .c = (uint8_t)(r >> 24),
			  .d = (uint8_t)next_random(seed) };

	s.what = kind < 40 ? PACKET :
		 kind < 48 ? ANSWER :
		 kind < 54 ? TIME :
		 kind < 56 ? SWEEP :
		 kind < 58 ? WEIGHT :
		 kind < 60 ? REMOVE :
		 kind < 62 ? READD :
		 kind < 63 ? THRESHOLD :
			     SETTING;
	return s;
}

static struct packet client_packet(const struct step *s)
{
	const struct service_spec *svc = &services[s->a % SERVICES];
	static const char *const from[2][3] = { { "10.0.0.2", "10.0.0.7", "172.16.0.9" },
						{ "fd00::2", "fd00::7", "2001:db8::9" } };
	struct packet p = { .v6 = svc->v6,
			    .proto = svc->proto,
			    .dport = svc->port,
			    .src = from[svc->v6][s->b % 3],
			    .sport = (uint16_t)(3000 + s->b % 5),
			    .flags = flags_of[s->c % 8 % (s->c & 64 ? 8 : 4)] };

	if (s->d % 16 == 0)
		p.ttl = 1;
	if (s->d % 16 == 1 && !p.v6)
		p.options = 2;
	if (s->d % 16 == 1 && p.v6)
		p.ext = "D";
	if (s->d % 16 == 2)
		p.payload = 700;
	if (s->d % 64 == 3)
		p.no_flags = !(p.flags = 0);
	if (s->d % 64 == 4)
		p.patch[0] = (struct patch){ (uint16_t)(s->b % 40), s->c };
	return p;
}

/* From a real server of the masq service to a client. */
static struct packet server_packet(const struct step *s)
{
	struct packet p =
		client_packet(&(struct step){ .a = MASQ_SERVICE, .b = s->b, .c = s->c, .d = s->d });

	p.dst = p.src;
	p.dport = p.sport;
	p.src = server_addr(1 + s->a % SERVERS_EACH, 0);
	p.sport = 443;
	return p;
}

static void step_print(const struct step *s)
{
	struct packet p = s->what == ANSWER ? server_packet(s) : client_packet(s);

	switch ((enum what)s->what) {
	case PACKET:
	case ANSWER:
		fprintf(stderr, "  %s %s:%u > %s port %u, flags %02x%s%s%s\n",
			p.proto == IPPROTO_UDP ? "UDP" : "TCP", p.src, p.sport,
			p.dst ? p.dst : "VIP", p.dport, p.flags, p.ttl ? ", TTL 1" : "",
			p.options || p.ext ? ", options" : "",
			p.patch[0].at || p.patch[0].value ? ", damaged" : "");
		break;
	case TIME:
		fprintf(stderr, "  %u ticks pass\n", spans[s->a % 7]);
		break;
	case SWEEP:
		fprintf(stderr, "  sweep\n");
		break;
	case WEIGHT:
		fprintf(stderr, "  server %u gets weight %u\n", s->a % DESTS, s->b % 4);
		break;
	case REMOVE:
	case READD:
		fprintf(stderr, "  server %u is %s\n", s->a % DESTS,
			s->what == REMOVE ? "removed" : "added");
		break;
	case THRESHOLD:
		fprintf(stderr, "  server %u gets -x %u -y %u\n", s->a % DESTS, s->b % 4, s->c % 3);
		break;
	default:
		fprintf(stderr, "  setting %u becomes %u\n", s->a % 4, s->b % 4);
	}
}

/* ---- two directors ------------------------------------------------------------------------ */

static struct path *directors[DOORS]; /* one whose packets come by XDP, one by tc */

static void director_begin(struct path *p)
{
	path_reset(p);
	for (unsigned int i = 0; i < SERVICES; i++) {
		uint32_t s = service_add(p, &services[i]);

		for (unsigned int n = 1; n <= SERVERS_EACH; n++)
			dest_add(p, s,
				 &(struct dest_spec){ .number = n, .masq = i == MASQ_SERVICE });
	}
}

static void change(struct path *p, const struct step *s)
{
	uint32_t dest = s->a % DESTS;
	struct cv_dest *d = &p->dests[dest];
	bool in = d->flags & CV_DEST_AVAILABLE;
	uint32_t *const settings[] = { &p->settings->expire_nodest_conn,
				       &p->settings->conn_reuse_mode, &p->settings->sloppy_tcp,
				       &p->settings->secure_tcp };

	if (s->what == TIME)
		path_pass_time(p, spans[s->a % 7]);
	if (s->what == SWEEP)
		path_sweep(p);
	if (s->what == WEIGHT && in)
		dest_weight(p, dest, s->b % 4);
	if (s->what == REMOVE && in)
		dest_remove(p, dest);
	if (s->what == READD && !in)
		dest_readd(p, dest / SERVERS_EACH, dest);
	if (s->what == THRESHOLD) {
		d->u_threshold = s->b % 4;
		d->l_threshold = d->u_threshold ? s->c % 3 % d->u_threshold : 0;
	}
	if (s->what == SETTING)
		*settings[s->a % 4] = s->b % 4;
}

/* ---- what must hold ------------------------------------------------------------------------- */

/* A copy of a table, to be compared with what it becomes. */
struct snapshot {
	struct cv_conn4 four[64];
	struct cv_conn6 six[64];
	uint64_t causes[CV_C_COUNT];
};

static void snapshot_take(const struct path *p, struct snapshot *s)
{
	memcpy(s->four, p->conns[0], sizeof(s->four));
	memcpy(s->six, p->conns[1], sizeof(s->six));
	for (unsigned int i = 0; i < CV_C_COUNT; i++)
		s->causes[i] = path_cause(p, (enum cv_cause)i);
}

static bool same_owner(uint32_t a, uint32_t b)
{
	return a & b & CV_CTL_LIVE && !((a ^ b) & (CV_CTL_GEN | CV_CTL_TEMPLATE));
}

static bool check_owners(const struct path *p, const struct snapshot *before)
{
	const struct cv_conn4 *four = p->conns[0];
	const struct cv_conn6 *six = p->conns[1];

	for (unsigned int i = 0; i < 64; i++) {
		const struct cv_conn_common *was = &before->four[i].c, *is = &four[i].c;

		if (same_owner(was->ctl, is->ctl) &&
		    (was->dest != is->dest || was->cport != is->cport || was->vport != is->vport ||
		     was->dport != is->dport || was->proto != is->proto ||
		     was->method != is->method || was->control != is->control ||
		     before->four[i].caddr != four[i].caddr ||
		     before->four[i].vaddr != four[i].vaddr ||
		     before->four[i].daddr != four[i].daddr))
			return breaks("slot %u has another connection in the same life", i);
		if (same_owner(before->six[i].c.ctl, six[i].c.ctl) &&
		    (before->six[i].c.dest != six[i].c.dest ||
		     memcmp(&before->six[i].caddr, &six[i].caddr, 48) != 0))
			return breaks("IPv6 slot %u has another connection in the same life", i);
	}
	return true;
}

static bool check_conservation(const struct path *p, enum door door, const struct snapshot *before)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i <= CV_C_FRAGMENT; i++) {
		if (i != CV_C_PASS_TO_TC)
			n += path_cause(p, (enum cv_cause)i) - before->causes[i];
	}
	return n == 1 ||
	       breaks("%s counted a packet %lu times", door_names[door], (unsigned long)n);
}

static bool check_fate(const struct path *p, enum door door, const struct packet *in,
		       const struct frame *sent, const struct outcome *o)
{
	const struct cv_conn_common *c = table_find(p, in);

	if (o->fate == PASSED && frame_differs(sent, &o->out, 0) >= 0)
		return breaks("%s passed a packet changed", door_names[door]);
	if (o->fate == SENT && c && !in->patch[0].at && o->out.len == sent->len &&
	    !(p->dests[c->dest].flags & CV_DEST_AVAILABLE))
		return breaks("%s sent to a server that is not in service", door_names[door]);
	return true;
}

static bool check_packet(const struct step *s)
{
	struct packet in = s->what == ANSWER ? server_packet(s) : client_packet(s);
	struct outcome o[DOORS];
	struct snapshot before;
	struct frame f;

	frame_build(&f, &in);
	for (int door = 0; door < DOORS; door++) {
		struct path *p = directors[door];

		snapshot_take(p, &before);
		path_send(p, (enum door)door, &f, 0, &o[door]);
		if (!check_owners(p, &before) || !check_conservation(p, (enum door)door, &before) ||
		    !check_fate(p, (enum door)door, &in, &f, &o[door]))
			return false;
	}
	return doors_agree(&o[XDP_DOOR], &o[TC_DOOR], false);
}

/*
 * The straight way winds a timer up only when it is late by more than 1/256 of its
 * time, and a packet may go by it at one door alone; that is agreed upon, and made
 * good here lest it add up.
 */
static void wind_up(struct cv_conn_common *by_xdp, const struct cv_conn_common *by_tc)
{
	uint32_t late = by_tc->expires - by_xdp->expires;

	if (late > INT32_MAX)
		late = -late;
	if (by_xdp->timeout == by_tc->timeout && late <= 4 * CV_HZ + by_tc->timeout / 256)
		by_xdp->expires = by_tc->expires;
}

/* Did a packet go by the tag alone since the sweeper came? */
static bool lags_behind(const struct path *p, bool v6, uint32_t slot)
{
	__u32 seen = CV_TAG_LIVE | CV_TAG_SEEN;

	return (*table_tag(p, v6, slot) & seen) == seen;
}

/*
 * A connection whose tag says all may have it from one door and not from the
 * other; then its timer is the sweeper's there, who has not been at it yet.
 */
static void settle_both(bool v6, uint32_t slot)
{
	struct cv_conn_common *a = table_at(directors[XDP_DOOR], v6, slot),
			      *b = table_at(directors[TC_DOOR], v6, slot);
	if (!lags_behind(directors[XDP_DOOR], v6, slot) &&
	    !lags_behind(directors[TC_DOOR], v6, slot))
		wind_up(a, b);
	else if (cv_before(a->expires, b->expires))
		a->expires = b->expires;
	else
		b->expires = a->expires;
}

/* The two directors' tables and figures are the same. */
static bool check_agreement(void)
{
	const struct path *x = directors[XDP_DOOR], *t = directors[TC_DOOR];

	for (int v6 = 0; v6 < 2; v6++) {
		for (uint32_t slot = 0; slot < table_slots(x, v6); slot++) {
			struct cv_conn_common *a = table_at(x, v6, slot),
					      *b = table_at(t, v6, slot);

			settle_both(v6, slot);
			if (a->ctl != b->ctl)
				return breaks("slot %u: ctl %08x by XDP, %08x by tc", slot, a->ctl,
					      b->ctl);
			if (a->ctl & CV_CTL_LIVE && memcmp(a, b, v6 ? 96 : 64) != 0)
				return breaks(
					"slot %u differs: expires %u, %u by tc; in_pkts %u, %u",
					slot, a->expires, b->expires, a->in_pkts, b->in_pkts);
		}
	}
	for (uint32_t i = 0; i < DESTS; i++) {
		struct cv_counters a = path_counters(x, i), b = path_counters(t, i);

		if (memcmp(&a, &b, sizeof(a)) != 0)
			return breaks("server %u: %lu packets by XDP, %lu by tc", i,
				      (unsigned long)a.inpkts, (unsigned long)b.inpkts);
		if (x->dests[i].state != t->dests[i].state)
			return breaks("server %u is full by one door only", i);
	}
	return true;
}

static bool play(const struct step *steps, unsigned int n)
{
	uint32_t start = directors[XDP_DOOR]->clock->now;

	for (int door = 0; door < DOORS; door++) {
		directors[door]->clock->now = start;
		director_begin(directors[door]);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (steps[i].what <= ANSWER) {
			if (!check_packet(&steps[i]))
				return false;
		} else {
			change(directors[XDP_DOOR], &steps[i]);
			change(directors[TC_DOOR], &steps[i]);
		}
		for (int door = 0; door < DOORS; door++) {
			if (table_audit(directors[door]))
				return breaks("%s: invariants of the table", door_names[door]);
		}
		if (!check_agreement())
			return false;
	}
	return true;
}

/* ---- seeds, and shrinking -------------------------------------------------------------------- */

/* Takes away what can go, in pieces that get smaller; how many steps are left. */
static unsigned int shrink(struct step *steps, unsigned int n)
{
	for (unsigned int piece = n / 2; piece; piece /= 2) {
		for (unsigned int at = 0; at + piece <= n;) {
			struct step less[STEPS];

			memcpy(less, steps, at * sizeof(*less));
			memcpy(less + at, steps + at + piece, (n - at - piece) * sizeof(*less));
			if (play(less, n - piece)) {
				at += piece;
				continue;
			}
			n -= piece;
			memcpy(steps, less, n * sizeof(*less));
		}
	}
	return n;
}

static void report(uint64_t seed, struct step *steps)
{
	unsigned int n;

	shrinking = true;
	n = shrink(steps, STEPS);
	shrinking = false;
	play(steps, n);
	fprintf(stderr, "seed %lu, %u steps:\n", (unsigned long)seed, n);
	for (unsigned int i = 0; i < n; i++)
		step_print(&steps[i]);
	fail_msg("seed %lu: %s", (unsigned long)seed, broken);
}

static void play_seed(uint64_t seed)
{
	struct step steps[STEPS];
	uint64_t state = seed * 0x9e3779b97f4a7c15ULL;

	for (unsigned int i = 0; i < STEPS; i++)
		steps[i] = random_step(&state);
	if (!play(steps, STEPS))
		report(seed, steps);
}

static void same_seeds(void **state)
{
	const char *one = getenv("CULVERT_SEED");

	if (one) {
		play_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= 60; seed++)
		play_seed(seed);
}

/* Other ones every time. */
static void new_seeds(void **state)
{
	unsigned int n = getenv("CULVERT_LONG") ? 5000 : 60;
	uint64_t first = (uint64_t)time(NULL) * 100000;

	if (getenv("CULVERT_SEED"))
		return;
	for (uint64_t seed = first; seed < first + n; seed++)
		play_seed(seed);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(same_seeds),
	cmocka_unit_test(new_seeds),
};

int main(int argc, char **argv)
{
	struct sizes sizes = { .sets = 8, .max_services = 8, .max_dests = 16 };

	path_stay_here();
	directors[XDP_DOOR] = path_load(&sizes);
	directors[TC_DOOR] = path_load(&sizes);
	return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
