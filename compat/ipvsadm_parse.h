/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of ipvsadm 1.31, as a request to carry out. The order of
 * the options, the words of the complaints and the exit statuses are its.
 * Nothing here prints, exits or touches an instance, so that a line of a file
 * to restore, a fuzzer and a test go the same way as argv.
 */
#ifndef CULVERT_IPVSADM_PARSE_H
#define CULVERT_IPVSADM_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "culvert.h"

enum ipvsadm_command {
	IPVSADM_ADD,
	IPVSADM_EDIT,
	IPVSADM_DELETE,
	IPVSADM_FLUSH,
	IPVSADM_LIST,
	IPVSADM_ADD_DEST,
	IPVSADM_DELETE_DEST,
	IPVSADM_EDIT_DEST,
	IPVSADM_TIMEOUTS,
	IPVSADM_START_DAEMON,
	IPVSADM_STOP_DAEMON,
	IPVSADM_RESTORE,
	IPVSADM_SAVE,
	IPVSADM_ZERO,
	IPVSADM_HELP,
	IPVSADM_VERSION,
	IPVSADM_COMMANDS
};

/* In the order in which ipvsadm checks them: the first that does not fit is complained about. */
enum ipvsadm_option {
	OPTION_NUMERIC,
	OPTION_CONNECTION,
	OPTION_SERVICE,
	OPTION_SCHEDULER,
	OPTION_PERSISTENT,
	OPTION_NETMASK,
	OPTION_SERVER,
	OPTION_FORWARD,
	OPTION_WEIGHT,
	OPTION_U_THRESHOLD,
	OPTION_L_THRESHOLD,
	OPTION_MCAST_INTERFACE,
	OPTION_TIMEOUT,
	OPTION_DAEMON,
	OPTION_STATS,
	OPTION_RATE,
	OPTION_THRESHOLDS,
	OPTION_PERSISTENT_CONN,
	OPTION_NOSORT,
	OPTION_SYNCID,
	OPTION_EXACT,
	OPTION_ONEPACKET,
	OPTION_ENGINE,
	OPTION_SCHED_FLAGS,
	OPTION_MCAST_GROUP,
	OPTION_MCAST_PORT,
	OPTION_MCAST_TTL,
	OPTION_SYNC_MAXLEN,
	OPTION_TUN_INFO,
	OPTION_TUN_TYPE,
	OPTION_TUN_PORT,
	OPTION_TUN_NOCSUM,
	OPTION_TUN_CSUM,
	OPTION_TUN_REMCSUM,
	OPTION_JSON, /* ours */
	OPTION_COUNT
};

#define OPTION_BIT(option) (1ULL << (option))

struct ipvsadm_request {
	enum ipvsadm_command command;
	uint64_t options;		/* OPTION_BIT() of each one given */
	struct cv_service_spec service; /* all but sched and pe, which have names: */
	char scheduler[16];
	char engine[17]; /* "": none */
	struct cv_dest_spec dest;
	struct {
		uint32_t tcp, tcp_fin, udp; /* seconds; 0 keeps */
	} timeouts;
	struct cv_sync_spec sync;
};

struct ipvsadm_complaint {
	char text[512];
	int status;    /* the program's exit status: 2 or 255 */
	bool carry_on; /* ... but a restore goes on with its next line */
};

static inline bool ipvsadm_has(const struct ipvsadm_request *r, enum ipvsadm_option option)
{
	return r->options & OPTION_BIT(option);
}

/*
 * Fills *r from the arguments. Returns 0, or -EINVAL and says why in *c.
 * `names`: whether hosts and ports may be names, which asks the resolver.
 */
int ipvsadm_parse(struct ipvsadm_request *r, int argc, char *const *argv, bool names,
		  struct ipvsadm_complaint *c);

#endif
