// SPDX-License-Identifier: GPL-2.0-or-later
/* Which culvert this is. A file of its own, so that a test can make another one. */
#include "culvert.h"

const char *cv_own_version(void)
{
	return CULVERT_VERSION;
}
