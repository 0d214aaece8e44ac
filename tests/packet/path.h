/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path, loaded and nothing else: no library, no timer. Its clock stands
 * still unless the test moves it. Frames go in by BPF_PROG_TEST_RUN.
 */
#ifndef PACKET_PATH_H
#define PACKET_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include <culvert/conn.h>
#include <culvert/lb.h>
#include <culvert/vip.h>

#include "frame.h"

struct path {
	struct bpf_object *obj;
	struct cv_geometry geo;
	/* Mapped: what the data path sees and writes. */
	struct cv_settings *settings;
	struct cv_clock *clock;
	struct cv_uplink *uplinks;
	uint32_t *locks;
	struct cv_tags *tags[2]; /* [v6] */
	struct cv_keys *keys[2];
	void *conns[2];
	struct cv_service *svcs;
	struct cv_dest *dests;
	struct cv_counters *counters;
	struct cv_estimate *dest_est, *svc_est;
	struct cv_causes *causes;
	int services, devices;			      /* maps */
	int xdp, tc, culvert0, answers, start, sweep; /* programs */
	uint32_t num_services, num_dests;	      /* config.c: slots given away */
};

struct sizes {
	uint32_t max_conns;		  /* 0: 1024; per family */
	uint32_t sets;			  /* instead: this many sets */
	uint32_t max_services, max_dests; /* 0: 32, 128 */
	uint64_t key[4];		  /* of the hash; all 0: one of the tests' own */
};

/* Loads it into the world, which it makes. Exits when the kernel will not have it. */
struct path *path_load(const struct sizes *sizes);
void path_free(struct path *p);

/*
 * On this CPU from now on: counters and the credits of ICMP errors are per CPU, and
 * two directors that are compared must find the same.
 */
void path_stay_here(void);

/* As after the load: empty tables, the kernel's default settings, the uplink known. */
void path_reset(struct path *p);

/* ---- packets ---------------------------------------------------------------- */

enum door { XDP_DOOR, TC_DOOR, DOORS };
extern const char *const door_names[DOORS];

enum fate { PASSED, SENT, DROPPED };
extern const char *const fate_names[];

struct outcome {
	enum fate fate;
	bool handed_on; /* by XDP to tc */
	struct frame out;
};

/*
 * A frame through an uplink's door. XDP_DOOR: XDP, and tc after it if XDP passes
 * the frame. TC_DOOR: tc alone.
 */
void path_send(struct path *p, enum door door, const struct frame *in, uint32_t mark,
	       struct outcome *out);

/* One program alone; its return value. `ns`, if not NULL: takes `repeat` runs and the mean time. */
int path_run_xdp(struct path *p, const struct frame *in, struct frame *out, int repeat,
		 uint32_t *ns);
int path_run_tc(struct path *p, const struct frame *in, struct frame *out, uint32_t mark,
		int repeat, uint32_t *ns);

/* One of the other tc programs. */
int path_run_skb(struct path *p, int prog, const struct frame *in, struct frame *out,
		 uint32_t mark);

/* tc with a GSO packet. */
int path_run_tc_gso(struct path *p, const struct frame *in, struct frame *out, uint32_t segs,
		    uint32_t size);

/* ---- time ------------------------------------------------------------------- */

void path_advance(struct path *p, uint32_t ticks);
void path_sweep(struct path *p);
/* Time and the sweeper, who is in time for the connections whose timers it keeps (C9). */
void path_pass_time(struct path *p, uint32_t ticks);
/* Arms the sweeper: from now on the clock runs by itself, for good. */
void path_start(struct path *p);

/* ---- figures ---------------------------------------------------------------- */

uint64_t path_cause(const struct path *p, enum cv_cause cause);
struct cv_counters path_counters(const struct path *p, uint32_t dest);
extern const char *const cause_names[CV_C_COUNT];

#endif
