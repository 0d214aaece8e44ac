/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the command line's parser. */
#ifndef CULVERT_IPVSADM_INTERNAL_H
#define CULVERT_IPVSADM_INTERNAL_H

#include "ipvsadm_parse.h"

/* Longest persistence or protocol timeout: 31 days. */
#define MAX_TIMEOUT (31 * 86400)

struct parser {
	struct ipvsadm_request *request;
	struct ipvsadm_complaint *complaint;
	const char *program;
	bool names;
	uint8_t port_proto;    /* whose names ports have: the service's protocol */
	char sched_flags[128]; /* -b, kept until the scheduler is known */
};

/* Writes the complaint and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int refuse(struct parser *p, int status, const char *format,
						 ...);

/* One option, and what it does to the request. */
struct option_rule {
	const char *name;
	char letter; /* 0: none */
	enum { NO_VALUE, VALUE, VALUE_OR_NONE } takes;
	enum ipvsadm_option option; /* may be given once; OPTION_COUNT: any number of times */
	int (*take)(struct parser *p, const char *value);
};

/* One command, and the options that go with it: all that are in none of the sets are illegal. */
struct command_rule {
	const char *name;
	char letter; /* 0: none */
	bool takes_value;
	enum ipvsadm_command command;
	const char *called; /* in complaints; NULL: checks nothing */
	uint64_t must, may, one_of;
};

extern const struct option_rule option_rules[];
extern const unsigned int option_rule_count;
extern const struct command_rule command_rules[];
extern const unsigned int command_rule_count;

/* What a complaint calls an option. */
const char *option_name(enum ipvsadm_option option);

/* ipvsadm_check.c */
int check_request(struct parser *p, const struct command_rule *rule);

/* ipvsadm_values.c */
int take_sync_role(struct parser *p, const char *value);
int take_sched_flags(struct parser *p);
/* The whole of s as a decimal number within [min, max], else -1. */
int number_between(const char *s, int min, int max);
int take_timeout(struct parser *p, const char *value, int min, uint32_t *out);

/* ipvsadm_address.c: HOST[:PORT] of a service or real server. */
enum { ADDRESS_NONE = 0, ADDRESS_HOST = 1, ADDRESS_PORT = 2 };

struct endpoint {
	uint8_t family;
	union cv_addr addr;
	__be16 port; /* left alone without ADDRESS_PORT */
};

int parse_endpoint(struct endpoint *e, const char *text, uint8_t proto, bool names);
int parse_ipv4_mask(const char *text, bool names, uint32_t *mask);

#endif
