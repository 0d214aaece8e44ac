// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections that come from elsewhere: the data path makes them (bpf/lb/adopt.h). */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <culvert/record.h>

#include "cleanup.h"
#include "edit.h"
#include "instance.h"
#include "pins.h"
#include "slots.h"
#include "why.h"

#define ETHERNET 14

/* A set's lock is held for microseconds: by a packet, never by one that sleeps. */
#define TRIES 1000

static int find_server(struct cv *cv, const struct cv_conn_info *c, uint32_t *out)
{
	struct cv_dest_key key = { .owner = c->service,
				   .addr = c->daddr,
				   .port = c->server_port,
				   .family = c->dest_family };
	uint32_t service;
	int err = service_find(cv, &c->service, &service);

	if (!err)
		err = slots_find_dest(cv, &key, out);
	if (!err && dest_at(cv, *out)->service != service)
		err = -ENOENT;
	return err;
}

static struct cv_conn_record record_of(const struct cv_conn_info *c, uint32_t dest)
{
	struct cv_conn_record r = {
		.caddr = c->caddr,
		.vaddr = c->vaddr,
		.cport = c->cport,
		.vport = c->vport,
		.dport = c->dport,
		.proto = c->proto,
		.flags = c->family == AF_INET6 ? CV_RECORD_IPV6 : 0,
		.dest = dest,
		.ctl = c->state,
		.timeout = c->timeout * CV_HZ,
		.left = c->seconds_left * CV_HZ,
		.fwmark = c->fwmark,
		.in_pkts = c->in_pkts,
	};

	if (c->template)
		r.ctl |= CV_CTL_TEMPLATE;
	if (c->inactive)
		r.ctl |= CV_CTL_INACTIVE;
	if (c->no_output)
		r.ctl |= CV_CTL_NOOUTPUT;
	return r;
}

static int hand_over(int prog, const struct cv_conn_record *r)
{
	unsigned char frame[ETHERNET + sizeof(*r)] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	memcpy(frame + ETHERNET, r, sizeof(*r));
	for (int i = 0; i < TRIES; i++) {
		if (bpf_prog_test_run_opts(prog, &opts) < 0)
			return cv_fail(-errno, "cannot run the data path: %s", strerror(errno));
		if (opts.retval != CV_ADOPT_LOCKED)
			break;
	}
	switch (opts.retval) {
	case CV_ADOPTED:
		return 0;
	case CV_ADOPT_THERE:
		return cv_fail(-EEXIST, "the connection is there already");
	case CV_ADOPT_FULL:
		return cv_fail(-ENOSPC, "the table of connections has no room for it");
	default:
		return cv_fail(-EIO, "the data path does not take the connection (%u)",
			       opts.retval);
	}
}

int cv_conn_add(struct cv *cv, const struct cv_conn_info *c)
{
	struct cv_conn_record r;
	uint32_t dest;
	int err;

	if (c->timeout > UINT32_MAX / 2 / CV_HZ || c->seconds_left > c->timeout)
		return cv_fail(-EINVAL, "a connection cannot last so long");
	err = find_server(cv, c, &dest);
	if (err)
		return err == -ESRCH  ? cv_fail(err, "there is no such service") :
		       err == -ENOENT ? cv_fail(err, "its service has no such server") :
					err;
	if (cv->adopt < 0)
		cv->adopt = pins_prog(cv->dir, "ctl_adopt");
	if (cv->adopt < 0)
		return cv->adopt;
	r = record_of(c, dest);
	return hand_over(cv->adopt, &r);
}
