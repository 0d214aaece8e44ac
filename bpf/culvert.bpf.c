// SPDX-License-Identifier: GPL-2.0-only
/* The load balancer's programs, one per hook: wiring only. */
#include "lb/adopt.h"
#include "lb/answers.h"
#include "lb/culvert0.h"
#include "lb/tc.h"
#include "lb/xdp.h"
#include "orphans.h"
#include "sweeper.h"

/* XDP of an uplink: the fast door. */
SEC("xdp")
int xdp_uplink(struct xdp_md *ctx)
{
	return xdp_door(ctx);
}

/* tc ingress of an uplink. */
SEC("tc")
int tc_uplink(struct __sk_buff *skb)
{
	return tc_uplink_door(skb);
}

/* tc egress of culvert0: packets that crossed the host's netfilter. */
SEC("tc")
int tc_culvert0(struct __sk_buff *skb)
{
	int rc = tc_culvert0_door(skb);

	return rc == TC_NEXT ? tc_to_stack(skb) : rc;
}

/* tc egress of uplinks and the loopback device, while a masq real server is the director itself. */
SEC("tc")
int tc_answers(struct __sk_buff *skb)
{
	return tc_answers_door(skb);
}

/* Run once by the library: arms the sweeper. Returns 0 when it runs. */
SEC("tc")
int ctl_start(struct __sk_buff *skb)
{
	return sweeper_start();
}

/* Run by the library: makes a connection that it describes. Returns enum cv_adopted. */
SEC("tc")
int ctl_adopt(struct __sk_buff *skb)
{
	return adopt(skb);
}

/* Run by the library: ends the connections of real servers that have left. */
SEC("tc")
int ctl_orphans(struct __sk_buff *skb)
{
	orphans_end(false);
	orphans_end(true);
	return 0;
}

static long estimate_round(__u32 round, void *arg)
{
	estimate_slice(round);
	return 0;
}

/*
 * Run by tests, whose clock stands still unless they move it: sweeps both
 * tables and the schedulers' cache once and takes the rates once.
 */
SEC("tc")
int ctl_sweep(struct __sk_buff *skb)
{
	struct cv_sweep_at at4 = {}, at6 = {};

	sweep_table(false, &at4, CV_REGIONS);
	sweep_table(true, &at6, CV_REGIONS);
	bpf_loop(EST_SWEEPS, estimate_round, NULL, 0);
	cache_sweep();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
