// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that the load balancer takes packets from. XDP runs in the driver or
 * not at all: the kernel's generic XDP is slower than tc, and tc can do all that
 * XDP can. tc is always attached, for what XDP hands on.
 *
 * XDP is a link pinned as links/IFINDEX-xdp; for tc see tchook.h. The journal's
 * goal TODO_DETACH stands while an attach or a detach is under way, so one that
 * was cut short ends with nothing attached.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "attach.h"
#include "bpffs.h"
#include "cleanup.h"
#include "devices.h"
#include "journal.h"
#include "pins.h"
#include "tchook.h"
#include "why.h"

#define MARKS (CV_DEV_ATTACHED | CV_DEV_XDP)

static void goal(struct cv *cv, uint64_t todo)
{
	__atomic_store_n(&cv->journal->todo, todo, __ATOMIC_RELEASE);
	if (journal_step)
		journal_step();
}

/* What forwards and what answers go out by follow the devices (culvert0.h). */
static void routes_due(struct cv *cv)
{
	__atomic_store_n(&cv->journal->routes_due, ROUTES_ALL, __ATOMIC_RELEASE);
}

static int open_links(struct cv *cv, int *out)
{
	return bpffs_subdir(cv->dir, "links", true, out);
}

static int open_prog(struct cv *cv, const char *name)
{
	_cleanup_fd_ int progs = -1;
	int err = bpffs_subdir(cv->dir, "progs", false, &progs);

	return err ? err : bpffs_get(progs, name);
}

static void xdp_name(uint32_t ifindex, char out[32])
{
	snprintf(out, 32, "%u-xdp", ifindex);
}

static bool xdp_pinned(int links, uint32_t ifindex)
{
	char name[32];
	struct stat st;

	xdp_name(ifindex, name);
	return fstatat(links, name, &st, 0) == 0;
}

/* ---- what is attached ------------------------------------------------------ */

static bool find_attachment(int links, uint32_t ifindex, struct cv_attachment *out)
{
	*out = (struct cv_attachment){ .ifindex = ifindex, .mode = CV_MODE_TC };
	if (!tchook_find(links, ifindex, TC_IN, &out->tcx, &out->gone))
		return false;
	if (xdp_pinned(links, ifindex)) {
		out->mode = CV_MODE_XDP;
		out->native = true;
	}
	if (!out->gone && !if_indextoname(ifindex, out->ifname))
		out->gone = true;
	return true;
}

/* Calls `each` for every ifindex that has pins in links/, once for each pin. */
static int each_pin(int links, int (*each)(uint32_t ifindex, const char *what, void *arg),
		    void *arg)
{
	int fd = openat(links, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		cleanup_fd(&fd);
		return cv_plain(-errno);
	}
	while (!rc && (e = readdir(d))) {
		uint32_t ifindex;
		char what[16];

		if (sscanf(e->d_name, "%u-%15s", &ifindex, what) == 2)
			rc = each(ifindex, what, arg);
	}
	closedir(d);
	return rc;
}

struct each_arg {
	int links;
	int (*each)(const struct cv_attachment *a, void *arg);
	void *arg;
};

/* Every attachment has exactly one of these two. */
static int show_one(uint32_t ifindex, const char *what, void *arg)
{
	const struct each_arg *e = arg;
	struct cv_attachment a;

	if (strcmp(what, "tcx") != 0 && strcmp(what, "clsact") != 0)
		return 0;
	return find_attachment(e->links, ifindex, &a) ? e->each(&a, e->arg) : 0;
}

int cv_each_attachment(struct cv *cv, int (*each)(const struct cv_attachment *a, void *arg),
		       void *arg)
{
	_cleanup_fd_ int links = -1;
	struct each_arg e = { .each = each, .arg = arg };
	int err = open_links(cv, &links);

	if (err)
		return err;
	e.links = links;
	return each_pin(links, show_one, &e);
}

/* ---- taking away ----------------------------------------------------------- */

static int xdp_detach(int links, uint32_t ifindex)
{
	_cleanup_fd_ int link = -1;
	char name[32];

	xdp_name(ifindex, name);
	link = bpffs_get(links, name);
	if (link >= 0)
		bpf_link_detach(link);
	return bpffs_remove(links, name);
}

int attach_remove(struct cv *cv, uint32_t ifindex)
{
	_cleanup_fd_ int links = -1;
	int err = open_links(cv, &links);

	goal(cv, JOURNAL_TODO(TODO_DETACH, ifindex));
	routes_due(cv);
	if (!err)
		err = xdp_detach(links, ifindex);
	if (!err)
		err = tchook_detach(links, ifindex, TC_IN);
	if (!err)
		err = tchook_detach(links, ifindex, TC_OUT);
	if (!err)
		err = devices_mark(cv, ifindex, MARKS, 0);
	if (!err)
		goal(cv, 0);
	return err;
}

static int remove_one(uint32_t ifindex, const char *what, void *arg)
{
	return attach_remove(arg, ifindex);
}

int attach_remove_all(struct cv *cv)
{
	_cleanup_fd_ int links = -1;
	int err = open_links(cv, &links);

	return err ? err : each_pin(links, remove_one, cv);
}

static int remove_gone(const struct cv_attachment *a, void *arg)
{
	return a->gone ? attach_remove(arg, a->ifindex) : 0;
}

/* ---- replacing ------------------------------------------------------------- */

struct swap {
	struct cv *cv;
	int links;
	unsigned int hooks;
};

static int xdp_replace(int links, uint32_t ifindex, int prog)
{
	_cleanup_fd_ int link = -1;
	char name[32];

	xdp_name(ifindex, name);
	link = bpffs_get(links, name);
	if (link < 0)
		return link;
	/* ENOLINK: its device has gone. */
	if (bpf_link_update(link, prog, NULL) < 0 && errno != ENOLINK)
		return cv_fail(-errno, "cannot replace an XDP program: %s", strerror(errno));
	return 0;
}

static const char *prog_of(const struct swap *s, uint32_t ifindex, const char *what)
{
	if (strcmp(what, "xdp") == 0)
		return "xdp_uplink";
	if (strcmp(what, "tcx") == 0 || strcmp(what, "clsact") == 0)
		return "tc_uplink";
	if (strcmp(what, "tcx-out") == 0 || strcmp(what, "clsact-out") == 0)
		return ifindex == s->cv->settings->culvert0 ? "tc_culvert0" : "tc_answers";
	return NULL;
}

static int swap_one(uint32_t ifindex, const char *what, void *arg)
{
	struct swap *s = arg;
	const char *name = prog_of(s, ifindex, what);
	_cleanup_fd_ int prog = -1;
	int err;

	if (!name)
		return 0;
	prog = pins_prog(s->cv->dir, name);
	if (prog < 0)
		return prog;
	if (strcmp(what, "xdp") == 0)
		err = xdp_replace(s->links, ifindex, prog);
	else
		err = tchook_replace(s->links, ifindex, strstr(what, "-out") ? TC_OUT : TC_IN,
				     prog);
	if (!err)
		s->hooks++;
	if (journal_step)
		journal_step();
	return err;
}

int attach_swap(struct cv *cv, unsigned int *hooks)
{
	_cleanup_fd_ int links = -1;
	struct swap s = { .cv = cv };
	int err = open_links(cv, &links);

	s.links = links;
	if (!err)
		err = each_pin(links, swap_one, &s);
	*hooks = s.hooks;
	return err;
}

/* ---- attaching ------------------------------------------------------------- */

/* Another's XDP program stays where it is. */
static int check_xdp_free(uint32_t ifindex, const char *ifname)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query((int)ifindex, 0, &opts);

	if (err || !opts.attach_mode)
		return 0;
	return cv_fail(-EBUSY,
		       "%s carries another's XDP program (id %u); --mode tc attaches behind it",
		       ifname,
		       opts.prog_id	? opts.prog_id :
		       opts.drv_prog_id ? opts.drv_prog_id :
					  opts.skb_prog_id);
}

static int xdp_attach(struct cv *cv, int links, uint32_t ifindex, const char *ifname)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	_cleanup_fd_ int prog = open_prog(cv, "xdp_uplink"), link = -1;
	char name[32];

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, (int)ifindex, BPF_XDP, &opts);
	if (link < 0)
		return cv_fail(-errno, "%s does not take an XDP program in its driver: %s", ifname,
			       strerror(errno));
	xdp_name(ifindex, name);
	return bpffs_pin(links, name, link);
}

static int attach_hooks(struct cv *cv, int links, enum cv_mode mode, struct cv_attachment *a)
{
	_cleanup_fd_ int prog = open_prog(cv, "tc_uplink");
	int err;

	if (prog < 0)
		return prog;
	err = tchook_attach(links, a->ifindex, TC_IN, prog, &a->tcx);
	if (err || mode == CV_MODE_TC)
		return err;
	err = xdp_attach(cv, links, a->ifindex, a->ifname);
	/*
	 * A driver without XDP, or one that cannot have it as the device is set up
	 * (MTU, offloads).
	 */
	if (err && err != -EBUSY && err != -EEXIST && err != -EPERM && mode == CV_MODE_AUTO) {
		snprintf(a->no_xdp, sizeof(a->no_xdp), "%s", *cv_why() ? cv_why() : strerror(-err));
		return 0;
	}
	if (!err) {
		a->mode = CV_MODE_XDP;
		a->native = true;
	}
	return err;
}

static int attach(struct cv *cv, const char *ifname, enum cv_mode mode, struct cv_attachment *a)
{
	_cleanup_fd_ int links = -1;
	struct cv_attachment there;
	int err = open_links(cv, &links);

	if (err)
		return err;
	if (find_attachment(links, a->ifindex, &there))
		return cv_fail(-EEXIST, "%s is attached already (%s)", ifname,
			       there.mode == CV_MODE_XDP ? "xdp" : "tc");
	if (mode != CV_MODE_TC) {
		err = check_xdp_free(a->ifindex, ifname);
		if (err)
			return err;
	}
	goal(cv, JOURNAL_TODO(TODO_DETACH, a->ifindex));
	routes_due(cv);
	err = attach_hooks(cv, links, mode, a);
	if (!err)
		err = devices_refresh_now(cv);
	if (!err)
		err = devices_mark(cv, a->ifindex, MARKS,
				   CV_DEV_ATTACHED | (a->native ? CV_DEV_XDP : 0));
	if (!err)
		goal(cv, 0);
	return err;
}

/* Takes the lock unless the caller has it. */
static int with_lock(struct cv *cv, bool *took)
{
	*took = !cv->locked;
	return *took ? cv_lock(cv, 0) : 0;
}

static int find_device(const char *ifname, uint32_t *ifindex)
{
	*ifindex = if_nametoindex(ifname);
	return *ifindex ? 0 : cv_fail(-ENODEV, "there is no device %s", ifname);
}

int cv_attach(struct cv *cv, const char *ifname, enum cv_mode mode, struct cv_attachment *done)
{
	struct cv_attachment a = { .mode = CV_MODE_TC };
	bool took;
	int err = find_device(ifname, &a.ifindex);

	if (!err)
		err = with_lock(cv, &took);
	if (err)
		return err;
	snprintf(a.ifname, sizeof(a.ifname), "%s", ifname);
	err = cv_each_attachment(cv, remove_gone, cv);
	if (!err)
		err = attach(cv, ifname, mode, &a);
	if (err && cv->journal->todo) {
		_cleanup_(why_put_back) struct why_kept why = why_keep();

		attach_remove(cv, a.ifindex);
	}
	if (took)
		cv_unlock(cv);
	if (!err && done)
		*done = a;
	return err;
}

int cv_detach(struct cv *cv, const char *ifname)
{
	_cleanup_fd_ int links = -1;
	struct cv_attachment there;
	uint32_t ifindex;
	bool took;
	int err = find_device(ifname, &ifindex);

	if (!err)
		err = with_lock(cv, &took);
	if (err)
		return err;
	err = cv_each_attachment(cv, remove_gone, cv);
	if (!err)
		err = open_links(cv, &links);
	if (!err && !find_attachment(links, ifindex, &there))
		err = cv_fail(-ENOENT, "%s is not attached", ifname);
	if (!err)
		err = attach_remove(cv, ifindex);
	if (took)
		cv_unlock(cv);
	return err;
}
