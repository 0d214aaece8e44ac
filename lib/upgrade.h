/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_UPGRADE_H
#define CULVERT_UPGRADE_H

#include <culvert/build.h>

#include "culvert.h"

/* Under the lock: finishes an upgrade that was decided (P1). */
int upgrade_finish(struct cv *cv);

/* ipvlan's part of cv_upgrade(), in ipvlan_upgrade.c. */
int ipv_upgrade(struct cv_upgrade *out);
void ipv_build(struct cv_build *out);

#endif
