// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
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

static int write_setting(int family, const char *dev, const char *name, int value)
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

/* ---- IPv6: a device that forwards ------------------------------------------------------------- */

#define ACCEPT_RA_FORWARDING 2		       /* accept_ra: "even if forwarding is enabled" */
#define KERNEL_ROUTE (0x00010000 | 0x00040000) /* RTF_DEFAULT | RTF_ADDRCONF (linux/ipv6_route.h) */
#define MAX_HELD 16

/* A device with an advertised default route, and its accept_ra. */
struct held {
	char dev[IFNAMSIZ];
	int accept_ra;
};

static bool is_held(const struct held *held, unsigned int n, const char *dev)
{
	while (n--) {
		if (!strcmp(held[n].dev, dev))
			return true;
	}
	return false;
}

/*
 * Turning forwarding on, at whatever device, makes the kernel forget the default
 * routes that routers advertised to this namespace (rt6_purge_dflt_routers()), but
 * for those by devices with accept_ra 2. So that is what they have meanwhile: to
 * a device that does not forward itself it says the same as 1.
 */
static int hold_routes(struct held held[MAX_HELD], unsigned int *held_n)
{
	FILE *routes = fopen("/proc/thread-self/net/ipv6_route", "re");
	unsigned int n = 0, plen, flags;
	char line[256];

	*held_n = 0;
	if (!routes)
		return errno == ENOENT ?
			       0 :
			       cv_fail(-errno, "cannot read the IPv6 routes: %s", strerror(errno));
	while (n < MAX_HELD && fgets(line, sizeof(line), routes)) {
		struct held *h = &held[n];

		if (sscanf(line, "%*32s %x %*32s %*x %*32s %*x %*x %*x %x %15s", &plen, &flags,
			   h->dev) != 3 ||
		    plen || !(flags & KERNEL_ROUTE) || is_held(held, n, h->dev) ||
		    sysctl_dev_get(AF_INET6, h->dev, "accept_ra", &h->accept_ra) ||
		    h->accept_ra == ACCEPT_RA_FORWARDING)
			continue;
		if (write_setting(AF_INET6, h->dev, "accept_ra", ACCEPT_RA_FORWARDING) == 0)
			n++;
	}
	fclose(routes);
	*held_n = n;
	return 0;
}

static int set_forwarding6(const char *dev)
{
	struct held held[MAX_HELD];
	unsigned int n;
	int err = hold_routes(held, &n);

	if (!err)
		err = write_setting(AF_INET6, dev, "forwarding", 1);
	while (n--)
		write_setting(AF_INET6, held[n].dev, "accept_ra", held[n].accept_ra);
	return err;
}

int sysctl_dev_set(int family, const char *dev, const char *name, int value)
{
	if (family == AF_INET6 && value && !strcmp(name, "forwarding"))
		return set_forwarding6(dev);
	return write_setting(family, dev, name, value);
}
