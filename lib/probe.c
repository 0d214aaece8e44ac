// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/capability.h>

#include "cleanup.h"
#include "insn.h"
#include "probe.h"
#include "why.h"

#define FLOOR_MAJOR 6
#define FLOOR_MINOR 1

/* Runs a program once on an empty Ethernet frame. Its return value, or a negative errno. */
static int run(const struct bpf_insn *insns, size_t n)
{
	_cleanup_fd_ int prog = -1;
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "culvert_probe", "GPL", insns, n, NULL);
	if (prog < 0 || bpf_prog_test_run_opts(prog, &opts) < 0)
		return -errno;
	return (int)opts.retval;
}

#define FIB_LOOKUP_SRC (1 << 4)

/*
 * A look-up from a device that does not exist: a kernel that knows the flag says
 * ENODEV, one that does not says EINVAL before it looks.
 */
bool probe_fib_src(void)
{
	enum { PARAMS = -64, FAMILY = 0, IFINDEX = 8 };
	const struct bpf_insn program[] = {
		INSN_MOV_REG(BPF_REG_6, BPF_REG_1),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 8, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 16, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 24, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 32, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 40, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 48, 0),
		INSN_STORE(BPF_DW, BPF_REG_10, PARAMS + 56, 0),
		INSN_STORE(BPF_B, BPF_REG_10, PARAMS + FAMILY, AF_INET),
		INSN_STORE(BPF_W, BPF_REG_10, PARAMS + IFINDEX, 0x7fffffff),
		/* bpf_fib_lookup(ctx, params, size, flags) */
		INSN_MOV_REG(BPF_REG_1, BPF_REG_6),
		INSN_MOV_REG(BPF_REG_2, BPF_REG_10),
		INSN_ADD(BPF_REG_2, PARAMS),
		INSN_MOV(BPF_REG_3, sizeof(struct bpf_fib_lookup)),
		INSN_MOV(BPF_REG_4, FIB_LOOKUP_SRC),
		INSN_CALL(BPF_FUNC_fib_lookup),
		INSN_EXIT(),
	};

	_Static_assert(sizeof(struct bpf_fib_lookup) == 64, "the stores above");
	_Static_assert(offsetof(struct bpf_fib_lookup, ifindex) == IFINDEX, "the offset above");
	return run(program, sizeof(program) / sizeof(program[0])) == -ENODEV;
}

int probe_privileges(bool load)
{
	static const struct {
		unsigned int cap, instead; /* SYS_ADMIN includes what was split from it */
		const char *name;
		bool load;
	} needed[] = {
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN", false },
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", false },
		{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON", true },
	};
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	uint64_t have;

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	have = (uint64_t)data[1].effective << 32 | data[0].effective;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if ((needed[i].load && !load) ||
		    have & (1ULL << needed[i].cap | 1ULL << needed[i].instead))
			continue;
		return cv_fail(-EPERM, "permission denied: this needs root's privileges (%s)",
			       needed[i].name);
	}
	return 0;
}

static int check_release(void)
{
	unsigned int major, minor;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	if (major > FLOOR_MAJOR || (major == FLOOR_MAJOR && minor >= FLOOR_MINOR))
		return 0;
	return cv_fail(-EOPNOTSUPP, "Linux %s is too old: culvert needs %d.%d or later", u.release,
		       FLOOR_MAJOR, FLOOR_MINOR);
}

/* What the data path uses, and the kernel configuration that has it. */
static const struct {
	enum bpf_prog_type type;
	enum bpf_func_id helper; /* BPF_FUNC_unspec: the type itself */
	const char *name;
} needs[] = {
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_unspec, "tc programs (CONFIG_NET_CLS_ACT)" },
	{ BPF_PROG_TYPE_XDP, BPF_FUNC_unspec, "XDP programs" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_timer_init, "bpf_timer" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, "bpf_loop" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect_neigh, "bpf_redirect_neigh (CONFIG_INET)" },
	{ BPF_PROG_TYPE_XDP, BPF_FUNC_fib_lookup, "bpf_fib_lookup (CONFIG_INET)" },
};

static bool has(enum bpf_prog_type type, enum bpf_func_id helper)
{
	return (helper == BPF_FUNC_unspec ? libbpf_probe_bpf_prog_type(type, NULL) :
					    libbpf_probe_bpf_helper(type, helper, NULL)) != 0;
}

int probe_explain(int err)
{
	int known = probe_privileges(true);

	if (known)
		return known;
	known = check_release();
	if (known)
		return known;
	if (syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0) < 0 && errno == ENOSYS)
		return cv_fail(-EOPNOTSUPP, "this kernel has no bpf() (CONFIG_BPF_SYSCALL)");
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if (!has(needs[i].type, needs[i].helper))
			return cv_fail(-EOPNOTSUPP, "this kernel has no %s", needs[i].name);
	}
	return err;
}
