// SPDX-License-Identifier: GPL-2.0-or-later
/* Gives up, before a command begins, what it has no use for: docs/security.md has the table. */
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cmd.h"
#include "culvert.h"

#define BIT(cap) (1ULL << (cap))

/* Opening what is pinned, and the network: every command, also to complete what a killed one began. */
#define BASE (BIT(CAP_BPF) | BIT(CAP_NET_ADMIN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH))
/* Into other mount and network namespaces: the host's bpffs, a tenant's devices. */
#define ENTER (BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_CHROOT) | BIT(CAP_SYS_PTRACE))
/* Loading programs that follow pointers, and mounting the bpffs. */
#define LOAD (ENTER | BIT(CAP_PERFMON))
/* One socket that hears of all namespaces (NETLINK_LISTEN_ALL_NSID). */
#define TRACK (LOAD | BIT(CAP_NET_BROADCAST))

/* Is the host's bpffs in this mount namespace? Then nobody has to be entered for it. */
static bool bpffs_here(void)
{
	struct statfs fs;

	return statfs(CV_BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

/* By the first letters of what is asked; in doubt it is no listing. */
static bool only_lists(int argc, char **argv)
{
	if (strcmp(argv[0], "status") == 0 || strcmp(argv[0], "save") == 0)
		return true;
	if (strcmp(argv[0], "sysctl") == 0) {
		for (int i = 1; i < argc; i++) {
			if (strchr(argv[i], '='))
				return false;
		}
		return true;
	}
	if (strcmp(argv[0], "ipvsadm") == 0)
		return argc == 1 || strncmp(argv[1], "-L", 2) == 0 ||
		       strncmp(argv[1], "-l", 2) == 0 || strncmp(argv[1], "-S", 2) == 0 ||
		       strcmp(argv[1], "--list") == 0 || strcmp(argv[1], "--save") == 0;
	return false;
}

static uint64_t wanted(int argc, char **argv)
{
	if (only_lists(argc, argv))
		/* What of ipvlan is saved stands in the tenants' namespaces. */
		return BASE | (bpffs_here() && strcmp(argv[0], "save") != 0 ? 0 : ENTER);
	if (strcmp(argv[0], "detach") == 0)
		return BASE | ENTER;
	return BASE | (strcmp(argv[0], "track") == 0 ? TRACK : LOAD);
}

void privileges_keep(int argc, char **argv)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	uint64_t keep = wanted(argc, argv);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &head, data) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective &= (uint32_t)(keep >> 32 * i);
		data[i].inheritable = 0;
	}
	syscall(SYS_capset, &head, data);
}
