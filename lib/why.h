/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CULVERT_WHY_H
#define CULVERT_WHY_H

/* Both return err, a negative errno: `return cv_fail(-EBUSY, "...")`. */

/* Says why, once, where the cause is known. */
__attribute__((format(printf, 2, 3))) int cv_fail(int err, const char *format, ...);

/* strerror() says it all. */
int cv_plain(int err);

/*
 * What was said of a failure stays said, whatever is tidied up until the end of the block:
 *
 *	_cleanup_(why_put_back) struct why_kept why = why_keep();
 */
struct why_kept {
	char text[512];
};
struct why_kept why_keep(void);
void why_put_back(const struct why_kept *kept);

/*
 * libbpf writes its warnings to standard error unless somebody listens. From
 * here on we do, and why_libbpf() is the first since, or "".
 */
void why_listen(void);
const char *why_libbpf(void);

#endif
