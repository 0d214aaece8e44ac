// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hostns.h"

/* Deeper than any chain of shells that somebody types commands in. */
#define MAX_ANCESTORS 128

static int open_mntns(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The parent of a process, 0 if it has none in our PID namespace. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	pid_t parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	}
	fclose(f);
	return parent;
}

static int outermost_ancestor(int *out)
{
	_cleanup_fd_ int found = -1;
	pid_t pid = getpid();

	for (int i = 0; i < MAX_ANCESTORS; i++) {
		int fd;

		pid = parent_of(pid);
		if (pid <= 1)
			break;
		fd = open_mntns(pid);
		if (fd < 0)
			continue;
		cleanup_fd(&found);
		found = fd;
	}
	if (found < 0)
		return -ENOENT;
	*out = take_fd(found);
	return 0;
}

int hostns_open(int *out)
{
	_cleanup_fd_ int fd = open_mntns(1);
	struct stat ours, theirs;

	if (fd < 0 && outermost_ancestor(&fd) < 0)
		return -ENOENT;
	if (stat("/proc/self/ns/mnt", &ours) < 0 || fstat(fd, &theirs) < 0)
		return -errno;
	if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
		return -ENOENT;
	*out = take_fd(fd);
	return 0;
}
