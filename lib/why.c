// SPDX-License-Identifier: GPL-2.0-or-later
/* The one line about the last failure of this thread. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "culvert.h"
#include "why.h"

static _Thread_local char why[512];

const char *cv_why(void)
{
	return why;
}

int cv_fail(int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	return err;
}

int cv_plain(int err)
{
	why[0] = '\0';
	return err;
}

struct why_kept why_keep(void)
{
	struct why_kept kept;

	static_assert(sizeof(kept.text) == sizeof(why), "whole");
	memcpy(kept.text, why, sizeof(why));
	return kept;
}

void why_put_back(const struct why_kept *kept)
{
	memcpy(why, kept->text, sizeof(why));
}

static _Thread_local char said[256];

static int listen(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_WARN && !said[0]) {
		vsnprintf(said, sizeof(said), format, ap);
		said[strcspn(said, "\n")] = '\0';
	}
	return 0;
}

void why_listen(void)
{
	said[0] = '\0';
	libbpf_set_print(listen);
}

const char *why_libbpf(void)
{
	return said;
}
