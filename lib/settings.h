/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_SETTINGS_H
#define CULVERT_SETTINGS_H

#include <culvert/lb.h>

/* What the kernel begins with. */
void settings_init(struct cv_settings *s);

#endif
