// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "bpffs.h"
#include "cleanup.h"
#include "journal.h"
#include "rtnl_internal.h"
#include "tchook.h"
#include "why.h"

/* enum bpf_attach_type of 6.6 for each way, which libbpf 1.1 does not know by name. */
static const enum bpf_attach_type tcx_type[] = { [TC_IN] = 46, [TC_OUT] = 47 };

/* Names of the pins. */
static const char *const tcx_pin[] = { [TC_IN] = "tcx", [TC_OUT] = "tcx-out" };
static const char *const clsact_pin[] = { [TC_IN] = "clsact", [TC_OUT] = "clsact-out" };
static const char *const clsact_next[] = { [TC_IN] = "clsact-next", [TC_OUT] = "clsact-out-next" };
static const enum bpf_tc_attach_point clsact_point[] = {
	[TC_IN] = BPF_TC_INGRESS, [TC_OUT] = BPF_TC_EGRESS
};

/* Far from what administrators count by hand. */
#define CLSACT_PRIORITY 49000
#define CLSACT_HANDLE 0xc1

struct pin {
	char name[32];
};

static struct pin pin_of(uint32_t ifindex, const char *what)
{
	struct pin p;

	snprintf(p.name, sizeof(p.name), "%u-%s", ifindex, what);
	return p;
}

static bool pinned(int links, uint32_t ifindex, const char *what)
{
	struct stat st;

	return fstatat(links, pin_of(ifindex, what).name, &st, 0) == 0;
}

/* ---- tcx ------------------------------------------------------------------ */

bool tchook_tcx_wanted(void)
{
	return !getenv("CULVERT_NO_TCX");
}

/* The link by which ipvlan's program for masters is on the device; -ENOENT if it is none. */
static int ipvlan_master_link(int links, uint32_t ifindex)
{
	_cleanup_fd_ int link = -1, prog = -1;
	struct bpf_link_info info = {};
	struct bpf_prog_info what = {};
	__u32 size = sizeof(info), what_size = sizeof(what);
	char name[48];

	snprintf(name, sizeof(name), "../ipvlan/links/%u-ingress", ifindex);
	link = bpffs_get(links, name);
	if (link < 0 || bpf_obj_get_info_by_fd(link, &info, &size) < 0)
		return -ENOENT;
	prog = bpf_prog_get_fd_by_id(info.prog_id);
	if (prog < 0 || bpf_obj_get_info_by_fd(prog, &what, &what_size) < 0 ||
	    strcmp(what.name, "master_in"))
		return -ENOENT;
	return take_fd(link);
}

#define TCX_BEFORE ((1U << 3) | (1U << 13)) /* BPF_F_BEFORE | BPF_F_LINK */

/* As bpf_link_create(), but before another link; libbpf 1.1 does not know of that. */
static int link_create_before(int prog, uint32_t ifindex, enum bpf_attach_type type, int other)
{
	struct {
		__u32 prog_fd, target_ifindex, attach_type, flags, relative_fd, pad;
		__u64 expected_revision;
	} attr = { (__u32)prog, ifindex, type, TCX_BEFORE, (__u32)other, 0, 0 };

	return (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

/*
 * Behind everybody, but for ipvlan on its masters: with l3s it drops what the host
 * would forward for nobody it knows, and services are to be taken out before.
 */
static int link_create(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	_cleanup_fd_ int other = way == TC_IN ? ipvlan_master_link(links, ifindex) : -1;

	if (other >= 0)
		return link_create_before(prog, ifindex, tcx_type[way], other);
	return bpf_link_create(prog, (int)ifindex, tcx_type[way], NULL);
}

static int tcx_attach(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	_cleanup_fd_ int link = link_create(links, ifindex, way, prog);

	return link < 0 ? -errno : bpffs_pin(links, pin_of(ifindex, tcx_pin[way]).name, link);
}

/* The kernel cuts a link when its device goes: then its ifindex, first of the union, is 0. */
static bool tcx_gone(int links, uint32_t ifindex, enum tchook_way way)
{
	_cleanup_fd_ int link = bpffs_get(links, pin_of(ifindex, tcx_pin[way]).name);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	/* What cannot be asked just now has not gone: who thinks so takes it away. */
	return link >= 0 && bpf_obj_get_info_by_fd(link, &info, &size) == 0 && !info.xdp.ifindex;
}

static int tcx_replace(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	_cleanup_fd_ int link = bpffs_get(links, pin_of(ifindex, tcx_pin[way]).name);

	if (link < 0)
		return link;
	/* ENOLINK: its device has gone. */
	return bpf_link_update(link, prog, NULL) < 0 && errno != ENOLINK ? -errno : 0;
}

static int tcx_detach(int links, uint32_t ifindex, enum tchook_way way)
{
	struct pin pin = pin_of(ifindex, tcx_pin[way]);
	_cleanup_fd_ int link = bpffs_get(links, pin.name);

	if (link >= 0)
		bpf_link_detach(link);
	return bpffs_remove(links, pin.name);
}

/* ---- clsact --------------------------------------------------------------- */

static struct bpf_tc_hook hook_of(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){ .sz = sizeof(struct bpf_tc_hook),
				     .ifindex = (int)ifindex,
				     .attach_point = point };
}

/* The clsact or ingress qdisc of the device that is asked about ends the walk. */
static int see_clsact(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *m = mnl_nlmsg_get_payload(h);

	return m->tcm_ifindex == *(int *)arg && m->tcm_parent == TC_H_CLSACT;
}

/* Has the device a clsact qdisc? If in doubt, yes: then it is not ours. */
static bool qdisc_there(uint32_t ifindex)
{
	_cleanup_(rtnl_close) struct rtnl nl = {};
	struct rtnl_request q;
	struct nlmsghdr *h = rtnl_start(&q, RTM_GETQDISC, NLM_F_DUMP);
	struct tcmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int index = (int)ifindex;

	m->tcm_family = AF_UNSPEC;
	m->tcm_ifindex = index;
	return rtnl_open(&nl, RTNL_HERE) || rtnl_talk(&nl, &q, see_clsact, &index);
}

static void step(void)
{
	if (journal_step)
		journal_step();
}

/*
 * The pin that says that the qdisc is ours comes before the qdisc: killed in
 * between, a command leaves what the next one takes away.
 */
static int qdisc_make(int links, uint32_t ifindex, struct bpf_tc_hook *hook, int prog)
{
	struct pin pin = pin_of(ifindex, "qdisc");
	int err;

	if (qdisc_there(ifindex))
		return 0;
	err = pinned(links, ifindex, "qdisc") ? 0 : bpffs_pin(links, pin.name, prog);
	step();
	if (!err)
		err = bpf_tc_hook_create(hook);
	step();
	/* Another's, made meanwhile. */
	return err == -EEXIST ? bpffs_remove(links, pin.name) : err;
}

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

/* 1: the program of this pin has that id; 0: it has not, or there is none; or why it is not known. */
static int is_pinned_as(int links, uint32_t ifindex, const char *what, __u32 id)
{
	_cleanup_fd_ int prog = bpffs_get(links, pin_of(ifindex, what).name);
	__u32 own = prog_id(prog);

	if (prog < 0)
		return prog == -ENOENT ? 0 : prog;
	return own ? own == id : -errno;
}

/* What the kernel says of a filter, device or qdisc that is not there. */
static int unless_absent(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -EINVAL ? 0 : err;
}

/*
 * 1: the filter at our place is our program, or the one that was about to replace it; 0: there is
 * none, or it is another's (another device may have the ifindex by now); or why it is not known:
 * who takes either for granted leaves a filter that nobody knows, or takes away what is there.
 */
static int clsact_ours(int links, uint32_t ifindex, enum tchook_way way)
{
	struct bpf_tc_hook hook = hook_of(ifindex, clsact_point[way]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	int ours = bpf_tc_query(&hook, &opts);

	if (ours)
		return unless_absent(ours);
	ours = is_pinned_as(links, ifindex, clsact_pin[way], opts.prog_id);
	return ours ? ours : is_pinned_as(links, ifindex, clsact_next[way], opts.prog_id);
}

/* The pin `what` becomes one of this program, in one step. */
static int repin(int links, uint32_t ifindex, const char *next, const char *what)
{
	if (renameat(links, pin_of(ifindex, next).name, links, pin_of(ifindex, what).name) < 0)
		return cv_fail(-errno, "cannot replace the pin %s: %s", what, strerror(errno));
	return 0;
}

static int pin_next(int links, uint32_t ifindex, const char *next, int prog)
{
	int err = bpffs_remove(links, pin_of(ifindex, next).name);

	return err ? err : bpffs_pin(links, pin_of(ifindex, next).name, prog);
}

/* The filter's program changes in place, by its handle; before and after, one of the pins names it. */
static int clsact_replace(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	struct bpf_tc_hook hook = hook_of(ifindex, clsact_point[way]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = prog, .flags = BPF_TC_F_REPLACE);
	int err = clsact_ours(links, ifindex, way);

	if (err <= 0)
		return err;
	err = pin_next(links, ifindex, clsact_next[way], prog);
	if (!err)
		err = bpf_tc_attach(&hook, &opts);
	if (!err)
		err = repin(links, ifindex, clsact_next[way], clsact_pin[way]);
	/* A sign and nothing else, but it would keep the old program. */
	if (!err && pinned(links, ifindex, "qdisc")) {
		err = pin_next(links, ifindex, "qdisc-next", prog);
		if (!err)
			err = repin(links, ifindex, "qdisc-next", "qdisc");
	}
	return err;
}

static int count_filter(const struct nlmsghdr *h, void *arg)
{
	++*(int *)arg;
	return 0;
}

/* Do others have filters in the device's clsact qdisc? If in doubt, yes. */
static bool qdisc_used(uint32_t ifindex)
{
	static const uint32_t parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
					    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	_cleanup_(rtnl_close) struct rtnl nl = {};
	int n = 0;

	if (rtnl_open(&nl, RTNL_HERE))
		return true;
	for (int i = 0; i < 2; i++) {
		struct rtnl_request q;
		struct nlmsghdr *h = rtnl_start(&q, RTM_GETTFILTER, NLM_F_DUMP);
		struct tcmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

		m->tcm_family = AF_UNSPEC;
		m->tcm_ifindex = (int)ifindex;
		m->tcm_parent = parents[i];
		if (rtnl_talk(&nl, &q, count_filter, &n))
			return true;
	}
	return n > 0;
}

static int clsact_detach(int links, uint32_t ifindex, enum tchook_way way)
{
	struct bpf_tc_hook hook = hook_of(ifindex, clsact_point[way]);
	struct bpf_tc_hook both = hook_of(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	int err = clsact_ours(links, ifindex, way);

	if (err > 0)
		err = unless_absent(bpf_tc_detach(&hook, &opts));
	if (err)
		return err;
	/* Of both directions, libbpf destroys the qdisc itself. */
	if (pinned(links, ifindex, "qdisc") && !qdisc_used(ifindex))
		err = unless_absent(bpf_tc_hook_destroy(&both));
	if (!err)
		err = bpffs_remove(links, pin_of(ifindex, clsact_next[way]).name);
	if (!err)
		err = bpffs_remove(links, pin_of(ifindex, "qdisc-next").name);
	if (!err)
		err = bpffs_remove(links, pin_of(ifindex, clsact_pin[way]).name);
	/* The other way's filter is ours, too: the qdisc goes with the last one. */
	if (err || pinned(links, ifindex, clsact_pin[way == TC_IN ? TC_OUT : TC_IN]))
		return err;
	return bpffs_remove(links, pin_of(ifindex, "qdisc").name);
}

/* What was begun is taken back when it fails: the qdisc would stay, and its pin. */
static int clsact_attach(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	struct bpf_tc_hook hook = hook_of(ifindex, clsact_point[way]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = prog);
	const char *what = "make a clsact qdisc";
	int err = qdisc_make(links, ifindex, &hook, prog);

	if (!err) {
		what = "add a filter to clsact";
		err = bpffs_pin(links, pin_of(ifindex, clsact_pin[way]).name, prog);
		step();
	}
	if (!err)
		err = bpf_tc_attach(&hook, &opts);
	if (!err)
		return 0;
	clsact_detach(links, ifindex, way);
	return cv_fail(err, "cannot %s: %s", what, strerror(-err));
}

/* ---- either --------------------------------------------------------------- */

int tchook_attach(int links, uint32_t ifindex, enum tchook_way way, int prog, bool *tcx)
{
	int err = tchook_tcx_wanted() ? tcx_attach(links, ifindex, way, prog) : -EINVAL;

	*tcx = err != -EINVAL;
	if (err == -EINVAL)
		return clsact_attach(links, ifindex, way, prog);
	return err ? cv_fail(err, "cannot attach to tc %s: %s", way == TC_IN ? "ingress" : "egress",
			     strerror(-err)) :
		     0;
}

int tchook_detach(int links, uint32_t ifindex, enum tchook_way way)
{
	int err = tcx_detach(links, ifindex, way);

	return err ? err : clsact_detach(links, ifindex, way);
}

int tchook_replace(int links, uint32_t ifindex, enum tchook_way way, int prog)
{
	int err = pinned(links, ifindex, tcx_pin[way]) ? tcx_replace(links, ifindex, way, prog) :
							 clsact_replace(links, ifindex, way, prog);

	return err ? cv_fail(err, "cannot replace a program at tc %s: %s",
			     way == TC_IN ? "ingress" : "egress", strerror(-err)) :
		     0;
}

bool tchook_find(int links, uint32_t ifindex, enum tchook_way way, bool *tcx, bool *gone)
{
	*tcx = pinned(links, ifindex, tcx_pin[way]);
	if (!*tcx && !pinned(links, ifindex, clsact_pin[way]))
		return false;
	*gone = *tcx ? tcx_gone(links, ifindex, way) : !clsact_ours(links, ifindex, way);
	return true;
}
