/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place that knows all schedulers. */
#ifndef CULVERT_BPF_LB_SCHEDULE_H
#define CULVERT_BPF_LB_SCHEDULE_H

#include "sched_dh.h"
#include "sched_lblc.h"
#include "sched_lblcr.h"
#include "sched_least.h"
#include "sched_mh.h"
#include "sched_rr.h"
#include "sched_sh.h"
#include "sched_wrr.h"

/* The destination for a new connection; CV_NONE: there is none; SCHED_BUSY: not now. */
GLOBAL __u32 schedule(__u32 service, const struct flow *f)
{
	struct cv_service *svc = service_at(service);

	if (!svc || !f)
		return CV_NONE;
	switch (svc->sched) {
	case CV_SCHED_RR:
		return sched_rr(svc, service);
	case CV_SCHED_WRR:
		return sched_wrr(svc, service);
	case CV_SCHED_LBLC:
		return sched_lblc(svc, service, f);
	case CV_SCHED_LBLCR:
		return sched_lblcr(svc, service, f);
	case CV_SCHED_DH:
		return sched_dh(service, f);
	case CV_SCHED_SH:
		return sched_sh(svc, service, f);
	case CV_SCHED_MH:
		return sched_mh(svc, service, f);
	case CV_SCHED_LC:
	case CV_SCHED_WLC:
	case CV_SCHED_SED:
	case CV_SCHED_NQ:
	case CV_SCHED_FO:
	case CV_SCHED_OVF:
		return sched_least(svc, service, svc->sched);
	}
	return CV_NONE;
}

#endif
