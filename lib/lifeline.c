// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpffs.h"
#include "cleanup.h"
#include "insn.h"
#include "lifeline.h"
#include "why.h"

#define NAME "lifeline"

static int load_as_usual(void)
{
	const struct bpf_insn program[] = {
		INSN_MOV(BPF_REG_0, SK_PASS),
		INSN_EXIT(),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_SK_LOOKUP);

	return bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, "culvert_life", "GPL", program,
			     sizeof(program) / sizeof(program[0]), &opts);
}

int lifeline_tie(int dir)
{
	_cleanup_fd_ int prog = -1, netns = -1, link = -1;
	int err;

	if (!lifeline_missing(dir))
		return 0;
	prog = load_as_usual();
	if (prog < 0)
		return cv_fail(-errno, "cannot load a BPF program: %s", strerror(errno));
	netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return cv_fail(-errno, "/proc/thread-self/ns/net: %s", strerror(errno));
	link = bpf_link_create(prog, netns, BPF_SK_LOOKUP, NULL);
	if (link < 0)
		return cv_fail(-errno, "cannot tie a BPF link to the network namespace: %s",
			       strerror(errno));
	err = bpffs_pin(dir, NAME, link);
	return err == -EEXIST ? 0 : err;
}

bool lifeline_cut(int dir)
{
	_cleanup_fd_ int link = bpffs_get(dir, NAME);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return link >= 0 && bpf_obj_get_info_by_fd(link, &info, &size) == 0 &&
	       info.type == BPF_LINK_TYPE_NETNS && info.netns.netns_ino == 0;
}

bool lifeline_missing(int dir)
{
	return bpffs_absent(dir, NAME);
}
