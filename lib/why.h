/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_WHY_H
#define CULVERT_WHY_H

/* Both return err, a negative errno: `return cv_fail(-EBUSY, "...")`. */

/* Says why, once, where the cause is known. */
__attribute__((format(printf, 2, 3))) int cv_fail(int err, const char *format, ...);

/* strerror() says it all. */
int cv_plain(int err);

#endif
