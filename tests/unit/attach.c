// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices: attached and left as they were, by both mechanisms of tc, and never
 * over others' programs.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "devices.h"
#include "insn.h"
#include "lab.h"
#include "rtnl.h"
#include "tick.h"

static int make_devices(void **state)
{
	lab_run("ip link add v0 type veth peer name v1");
	lab_run("ip link add v2 type veth peer name v3");
	lab_run("ip link set v0 up; ip link set v1 up; ip link set v2 up; ip link set v3 up");
	return 0;
}

static int remove_devices(void **state)
{
	unsetenv("CULVERT_NO_TCX");
	if (system("ip link del v0 2>&-; ip link del v2 2>&-") < 0)
		return -1;
	return 0;
}

static struct cv_attachment found[4];

static int take(const struct cv_attachment *a, void *arg)
{
	found[(*(int *)arg)++] = *a;
	return 0;
}

static int attachments(void)
{
	int n = 0;

	assert_int_equal(cv_each_attachment(lab, take, &n), 0);
	return n;
}

static uint32_t device_flags(const char *name)
{
	struct cv_device d = {};
	uint32_t ifindex = if_nametoindex(name);

	bpf_map_lookup_elem(map_fd(lab, MAP_DEVICES), &ifindex, &d);
	return d.flags;
}

static bool has_xdp(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(name), 0, &opts), 0);
	return opts.drv_prog_id || opts.skb_prog_id;
}

/* enum bpf_attach_type of 6.6 */
#define TCX_INGRESS ((enum bpf_attach_type)46)

/* A program of ours at tc ingress, by either mechanism. */
static bool has_tc(const char *name)
{
	__u32 ids[8], n = 8;
	char command[256];

	if (bpf_prog_query((int)if_nametoindex(name), TCX_INGRESS, 0, NULL, ids, &n) == 0 && n)
		return true;
	snprintf(command, sizeof(command), "tc filter show dev %s ingress | grep -q tc_uplink",
		 name);
	return system(command) == 0;
}

static void xdp_and_tc(void **state)
{
	struct cv_attachment a;

	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, &a), 0);
	assert_int_equal(a.mode, CV_MODE_XDP);
	assert_true(a.native);
	assert_string_equal(a.no_xdp, "");
	assert_string_equal(a.ifname, "v0");
	assert_int_equal(a.ifindex, if_nametoindex("v0"));
	assert_int_equal(attachments(), 1);
	assert_string_equal(found[0].ifname, "v0");
	assert_int_equal(found[0].mode, CV_MODE_XDP);
	assert_false(found[0].gone);
	assert_true(has_xdp("v0"));
	assert_true(has_tc("v0"));
	assert_int_equal(device_flags("v0") & (CV_DEV_ATTACHED | CV_DEV_XDP),
			 CV_DEV_ATTACHED | CV_DEV_XDP);
	/* An XDP program makes a veth poll: so its peer can be sent to. */
	assert_true(device_flags("v1") & CV_DEV_XDP_XMIT);

	assert_int_equal(cv_attach(lab, "v0", CV_MODE_TC, NULL), -EEXIST);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	assert_int_equal(attachments(), 0);
	assert_false(has_xdp("v0"));
	assert_false(has_tc("v0"));
	assert_int_equal(device_flags("v0") & (CV_DEV_ATTACHED | CV_DEV_XDP), 0);
	assert_int_equal(cv_detach(lab, "v0"), -ENOENT);
}

static void tc_alone(void **state)
{
	struct cv_attachment a;

	assert_int_equal(cv_attach(lab, "v0", CV_MODE_TC, &a), 0);
	assert_int_equal(a.mode, CV_MODE_TC);
	assert_false(has_xdp("v0"));
	assert_true(has_tc("v0"));
	assert_int_equal(device_flags("v0") & (CV_DEV_ATTACHED | CV_DEV_XDP), CV_DEV_ATTACHED);
	assert_int_equal(cv_detach(lab, "v0"), 0);
}

static void no_such_device(void **state)
{
	assert_int_equal(cv_attach(lab, "nosuch", CV_MODE_AUTO, NULL), -ENODEV);
	assert_non_null(strstr(cv_why(), "nosuch"));
	assert_int_equal(cv_detach(lab, "nosuch"), -ENODEV);
}

/* lo has no XDP of its own: auto takes tc, xdp is refused and leaves nothing. */
static void a_driver_without_xdp(void **state)
{
	struct cv_attachment a;

	assert_int_not_equal(cv_attach(lab, "lo", CV_MODE_XDP, NULL), 0);
	assert_non_null(strstr(cv_why(), "lo "));
	assert_int_equal(attachments(), 0);
	assert_int_equal(lab->journal->todo, 0);
	assert_false(has_tc("lo"));
	assert_int_equal(cv_attach(lab, "lo", CV_MODE_AUTO, &a), 0);
	assert_int_equal(a.mode, CV_MODE_TC);
	assert_non_null(strstr(a.no_xdp, "lo "));
	assert_int_equal(cv_detach(lab, "lo"), 0);
}

/* A program that lets everything pass. */
static int others_program(enum bpf_prog_type type, int verdict)
{
	const struct bpf_insn pass[] = {
		INSN_MOV(BPF_REG_0, verdict),
		INSN_EXIT(),
	};
	int fd = bpf_prog_load(type, "others", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* As `ip link set dev DEV xdp` does it. */
static void others_xdp(const char *dev)
{
	_cleanup_fd_ int fd = others_program(BPF_PROG_TYPE_XDP, XDP_PASS);

	assert_int_equal(bpf_xdp_attach((int)if_nametoindex(dev), fd, 0, NULL), 0);
}

/* As `tc filter add dev DEV egress bpf` does it. */
static void others_filter(const char *dev)
{
	_cleanup_fd_ int fd = others_program(BPF_PROG_TYPE_SCHED_CLS, -1);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(dev),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 7, .prog_fd = fd);

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static __u32 xdp_id(const char *dev)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(dev), 0, &id), 0);
	return id;
}

static void others_xdp_stays(void **state)
{
	struct cv_attachment a;
	__u32 id;

	others_xdp("v0");
	id = xdp_id("v0");
	assert_int_not_equal(id, 0);
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), -EBUSY);
	assert_non_null(strstr(cv_why(), "XDP"));
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_XDP, NULL), -EBUSY);
	assert_int_equal(attachments(), 0);
	assert_false(has_tc("v0"));
	assert_int_equal(xdp_id("v0"), id);

	assert_int_equal(cv_attach(lab, "v0", CV_MODE_TC, &a), 0);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	assert_int_equal(xdp_id("v0"), id);
}

static void clsact_before_6_6(void **state)
{
	struct cv_attachment a;

	setenv("CULVERT_NO_TCX", "1", 1);
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, &a), 0);
	assert_false(a.tcx);
	assert_int_equal(a.mode, CV_MODE_XDP);
	assert_int_equal(attachments(), 1);
	assert_false(found[0].tcx);
	assert_false(found[0].gone);
	lab_run("tc filter show dev v0 ingress | grep -q tc_uplink");
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), -EEXIST);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	assert_int_equal(attachments(), 0);
	lab_run("! tc qdisc show dev v0 | grep -q clsact");
}

/* A clsact that was there, and filters that others have, stay. */
static void others_filters_stay(void **state)
{
	setenv("CULVERT_NO_TCX", "1", 1);
	lab_run("tc qdisc add dev v0 clsact");
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_TC, NULL), 0);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	lab_run("tc qdisc show dev v0 | grep -q clsact");
	lab_run("! tc filter show dev v0 ingress | grep -q tc_uplink");

	assert_int_equal(cv_attach(lab, "v2", CV_MODE_TC, NULL), 0);
	others_filter("v2");
	assert_int_equal(cv_detach(lab, "v2"), 0);
	lab_run("tc filter show dev v2 egress | grep -q others");
	lab_run("! tc filter show dev v2 ingress | grep -q tc_uplink");
}

static void a_device_that_leaves(void **state)
{
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), 0);
	setenv("CULVERT_NO_TCX", "1", 1);
	assert_int_equal(cv_attach(lab, "v2", CV_MODE_TC, NULL), 0);
	lab_run("ip link del v0; ip link del v2");
	assert_int_equal(attachments(), 2);
	assert_true(found[0].gone);
	assert_true(found[1].gone);
	/* The next attach clears up after them. */
	unsetenv("CULVERT_NO_TCX");
	make_devices(NULL);
	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), 0);
	assert_int_equal(attachments(), 1);
	assert_false(found[0].gone);
	assert_int_equal(cv_detach(lab, "v0"), 0);
}

/* What is guessed of a veth on kernels that do not say is what this one says. */
static void guesses_agree(void **state)
{
	static const char *const names[] = { "v0", "v1", "v2", "v3" };
	_cleanup_(rtnl_close) struct rtnl nl = {};

	lab_run("ip netns add cvguess%d; ip link set v3 netns cvguess%d", getpid(), getpid());
	lab_run("ip -n cvguess%d link set v3 up", getpid());
	lab_run("ethtool -K v1 gro on; ethtool -K v0 gro off");
	assert_int_equal(rtnl_open(&nl, RTNL_HERE), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(devices_refresh_now(lab), 0);
		for (int i = 0; i < 3; i++) {
			struct rtnl_link link;

			assert_int_equal(rtnl_link_by_name(&nl, names[i], &link), 0);
			assert_int_equal(devices_guess(&nl, &link),
					 !!(device_flags(names[i]) & CV_DEV_XDP_XMIT));
		}
		assert_true(device_flags("v0") & CV_DEV_XDP_XMIT);
		assert_false(device_flags("v1") & CV_DEV_XDP_XMIT);
		assert_int_equal(!!(device_flags("v2") & CV_DEV_XDP_XMIT), round);
		lab_run("ip netns exec cvguess%d ethtool -K v3 gro on", getpid());
	}
	lab_run("ip netns del cvguess%d", getpid());
}

static void devices_that_left_are_forgotten(void **state)
{
	uint32_t ifindex = if_nametoindex("v0");
	struct cv_device d;

	assert_int_equal(devices_mark(lab, ifindex, 0, CV_DEV_XDP_XMIT), 0);
	lab_run("ip link del v0");
	assert_int_equal(devices_refresh_now(lab), 0);
	assert_true(bpf_map_lookup_elem(map_fd(lab, MAP_DEVICES), &ifindex, &d) < 0);
}

/* Killed while it attaches or detaches, a command leaves all or nothing. */
static void killed_at_random(void **state)
{
	unsigned int seed = 2, whole = 0;
	useconds_t cycle;
	uint64_t begin = tick_ns();

	assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), 0);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	cycle = (useconds_t)((tick_ns() - begin) / 1000);
	for (int round = 0; round < 40; round++) {
		int n;
		pid_t pid;

		cv_unlock(lab);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct cv *cv;

			if (round % 2)
				setenv("CULVERT_NO_TCX", "1", 1);
			if (cv_open(&cv))
				_exit(1);
			for (;;) {
				cv_attach(cv, "v0", CV_MODE_AUTO, NULL);
				usleep(cycle);
				cv_detach(cv, "v0");
			}
		}
		usleep(1000 + (useconds_t)rand_r(&seed) % (4 * cycle));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_equal(cv_lock(lab, 5), 0);
		assert_int_equal(lab->journal->todo, 0);
		n = attachments();
		assert_in_range(n, 0, 1);
		whole += (unsigned int)n;
		assert_int_equal(has_xdp("v0"), n);
		assert_int_equal(has_tc("v0"), n);
		assert_int_equal(cv_detach(lab, "v0"), n ? 0 : -ENOENT);
		assert_int_equal(cv_attach(lab, "v0", CV_MODE_AUTO, NULL), 0);
		assert_int_equal(cv_detach(lab, "v0"), 0);
	}
	/* Some were through, some were not. */
	assert_in_range(whole, 1, 39);
}

/* ---- killed at each of its steps ----------------------------------------------- */

static int steps_left;

static void die_at_step(void)
{
	if (!--steps_left)
		_exit(9);
}

/* Attaches by clsact in a child that dies at its n-th step; whether it came that far. */
static bool attach_and_die(int n)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct cv *cv;

		setenv("CULVERT_NO_TCX", "1", 1);
		if (cv_open(&cv))
			_exit(1);
		steps_left = n;
		journal_step = die_at_step;
		_exit(cv_attach(cv, "v0", CV_MODE_TC, NULL) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_in_set(WEXITSTATUS(status), ((LargestIntegralType[]){ 0, 9 }), 2);
	return WEXITSTATUS(status) == 9;
}

/* Wherever it dies, the next command takes away what it had made, the qdisc too. */
static void killed_at_each_step(void **state)
{
	int n = 1;

	for (;; n++) {
		bool died;

		cv_unlock(lab);
		died = attach_and_die(n);
		assert_int_equal(cv_lock(lab, 5), 0);
		if (!died)
			break;
		if (attachments())
			assert_int_equal(cv_detach(lab, "v0"), 0);
		lab_run("! tc qdisc show dev v0 | grep -q clsact");
		assert_int_equal(lab->journal->todo, 0);
	}
	assert_in_range(n, 5, 30);
	assert_int_equal(cv_detach(lab, "v0"), 0);
	lab_run("! tc qdisc show dev v0 | grep -q clsact");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_devices, remove_devices)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(xdp_and_tc),	   CASE(tc_alone),
		CASE(no_such_device),	   CASE(a_driver_without_xdp),
		CASE(others_xdp_stays),	   CASE(clsact_before_6_6),
		CASE(others_filters_stay), CASE(a_device_that_leaves),
		CASE(guesses_agree),	   CASE(devices_that_left_are_forgotten),
		CASE(killed_at_random),	   CASE(killed_at_each_step),
	};

	return cmocka_run_group_tests(tests, lab_make, lab_unmake);
}
