// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

bool bench;
struct path *path;

/* ---- what a packet is counted as -------------------------------------------------- */

/* Those of enum cv_cause of which every packet has exactly one. */
static bool is_final(enum cv_cause cause)
{
	return cause <= CV_C_FRAGMENT && cause != CV_C_PASS_TO_TC;
}

struct figures {
	uint64_t causes[CV_C_COUNT];
	uint32_t conns;
};

static void figures_take(const struct path *p, struct figures *f)
{
	for (unsigned int i = 0; i < CV_C_COUNT; i++)
		f->causes[i] = path_cause(p, (enum cv_cause)i);
	f->conns = table_count(p, false) + table_count(p, true);
}

/* Exactly one final cause, by one, and that the right one. */
static unsigned int check_causes(const struct packet_case *c, enum door door,
				 const struct figures *before, const struct figures *after)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < CV_C_COUNT; i++) {
		uint64_t more = after->causes[i] - before->causes[i];

		if (is_final((enum cv_cause)i) && more != (i == c->cause)) {
			print_error("%s (%s): counted as %s %lu times, expected as %s\n", c->what,
				    door_names[door], cause_names[i], (unsigned long)more,
				    cause_names[c->cause]);
			wrong++;
		}
	}
	return wrong;
}

/* ---- one packet --------------------------------------------------------------------- */

/*
 * What must come out. A frame that tc sends gets its link layer only behind the
 * program, unless it went by the straight way, which writes it.
 */
static void expected_frame(const struct packet_case *c, const struct outcome *o, enum door door,
			   struct frame *f)
{
	bool ready = (door == XDP_DOOR && !o->handed_on) || memcmp(o->out.data, f->data, 12) != 0;
	uint8_t mac[6];

	if (c->fate != SENT)
		return;
	if (c->error.type) {
		if (c->error.mtu) /* it had lost a hop before it was found to be too big */
			frame_routed(f, NULL, NULL);
		frame_error(f, c->error);
		return;
	}
	server_mac(c->server ? c->server : 1, mac);
	frame_routed(f, ready ? mac : NULL, ready ? REAL_MAC : NULL);
}

static unsigned int check_frame(const struct packet_case *c, enum door door, const struct frame *in,
				const struct outcome *o)
{
	struct frame want = *in;
	int at;

	if (o->fate == DROPPED)
		return 0;
	expected_frame(c, o, door, &want);
	if (c->error.type)
		frame_take_id(&want, &o->out);
	at = frame_differs(&want, &o->out, 0);
	if (at < 0)
		return 0;
	print_error("%s (%s): the frame differs from byte %d on\n", c->what, door_names[door], at);
	frame_print("in", in);
	frame_print("expected", &want);
	frame_print("out", &o->out);
	return 1;
}

unsigned int case_play(struct path *p, enum door door, const struct packet_case *c)
{
	struct figures before, after;
	unsigned int wrong;
	struct outcome o;
	struct frame in;

	figures_take(p, &before);
	frame_build(&in, &c->in);
	path_send(p, door, &in, c->in.mark, &o);
	figures_take(p, &after);
	if (o.fate != c->fate) {
		print_error("%s (%s): %s, expected %s\n", c->what, door_names[door],
			    fate_names[o.fate], fate_names[c->fate]);
		return 1;
	}
	wrong = check_frame(c, door, &in, &o) + check_causes(c, door, &before, &after);
	if (after.conns - before.conns != c->conns) {
		print_error("%s (%s): %d connections more, expected %u\n", c->what,
			    door_names[door], (int)(after.conns - before.conns), c->conns);
		wrong++;
	}
	return wrong;
}

/* Time in the program alone; TTL and state change with the first run, so give it room. */
#define BENCH_RUNS 200

static void case_bench(struct path *p, void (*set_up)(struct path *p), const struct packet_case *c)
{
	struct packet in = c->in;
	uint32_t ns[DOORS];
	struct frame f;

	if (in.ttl != 1)
		in.ttl = 255;
	frame_build(&f, &in);
	for (int door = 0; door < DOORS; door++) {
		path_reset(p);
		set_up(p);
		if (door == XDP_DOOR)
			path_run_xdp(p, &f, NULL, BENCH_RUNS, &ns[door]);
		else
			path_run_tc(p, &f, NULL, in.mark, BENCH_RUNS, &ns[door]);
	}
	printf("%6u %6u  %s\n", ns[XDP_DOOR], ns[TC_DOOR], c->what);
}

void cases_play(struct path *p, void (*set_up)(struct path *p), const struct packet_case *cases,
		unsigned int n)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (bench) {
			case_bench(p, set_up, &cases[i]);
			continue;
		}
		for (int door = 0; door < DOORS; door++) {
			path_reset(p);
			set_up(p);
			wrong += case_play(p, (enum door)door, &cases[i]) + table_audit(p);
		}
	}
	if (wrong)
		fail_msg("%u faults", wrong);
}

/* ---- smaller steps ------------------------------------------------------------------- */

static char playing[256];

void now_playing(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(playing, sizeof(playing), format, ap);
	va_end(ap);
}

void fault(const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fail_msg("%s%s%s", playing, *playing ? ": " : "", text);
}

void expect_equal(const char *what, long got, long want)
{
	if (got != want)
		fault("%s: %ld, expected %ld", what, got, want);
}

void expect_fate(struct path *p, enum door door, const struct packet *in, enum fate fate)
{
	struct outcome o;
	struct frame f;

	frame_build(&f, in);
	path_send(p, door, &f, in->mark, &o);
	if (o.fate != fate)
		fault("%s: %s, expected %s", door_names[door], fate_names[o.fate],
		      fate_names[fate]);
}

void expect_sent(struct path *p, enum door door, const struct packet *in, const struct packet *out,
		 const uint8_t *dmac, const uint8_t *smac)
{
	struct frame f, want;
	struct outcome o;
	int at;

	frame_build(&f, in);
	frame_build(&want, out);
	path_send(p, door, &f, 0, &o);
	expect_equal("sent", o.fate, SENT);
	if (door == XDP_DOOR && !o.handed_on) {
		memcpy(want.data, dmac, 6);
		memcpy(want.data + 6, smac, 6);
	}
	at = frame_differs(&want, &o.out, 0);
	if (at < 0)
		return;
	frame_print("expected", &want);
	frame_print("out", &o.out);
	fault("differs from byte %d on", at);
}

/* N of the server rN. */
static unsigned int server_number(const struct path *p, uint32_t dest)
{
	const struct cv_dest *d = &p->dests[dest];

	return d->flags & CV_DEST_IPV6 ? d->addr.b[15] - 0x10U : d->addr.b[3] - 10U;
}

/* The destination that has counted a packet since `before` was taken; CV_NONE: none. */
static uint32_t counted_at(const struct path *p, const uint64_t *before)
{
	for (uint32_t i = 0; i < p->num_dests; i++) {
		if (path_counters(p, i).inpkts != before[i])
			return i;
	}
	return CV_NONE;
}

unsigned int server_of(struct path *p, enum door door, const struct packet *in)
{
	uint64_t before[128];
	const struct cv_conn_common *c;
	struct outcome o;
	struct frame f;
	uint8_t mac[6];
	uint32_t dest;

	for (uint32_t i = 0; i < p->num_dests; i++)
		before[i] = path_counters(p, i).inpkts;
	frame_build(&f, in);
	path_send(p, door, &f, in->mark, &o);
	dest = counted_at(p, before);
	if ((o.fate == SENT) != (dest != CV_NONE) && o.out.len <= f.len)
		fault("%s, but counted at destination %d", fate_names[o.fate], (int)dest);
	if (dest == CV_NONE)
		return 0;
	c = table_find(p, in);
	if (c && c->dest != dest)
		fault("counted at destination %u, but the connection has %u", dest, c->dest);
	server_mac(server_number(p, dest), mac);
	if (door == XDP_DOOR && !o.handed_on && memcmp(o.out.data, mac, ETH_ALEN) != 0)
		fault("counted at r%u, but sent elsewhere", server_number(p, dest));
	return server_number(p, dest);
}

/* A timer is set anew when it is late by more than 1/256 of its time (bpf/lb/live.h), not before. */
static bool winds_up(const struct path *p, const struct cv_conn_common *c, uint32_t timeout)
{
	uint32_t late = timeout - (c->expires - p->clock->now);

	return c->timeout == timeout && late <= timeout / 256;
}

void expect_conn(struct path *p, const struct packet *of, const char *state, uint32_t timeout)
{
	const struct cv_conn_common *c = table_find(p, of);

	if (!c)
		fault("no connection, expected one in %s", state);
	if (strcmp(state_name(c->proto, c->ctl), state) != 0)
		fault("the connection is in %s, expected %s", state_name(c->proto, c->ctl), state);
	if (!winds_up(p, c, timeout * CV_HZ))
		fault("%s: expires in %u ticks, timeout %u, expected %u s", state,
		      c->expires - p->clock->now, c->timeout, timeout);
}

void expect_counts(struct path *p, uint32_t dest, uint32_t active, uint32_t inactive)
{
	const struct cv_dest *d = &p->dests[dest];

	if (d->activeconns != active || d->inactconns != inactive)
		fault("destination %u has %u active and %u inactive connections, expected %u and %u",
		      dest, d->activeconns, d->inactconns, active, inactive);
}

void expect_audit(struct path *p)
{
	unsigned int wrong = table_audit(p);

	if (wrong)
		fault("%u invariants broken", wrong);
}

void figure(const char *name, uint64_t value, const char *unit)
{
	const char *file = getenv("CULVERT_FIGURES");
	FILE *f = file ? fopen(file, "a") : NULL;

	if (!f)
		return;
	fprintf(f, "figure %s %lu %s\n", name, (unsigned long)value, unit);
	fclose(f);
}

/* ---- for random sequences ------------------------------------------------------------ */

char broken[512];
bool shrinking;

bool breaks(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(broken, sizeof(broken), format, ap);
	va_end(ap);
	return false;
}

static bool has_id_of_ours(const struct outcome *o, bool tunnels)
{
	const uint8_t *frame = o->out.data;

	if (o->fate != SENT)
		return false;
	if (frame[12] == 0x86 && frame[13] == 0xdd)
		return tunnels; /* in fragments */
	return frame[12] == 0x08 && frame[13] == 0 &&
	       (tunnels || frame[ETH_HLEN + offsetof(struct iphdr, protocol)] == IPPROTO_ICMP);
}

bool doors_agree(const struct outcome *by_xdp, const struct outcome *by_tc, bool tunnels)
{
	struct frame x = by_xdp->out;

	if (by_xdp->fate != by_tc->fate)
		return breaks("XDP %s it, tc %s it", fate_names[by_xdp->fate],
			      fate_names[by_tc->fate]);
	if (by_xdp->fate == DROPPED || frame_differs(&x, &by_tc->out, 12) < 0)
		return true;
	if (has_id_of_ours(by_xdp, tunnels))
		frame_take_id(&x, &by_tc->out);
	if (frame_differs(&x, &by_tc->out, 12) < 0)
		return true;
	if (!shrinking) {
		frame_print("by XDP", &x);
		frame_print("by tc", &by_tc->out);
	}
	return breaks("the doors send different frames");
}

/* ---- the programs' frame -------------------------------------------------------------- */

/* What one test was at is nothing to the next. */
static int forget_playing(void **state)
{
	playing[0] = '\0';
	return 0;
}

int packet_main(int argc, char **argv, const struct sizes *sizes, const char *name,
		const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest each[32];
	int failed;

	if (n > sizeof(each) / sizeof(each[0]))
		return 2;
	for (size_t i = 0; i < n; i++) {
		each[i] = tests[i];
		each[i].setup_func = forget_playing;
	}
	bench = argc > 1 && strcmp(argv[1], "--bench") == 0;
	path = path_load(sizes);
	if (bench)
		printf("ns/packet: XDP, tc\n");
	failed = _cmocka_run_group_tests(name, each, n, NULL, NULL);
	path_free(path);
	return failed;
}
