/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.ipv4.conf.DEV.* and net.ipv6.conf.DEV.* of the calling thread's network namespace. */
#ifndef CULVERT_SYSCTL_H
#define CULVERT_SYSCTL_H

/*
 * `family` is AF_INET or AF_INET6. -ENOENT: this kernel has no such setting. A device may be set
 * to forward without the namespace losing what routers advertised to it.
 */
int sysctl_dev_set(int family, const char *dev, const char *name, int value);
int sysctl_dev_get(int family, const char *dev, const char *name, int *out);

#endif
