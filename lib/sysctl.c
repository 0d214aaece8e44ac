// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "sysctl.h"
#include "why.h"

/* Device names may have dots, so the way goes by the file and not by the sysctl's name. */
static int open_setting(int family, const char *dev, const char *name, int how)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/%s", family == AF_INET ? 4 : 6,
		 dev, name);
	fd = open(path, how | O_CLOEXEC);
	return fd < 0 ? cv_fail(-errno, "%s: %s", path, strerror(errno)) : fd;
}

int sysctl_dev_set(int family, const char *dev, const char *name, int value)
{
	_cleanup_fd_ int fd = open_setting(family, dev, name, O_WRONLY);
	char text[16];
	int n;

	if (fd < 0)
		return fd;
	n = snprintf(text, sizeof(text), "%d", value);
	if (write(fd, text, (size_t)n) != n)
		return cv_fail(-errno, "cannot set net.ipv%d.conf.%s.%s: %s",
			       family == AF_INET ? 4 : 6, dev, name, strerror(errno));
	return 0;
}

int sysctl_dev_get(int family, const char *dev, const char *name, int *out)
{
	_cleanup_fd_ int fd = open_setting(family, dev, name, O_RDONLY);
	char text[16] = "";

	if (fd < 0)
		return fd;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		return cv_plain(-EIO);
	*out = atoi(text);
	return 0;
}
