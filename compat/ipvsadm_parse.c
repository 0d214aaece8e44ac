// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From words to a request. libpopt reads the words, as it does for ipvsadm, so
 * bundled letters, --option=value, -pVALUE and the like are the same by nature.
 * The first word has to be a command; everything after it is one of its options.
 */
#include <errno.h>
#include <popt.h>
#include <stdlib.h>
#include <string.h>

#include "ipvsadm_internal.h"

enum { MAX_RULES = 80 };

/*
 * What libpopt works from: made once from the two tables. The value of an
 * entry is its rule's number plus one, commands first. libpopt leaves an
 * option's argument in `argument`.
 */
static struct poptOption popt_table[MAX_RULES];
static char *argument;

static void add_to_popt_table(unsigned int at, const char *name, char letter, unsigned int takes)
{
	popt_table[at] = (struct poptOption){
		.longName = name,
		.shortName = letter,
		.argInfo = takes == NO_VALUE ? POPT_ARG_NONE : POPT_ARG_STRING,
		.arg = takes == NO_VALUE ? NULL : &argument,
		.val = (int)at + 1,
	};
	if (takes == VALUE_OR_NONE)
		popt_table[at].argInfo |= POPT_ARGFLAG_OPTIONAL;
}

static void make_popt_table(void)
{
	unsigned int n = 0;

	if (popt_table[0].val)
		return;
	for (unsigned int i = 0; i < command_rule_count; i++, n++)
		add_to_popt_table(n, command_rules[i].name, command_rules[i].letter,
				  command_rules[i].takes_value ? VALUE : NO_VALUE);
	for (unsigned int i = 0; i < option_rule_count; i++, n++)
		add_to_popt_table(n, option_rules[i].name, option_rules[i].letter,
				  option_rules[i].takes);
}

static void free_popt(poptContext *context)
{
	*context = poptFreeContext(*context);
}

static void free_argument(char **p)
{
	free(*p);
	*p = NULL;
}

#define _cleanup_popt_ __attribute__((cleanup(free_popt)))
#define _cleanup_argument_ __attribute__((cleanup(free_argument)))

/* The next option's number, with its argument in *value, which the caller frees. */
static int next_option(poptContext context, char **value)
{
	int c;

	argument = NULL;
	c = poptGetNextOpt(context);
	*value = argument;
	return c;
}

static int try_help(struct parser *p)
{
	return refuse(p, 255, "Try `%s -h' or '%s --help' for more information.", p->program,
		      p->program);
}

static int parse_command(struct parser *p, poptContext context, const struct command_rule **rule)
{
	_cleanup_argument_ char *value = NULL;
	int c = next_option(context, &value);

	if (c < 1 || c > (int)command_rule_count)
		return try_help(p);
	*rule = &command_rules[c - 1];
	p->request->command = (*rule)->command;
	return (*rule)->takes_value ? take_sync_role(p, value) : 0;
}

static int parse_option(struct parser *p, const struct option_rule *rule, const char *value)
{
	if (rule->option != OPTION_COUNT) {
		uint64_t bit = OPTION_BIT(rule->option);

		if (p->request->options & bit)
			return refuse(p, 2, "multiple '%s' options specified",
				      option_name(rule->option));
		p->request->options |= bit;
	}
	return rule->take ? rule->take(p, value) : 0;
}

static int parse_options(struct parser *p, poptContext context)
{
	for (;;) {
		_cleanup_argument_ char *value = NULL;
		int c = next_option(context, &value);
		int err;

		if (c == -1)
			return 0;
		if (c < -1) {
			p->complaint->carry_on = true;
			return refuse(p, 255, "%s: %s",
				      poptBadOption(context, POPT_BADOPTION_NOALIAS),
				      poptStrerror(c));
		}
		if (c <= (int)command_rule_count)
			return refuse(p, 2, "invalid option `%s'",
				      poptBadOption(context, POPT_BADOPTION_NOALIAS));
		err = parse_option(p, &option_rules[c - 1 - (int)command_rule_count], value);
		if (err)
			return err;
	}
}

/* The words that belong to no option: the three of --set, and none else. */
static int parse_words(struct parser *p, poptContext context)
{
	struct ipvsadm_request *r = p->request;
	const char *word;

	if (r->command == IPVSADM_TIMEOUTS) {
		uint32_t *seconds[] = { &r->timeouts.tcp, &r->timeouts.tcp_fin, &r->timeouts.udp };
		const char *words[3];

		for (int i = 0; i < 3; i++) {
			words[i] = poptGetArg(context);
			if (!words[i])
				return refuse(p, 2, "--set option requires 3 timeout values");
		}
		for (int i = 0; i < 3; i++) {
			int err = take_timeout(p, words[i], 0, seconds[i]);

			if (err)
				return err;
		}
	}
	word = poptGetArg(context);
	return word ? refuse(p, 2, "unexpected argument %s", word) : 0;
}

int ipvsadm_parse(struct ipvsadm_request *r, int argc, char *const *argv, bool names,
		  struct ipvsadm_complaint *c)
{
	struct parser p = { .request = r, .complaint = c, .program = argv[0], .names = names };
	const struct command_rule *rule = NULL;
	_cleanup_popt_ poptContext context = NULL;
	int err;

	memset(r, 0, sizeof(*r));
	memset(c, 0, sizeof(*c));
	r->service.netmask = 0xffffffff;
	r->dest.weight = 1;
	r->dest.method = CV_DROUTE;

	make_popt_table();
	context = poptGetContext("ipvsadm", argc, (const char **)argv, popt_table, 0);
	if (!context)
		return refuse(&p, 255, "%s", strerror(ENOMEM));
	err = parse_command(&p, context, &rule);
	if (err || !rule->called)
		return err;
	err = parse_options(&p, context);
	if (err)
		return err;
	err = parse_words(&p, context);
	if (err)
		return err;
	if (!r->scheduler[0])
		strcpy(r->scheduler, "wlc");
	if (!r->sync.ifname[0])
		strcpy(r->sync.ifname, "eth0");
	err = take_sched_flags(&p);
	return err ? err : check_request(&p, rule);
}
