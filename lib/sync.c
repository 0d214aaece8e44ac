// SPDX-License-Identifier: GPL-2.0-or-later
/* The connection synchronisation daemons of IPVS (ip_vs_sync.c): none can be started. */
#include <errno.h>
#include <net/if.h>

#include "culvert.h"
#include "why.h"

static int other_family(const struct cv_dest_info *d, void *arg)
{
	const struct cv_service_info *s = arg;

	return d->spec.family != s->spec.key.family;
}

static int has_other_family(const struct cv_service_info *s, void *arg)
{
	return cv_each_dest(arg, s->id, other_family, (void *)s);
}

/* The kernel's order: sync messages cannot say mixed families, then the device. */
int cv_sync_start(struct cv *cv, const struct cv_sync_spec *spec)
{
	int mixed = cv_each_service(cv, has_other_family, cv);

	if (mixed)
		return mixed < 0 ? mixed : cv_plain(-EINVAL);
	if (!if_nametoindex(spec->ifname))
		return cv_fail(-ENODEV, "no device %s for the sync daemon", spec->ifname);
	return cv_fail(-EOPNOTSUPP, "the connection sync daemon is not supported");
}

int cv_sync_stop(struct cv *cv, enum cv_sync_role role)
{
	return cv_plain(-ESRCH);
}

int cv_each_sync(struct cv *cv, int (*each)(const struct cv_sync_spec *s, void *arg), void *arg)
{
	return 0;
}
