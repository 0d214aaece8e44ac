// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "cleanup.h"
#include "netns.h"
#include "why.h"

#define SELF "/proc/thread-self/ns/net"

static int open_nsfs(const char *path, int *out)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != NSFS_MAGIC)
		return -EINVAL;
	*out = take_fd(fd);
	return 0;
}

static bool all_digits(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
	}
	return true;
}

int netns_open(const char *name, int *out)
{
	char path[sizeof(NETNS_DIR) + NETNS_NAME];
	int err;

	if (!*name || strlen(name) >= NETNS_NAME || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return cv_fail(-EINVAL, "invalid network namespace \"%s\"", name);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	err = open_nsfs(path, out);
	if (err == -ENOENT && all_digits(name)) {
		snprintf(path, sizeof(path), "/proc/%s/ns/net", name);
		err = open_nsfs(path, out);
	}
	if (err)
		return cv_fail(err, "there is no network namespace \"%s\"", name);
	return 0;
}

int netns_open_self(int *out)
{
	int err = open_nsfs(SELF, out);

	return err ? cv_fail(err, SELF ": %s", strerror(-err)) : 0;
}

uint64_t netns_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

int netns_name(uint64_t ino, char out[NETNS_NAME])
{
	_cleanup_(cleanup_dir) DIR *d = opendir(NETNS_DIR);
	struct dirent *e;
	struct stat st;

	if (!d && errno != ENOENT)
		return -errno;
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) < 0 ||
		    st.st_ino != ino)
			continue;
		snprintf(out, NETNS_NAME, "%s", e->d_name);
		return 0;
	}
	return -ENOENT;
}

/* Namespaces met on a walk; a machine has few. */
struct seen {
	uint64_t *inos;
	size_t n;
};

static bool seen_before(struct seen *s, uint64_t ino)
{
	uint64_t *more;

	for (size_t i = 0; i < s->n; i++) {
		if (s->inos[i] == ino)
			return true;
	}
	more = reallocarray(s->inos, s->n + 1, sizeof(*more));
	if (more) {
		s->inos = more;
		s->inos[s->n++] = ino;
	}
	return false;
}

static int visit_path(const char *path, struct seen *s, int (*each)(int, uint64_t, void *),
		      void *arg)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int err;

	if (stat(path, &st) < 0 || seen_before(s, st.st_ino))
		return 0;
	err = open_nsfs(path, &fd);
	/* A process may have ended, or not be ours to look into; what we lack must not look like that. */
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return err;
	return err ? 0 : each(fd, st.st_ino, arg);
}

static int visit_dir(const char *dir, const char *tail, struct seen *s,
		     int (*each)(int, uint64_t, void *), void *arg)
{
	_cleanup_(cleanup_dir) DIR *d = opendir(dir);
	char path[sizeof(NETNS_DIR) + NETNS_NAME + 16];
	struct dirent *e;
	int stop = d || errno == ENOENT ? 0 : -errno;

	while (d && !stop && (e = readdir(d))) {
		if (e->d_name[0] == '.' || (*tail && !isdigit((unsigned char)e->d_name[0])))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, e->d_name, tail);
		stop = visit_path(path, s, each, arg);
	}
	return stop;
}

int netns_each(int (*each)(int fd, uint64_t ino, void *arg), void *arg)
{
	struct seen s = { NULL, 0 };
	int stop;

	stop = visit_dir(NETNS_DIR, "", &s, each, arg);
	if (!stop)
		stop = visit_dir("/proc", "/ns/net", &s, each, arg);
	free(s.inos);
	return stop;
}

int netns_enter(struct netns_visit *visit, int fd)
{
	_cleanup_fd_ int home = -1;
	int err;

	visit->home = -1;
	if (fd < 0)
		return 0;
	err = netns_open_self(&home);
	if (err)
		return err;
	if (setns(fd, CLONE_NEWNET) < 0)
		return cv_fail(-errno, "cannot enter the network namespace: %s", strerror(errno));
	visit->home = take_fd(home);
	return 0;
}

void netns_leave(struct netns_visit *visit)
{
	if (visit->home < 0)
		return;
	/* In a namespace that is not ours nothing may go on. */
	if (setns(visit->home, CLONE_NEWNET) < 0)
		abort();
	cleanup_fd(&visit->home);
}
