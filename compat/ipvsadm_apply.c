// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipvsadm_apply.h"

/* CAP_NET_ADMIN, which the kernel's IPVS asks for even to list. */
static bool is_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

int session_open(struct session *s)
{
	int err;

	if (s->cv)
		return 0;
	if (!is_admin())
		return -EPERM;
	err = cv_open(&s->cv);
	return err == -ENOENT ? 0 : err;
}

static int session_create(struct session *s)
{
	struct cv_sizes defaults = { 0 };

	return s->cv ? 0 : cv_open_or_create(&s->cv, &defaults);
}

void session_yield(struct session *s)
{
	if (s->locked)
		cv_unlock(s->cv);
	s->locked = false;
}

void session_end(struct session *s)
{
	session_yield(s);
	cv_close(&s->cv);
}

/* Opens and locks the instance; s->cv stays NULL if there is none and none is to be made. */
static int session_lock(struct session *s, bool create)
{
	int err = s->locked ? 0 : -ENOENT;

	while (err == -ENOENT) {
		err = create ? session_create(s) : session_open(s);
		if (err || !s->cv)
			return err;
		err = cv_lock(s->cv, 0);
		if (err == -ENOENT) /* it was removed while we waited */
			cv_close(&s->cv);
	}
	s->locked = !err;
	return err;
}

/* Puts the numbers of the scheduler and the persistence engine where their names are. */
static int resolve_names(const struct ipvsadm_request *r, struct cv_service_spec *spec)
{
	int sched = cv_sched_by_name(r->scheduler);

	if (sched < 0 || (r->engine[0] && strcmp(r->engine, "sip") != 0))
		return -ENOENT;
	spec->sched = (enum cv_sched)sched;
	spec->pe = r->engine[0] ? 1 : 0;
	return 0;
}

static bool stands(struct session *s, const struct cv_service_key *key)
{
	struct cv_service_info info;

	return s->cv && cv_find_service(s->cv, key, &info) == 0;
}

/* As the kernel, looks for the service before it looks for the scheduler. */
static int apply_add(struct session *s, const struct ipvsadm_request *r)
{
	struct cv_service_spec spec = r->service;
	int unknown = resolve_names(r, &spec);
	int err;

	if (unknown)
		return stands(s, &spec.key) ? -EEXIST : unknown;
	err = session_lock(s, true);
	return err ? err : cv_service_add(s->cv, &spec);
}

static int apply_edit(struct session *s, const struct ipvsadm_request *r)
{
	struct cv_service_spec spec = r->service;
	int unknown = resolve_names(r, &spec);

	if (unknown)
		return stands(s, &spec.key) ? unknown : -ESRCH;
	return cv_service_edit(s->cv, &spec);
}

/* Of all services, if none was named, or by the name of nothing. */
static int apply_zero(struct session *s, const struct ipvsadm_request *r)
{
	static const union cv_addr any;
	const struct cv_service_key *key = &r->service.key;

	if (!key->fwmark && !key->port && memcmp(&key->addr, &any, sizeof(any)) == 0)
		key = NULL;
	if (!s->cv)
		return key ? -ESRCH : 0;
	return cv_zero(s->cv, key);
}

/* What changes an instance that stands, and is locked. */
static int apply_locked(struct session *s, const struct ipvsadm_request *r)
{
	switch (r->command) {
	case IPVSADM_EDIT:
		return apply_edit(s, r);
	case IPVSADM_DELETE:
		return cv_service_del(s->cv, &r->service.key);
	case IPVSADM_FLUSH:
		return cv_flush(s->cv);
	case IPVSADM_ADD_DEST:
		return cv_dest_add(s->cv, &r->service.key, &r->dest);
	case IPVSADM_EDIT_DEST:
		return cv_dest_edit(s->cv, &r->service.key, &r->dest);
	case IPVSADM_DELETE_DEST:
		return cv_dest_del(s->cv, &r->service.key, &r->dest);
	case IPVSADM_TIMEOUTS:
		return cv_set_timeouts(s->cv, r->timeouts.tcp, r->timeouts.tcp_fin,
				       r->timeouts.udp);
	case IPVSADM_START_DAEMON:
		return cv_sync_start(s->cv, &r->sync);
	case IPVSADM_STOP_DAEMON:
		return cv_sync_stop(s->cv, r->sync.role);
	case IPVSADM_ZERO:
		return apply_zero(s, r);
	default:
		return -EINVAL;
	}
}

/* What the same request says where there is no service yet. */
static int apply_nowhere(struct session *s, const struct ipvsadm_request *r)
{
	switch (r->command) {
	case IPVSADM_FLUSH:
		return 0;
	case IPVSADM_ZERO:
		return apply_zero(s, r);
	default:
		return -ESRCH;
	}
}

int apply(struct session *s, const struct ipvsadm_request *r)
{
	bool create = r->command == IPVSADM_TIMEOUTS || r->command == IPVSADM_START_DAEMON;
	int err;

	if (r->command == IPVSADM_ADD)
		return apply_add(s, r);
	err = session_lock(s, create);
	if (err)
		return err;
	return s->cv ? apply_locked(s, r) : apply_nowhere(s, r);
}

const char *apply_error(enum ipvsadm_command command, int err)
{
	static const struct {
		enum ipvsadm_command command; /* IPVSADM_COMMANDS: all of them */
		int err;
		const char *text;
	} words[] = {
		{ IPVSADM_ADD, EEXIST, "Service already exists" },
		{ IPVSADM_ADD, ENOENT, "Scheduler or persistence engine not found" },
		{ IPVSADM_EDIT, ESRCH, "No such service" },
		{ IPVSADM_EDIT, ENOENT, "Scheduler or persistence engine not found" },
		{ IPVSADM_DELETE, ESRCH, "No such service" },
		{ IPVSADM_ZERO, ESRCH, "No such service" },
		{ IPVSADM_LIST, ESRCH, "No such service" },
		{ IPVSADM_ADD_DEST, ESRCH, "Service not defined" },
		{ IPVSADM_ADD_DEST, EEXIST, "Destination already exists" },
		{ IPVSADM_EDIT_DEST, ESRCH, "Service not defined" },
		{ IPVSADM_EDIT_DEST, ENOENT, "No such destination" },
		{ IPVSADM_DELETE_DEST, ESRCH, "Service not defined" },
		{ IPVSADM_DELETE_DEST, ENOENT, "No such destination" },
		{ IPVSADM_START_DAEMON, EEXIST, "Daemon has already run" },
		{ IPVSADM_START_DAEMON, ENODEV, "No such device" },
		{ IPVSADM_STOP_DAEMON, ESRCH, "No daemon is running" },
		{ IPVSADM_COMMANDS, EPERM, "Permission denied (you must be root)" },
		{ IPVSADM_COMMANDS, EACCES, "Permission denied (you must be root)" },
		{ IPVSADM_COMMANDS, EINVAL,
		  "Invalid operation.  Possibly wrong module version, address not unicast, ..." },
		{ IPVSADM_COMMANDS, ERANGE, "Numerical result out of range" },
		{ IPVSADM_COMMANDS, ENOMEM, "Memory allocation problem" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].err == -err &&
		    (words[i].command == command || words[i].command == IPVSADM_COMMANDS))
			return words[i].text;
	}
	return *cv_why() ? cv_why() : strerror(-err);
}
