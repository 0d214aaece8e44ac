// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the slaves are: the namespaces of this machine, by the ids that ours knows them by. */
#include <errno.h>
#include <fcntl.h>

#include "cleanup.h"
#include "ipvlan_internal.h"
#include "why.h"

static int note(int fd, uint64_t ino, void *arg)
{
	struct cv_ipv *v = arg;
	struct ipv_netns *more;
	int nsid = rtnl_nsid(&v->rtnl, fd);
	int copy;

	if (nsid == -ENOENT || nsid == -EINVAL)
		return 0;
	if (nsid < 0)
		return nsid;
	more = reallocarray(v->netns, v->n_netns + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->netns = more;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	v->netns[v->n_netns++] = (struct ipv_netns){ .nsid = nsid, .fd = copy, .ino = ino };
	return 0;
}

int ipv_netns_find(struct cv_ipv *v, int nsid, const struct ipv_netns **out)
{
	int err;

	for (int tries = 0; tries < 2; tries++) {
		for (unsigned int i = 0; i < v->n_netns; i++) {
			if (v->netns[i].nsid != nsid)
				continue;
			*out = &v->netns[i];
			return 0;
		}
		if (v->netns_read)
			break;
		err = netns_each(note, v);
		if (err)
			return cv_plain(err);
		v->netns_read = true;
	}
	return cv_fail(-ESRCH, "its network namespace has neither a name nor a process");
}

void ipv_netns_close(struct cv_ipv *v)
{
	for (unsigned int i = 0; i < v->n_netns; i++)
		close(v->netns[i].fd);
	free(v->netns);
	v->netns = NULL;
	v->n_netns = 0;
	v->netns_read = false;
}
