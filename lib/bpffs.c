// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "bpffs.h"
#include "cleanup.h"
#include "culvert.h"
#include "hostns.h"
#include "why.h"

/* In the calling process's mount namespace. -ENOENT: there is no bpffs. */
static int open_here(int *out)
{
	_cleanup_fd_ int fd = open(CV_BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != BPF_FS_MAGIC)
		return -ENOENT;
	*out = take_fd(fd);
	return 0;
}

/*
 * Two commands may come here at once, and a second mount would hide the first:
 * whoever has the lock on the directory below the mount looks again.
 */
static int mount_here(int *out)
{
	_cleanup_fd_ int below = -1;

	if (mkdir(CV_BPFFS, 0700) < 0 && errno != EEXIST)
		return -errno;
	below = open(CV_BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (below < 0 || flock(below, LOCK_EX) < 0)
		return -errno;
	if (open_here(out) == 0)
		return 0;
	if (mount("culvert", CV_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	return open_here(out);
}

static int open_or_mount(bool create, int *out)
{
	int err = open_here(out);

	return err == -ENOENT && create ? mount_here(out) : err;
}

/*
 * What the child in the host's mount namespace says: the errno, and a file
 * descriptor if it is 0.
 */
struct answer {
	struct msghdr msg;
	struct iovec iov;
	int err;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
};

static void answer_init(struct answer *a)
{
	memset(a, 0, sizeof(*a));
	a->iov = (struct iovec){ &a->err, sizeof(a->err) };
	a->msg.msg_iov = &a->iov;
	a->msg.msg_iovlen = 1;
}

static int answer_send(int sock, int err, int fd)
{
	struct answer a;

	answer_init(&a);
	a.err = err;
	if (err == 0) {
		a.control.head.cmsg_level = SOL_SOCKET;
		a.control.head.cmsg_type = SCM_RIGHTS;
		a.control.head.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&a.control.head), &fd, sizeof(fd));
		a.msg.msg_control = &a.control;
		a.msg.msg_controllen = sizeof(a.control);
	}
	return sendmsg(sock, &a.msg, 0) < 0 ? -errno : 0;
}

static int answer_receive(int sock, int *fd)
{
	struct cmsghdr *c;
	struct answer a;

	answer_init(&a);
	a.msg.msg_control = &a.control;
	a.msg.msg_controllen = sizeof(a.control);
	if (recvmsg(sock, &a.msg, MSG_CMSG_CLOEXEC) != sizeof(a.err))
		return -EIO;
	if (a.err)
		return a.err;
	c = CMSG_FIRSTHDR(&a.msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EIO;
	memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return 0;
}

/*
 * A process changes its mount namespace for good, so a child does it and passes
 * the directory back.
 */
static int open_in(int mntns, bool create, int *out)
{
	_cleanup_fd_ int ours = -1, theirs = -1;
	int pair[2], err, fd = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		err = setns(mntns, CLONE_NEWNS) < 0 ? -errno : open_or_mount(create, &fd);
		_exit(answer_send(theirs, err, fd) < 0);
	}
	cleanup_fd(&theirs);
	err = answer_receive(ours, out);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err;
}

int bpffs_open(bool create, int *out)
{
	_cleanup_fd_ int host = -1;
	int err = open_here(out);

	if (err != -ENOENT)
		return err ? cv_fail(err, CV_BPFFS ": %s", strerror(-err)) : 0;
	err = hostns_open(&host);
	if (err == 0)
		err = open_in(host, create, out);
	else if (err == -ENOENT)
		err = create ? mount_here(out) : -ENOENT;
	if (err && err != -ENOENT)
		return cv_fail(err, "cannot mount a bpffs at " CV_BPFFS ": %s", strerror(-err));
	return err ? cv_plain(err) : 0;
}

/*
 * The way to a name in a directory for system calls that know no directory fds: ""
 * if it does not fit.
 */
static const char *path_of(char *room, size_t size, int dir, const char *name)
{
	int n = snprintf(room, size, "/proc/self/fd/%d/%s", dir, name);

	return n < 0 || (size_t)n >= size ? "" : room;
}

int bpffs_subdir(int dir, const char *name, bool create, int *out)
{
	bool made = create && mkdirat(dir, name, 0700) == 0;
	int fd, err;

	if (create && !made && errno != EEXIST)
		return cv_fail(-errno, "cannot make %s in " CV_BPFFS ": %s", name, strerror(errno));
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		if (made)
			unlinkat(dir, name, AT_REMOVEDIR);
		return cv_plain(err);
	}
	*out = fd;
	return 0;
}

bool bpffs_absent(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) < 0 && errno == ENOENT;
}

int bpffs_pin(int dir, const char *name, int fd)
{
	char path[320];

	if (bpf_obj_pin(fd, path_of(path, sizeof(path), dir, name)) < 0)
		return cv_fail(-errno, "cannot pin %s: %s", name, strerror(errno));
	return 0;
}

int bpffs_get(int dir, const char *name)
{
	char path[320];
	int fd = bpf_obj_get(path_of(path, sizeof(path), dir, name));

	if (fd < 0)
		return cv_fail(-errno, "cannot open the pinned %s: %s", name, strerror(errno));
	return fd;
}

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

int bpffs_remove(int dir, const char *name)
{
	_cleanup_(cleanup_dir) DIR *d = NULL;
	struct dirent *e;
	int fd, err;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		err = -errno;
		close(fd);
		return err;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		err = bpffs_remove(dirfd(d), e->d_name);
		if (err)
			return err;
	}
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int bpffs_discard(int dir, const char *name, const char *scrap)
{
	int err = bpffs_remove(dir, scrap);

	if (!err && renameat(dir, name, dir, scrap) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : bpffs_remove(dir, scrap);
}
