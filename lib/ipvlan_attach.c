// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs on devices: by tcx where the kernel has it (6.6), as links that are
 * pinned; else as filters of clsact, which the device holds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "cleanup.h"
#include "ipvlan_internal.h"
#include "pins.h"
#include "tchook.h"
#include "why.h"

/* enum bpf_attach_type of 6.6, which libbpf 1.1 does not know by name. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/*
 * tcx chains by order of attachment (and see tchook.c). At a host end we are before the load
 * balancer's filter, which may trust what has passed; a master's input is behind it, since with l3s
 * that drops what the host would forward for nobody.
 */
#define CLSACT_PRIORITY 30
#define CLSACT_PRIORITY_LAST 49100
#define CLSACT_HANDLE 1

static const struct {
	const char *prog;
	const char *hook;
	int tcx;
	enum bpf_tc_attach_point clsact;
	__u32 priority;
} hooks[IPV_PROGS] = {
	[IPV_MASTER_IN] = { "master_in", "ingress", TCX_INGRESS, BPF_TC_INGRESS,
			    CLSACT_PRIORITY_LAST },
	[IPV_MASTER_OUT] = { "master_out", "egress", TCX_EGRESS, BPF_TC_EGRESS, CLSACT_PRIORITY },
	[IPV_SLAVE_OUT] = { "slave_out", "ingress", TCX_INGRESS, BPF_TC_INGRESS, CLSACT_PRIORITY },
	[IPV_SLAVE_IN] = { "slave_in", "egress", TCX_EGRESS, BPF_TC_EGRESS, CLSACT_PRIORITY },
};

static void pin_name(char out[32], enum ipv_prog prog, uint32_t ifindex)
{
	snprintf(out, 32, "%u-%s", ifindex, hooks[prog].hook);
}

/* The kernel writes about missing and present qdiscs and filters to whoever listens to libbpf. */
static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return 0;
}

static int clsact_attach(int fd, enum ipv_prog prog, uint32_t ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = hooks[prog].clsact);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE,
			    .priority = hooks[prog].priority, .prog_fd = fd,
			    .flags = BPF_TC_F_REPLACE);
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	int err = bpf_tc_hook_create(&hook);

	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &opts);
	libbpf_set_print(print);
	return err ? cv_fail(err, "cannot attach to clsact: %s", strerror(-err)) : 0;
}

static int clsact_detach(enum ipv_prog prog, uint32_t ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = hooks[prog].clsact);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE,
			    .priority = hooks[prog].priority);
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	int err = bpf_tc_detach(&hook, &opts);

	libbpf_set_print(print);
	/* No such filter, qdisc or device. */
	if (err == -ENOENT || err == -EINVAL || err == -ENODEV)
		return 0;
	return err ? cv_fail(err, "cannot detach from clsact: %s", strerror(-err)) : 0;
}

static int tcx_attach(int fd, int links, const char *name, enum ipv_prog prog, uint32_t ifindex)
{
	_cleanup_fd_ int link = -1;

	if (!tchook_tcx_wanted())
		return -EINVAL;
	link = bpf_link_create(fd, (int)ifindex, hooks[prog].tcx, NULL);
	if (link < 0)
		return -errno;
	return bpffs_pin(links, name, link);
}

int ipv_attach(struct cv_ipv *v, enum ipv_prog prog, uint32_t ifindex)
{
	_cleanup_fd_ int progs = -1, links = -1, fd = -1, old = -1;
	char name[32];
	int err;

	err = bpffs_subdir(v->dir, "progs", false, &progs);
	if (!err)
		err = bpffs_subdir(v->dir, "links", true, &links);
	if (err)
		return err;
	pin_name(name, prog, ifindex);
	old = bpffs_get(links, name);
	if (old != -ENOENT)
		return old < 0 ? old : 0;
	fd = bpffs_get(progs, hooks[prog].prog);
	if (fd < 0)
		return fd;
	err = tcx_attach(fd, links, name, prog, ifindex);
	if (err == -EINVAL)
		return clsact_attach(fd, prog, ifindex);
	return err ? cv_fail(err, "cannot attach a program: %s", strerror(-err)) : 0;
}

int ipv_replace(struct cv_ipv *v, enum ipv_prog prog, uint32_t ifindex)
{
	_cleanup_fd_ int links = -1, link = -1, fd = -1;
	char name[32];
	int err;

	err = bpffs_subdir(v->dir, "links", true, &links);
	if (err)
		return err;
	fd = pins_prog(v->dir, hooks[prog].prog);
	if (fd < 0)
		return fd;
	pin_name(name, prog, ifindex);
	link = bpffs_get(links, name);
	if (link == -ENOENT)
		return clsact_attach(fd, prog, ifindex);
	if (link < 0)
		return link;
	/* ENOLINK: its device has gone. */
	if (bpf_link_update(link, fd, NULL) < 0 && errno != ENOLINK)
		return cv_fail(-errno, "cannot replace a program: %s", strerror(errno));
	return 0;
}

int ipv_detach(struct cv_ipv *v, enum ipv_prog prog, uint32_t ifindex, bool gone)
{
	_cleanup_fd_ int links = -1, link = -1;
	char name[32];
	int err = bpffs_subdir(v->dir, "links", false, &links);

	if (err)
		return err == -ENOENT ? 0 : err;
	pin_name(name, prog, ifindex);
	link = bpffs_get(links, name);
	if (link == -ENOENT)
		return gone ? 0 : clsact_detach(prog, ifindex);
	if (link < 0)
		return link;
	/* Of a device that has gone, it is cut already. */
	bpf_link_detach(link);
	return bpffs_remove(links, name);
}
