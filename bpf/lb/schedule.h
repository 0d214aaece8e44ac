/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place that knows all schedulers. */
#ifndef CULVERT_BPF_LB_SCHEDULE_H
#define CULVERT_BPF_LB_SCHEDULE_H

#include "sched_least.h"
#include "sched_rr.h"
#include "sched_wrr.h"

/* The destination for a new connection, or CV_NONE. */
GLOBAL __u32 schedule(__u32 service, const struct flow *f)
{
	struct cv_service *svc = service_at(service);

	if (!svc || !f)
		return CV_NONE;
	switch (svc->sched) {
	case CV_SCHED_RR:
		return sched_rr(svc);
	case CV_SCHED_WRR:
		return sched_wrr(svc);
	case CV_SCHED_LC:
	case CV_SCHED_WLC:
		return sched_least(svc, svc->sched);
	}
	return CV_NONE;
}

#endif
