/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files that list services: what is to be shown, and how. */
#ifndef CULVERT_IPVSADM_VIEW_H
#define CULVERT_IPVSADM_VIEW_H

#include "ipvsadm_names.h"
#include "ipvsadm_parse.h"
#include "jsonw.h"
#include "out.h"

/* Where several are asked for, the first in this order is shown. */
enum view {
	VIEW_RULES,
	VIEW_STATS,
	VIEW_RATE,
	VIEW_THRESHOLDS,
	VIEW_PERSISTENT,
	VIEW_TUNNELS,
	VIEW_PLAIN
};

struct listing {
	struct out *out;
	struct names *names; /* NULL: numbers */
	enum view view;
	bool exact; /* large numbers in full */
	bool whole; /* rules: with what ipvsadm -S leaves out, too */
};

/* ipvsadm_table.c */
void table_title(const struct listing *x);
void table_service(const struct listing *x, const struct cv_service_info *s);
void table_dest(const struct listing *x, const struct cv_service_info *s,
		const struct cv_dest_info *d);

/* ipvsadm_conns.c; in VIEW_PERSISTENT with what the persistence engine goes by */
void table_connection(const struct listing *x, const struct cv_conn_info *c);

/* ipvsadm_rules.c: commands that make the same service and destination. */
void rule_service(const struct listing *x, const struct cv_service_info *s);
void rule_dest(const struct listing *x, const struct cv_service_info *s,
	       const struct cv_dest_info *d);

/* ipvsadm_json.c */
void json_service(struct jsonw *j, const struct cv_service_info *s); /* leaves its list open */
void json_dest(struct jsonw *j, const struct cv_dest_info *d);
void json_connection(struct jsonw *j, const struct cv_conn_info *c);
void json_sync(struct jsonw *j, const struct cv_sync_spec *s);

/* The words of -b for a service's flags, at most three; returns how many. */
unsigned int sched_flag_names(const struct cv_service_spec *s, const char *names[3]);
/* ... with commas between them. */
void text_sched_flags(struct out *out, const struct cv_service_spec *s);

#endif
