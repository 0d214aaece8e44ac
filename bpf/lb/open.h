/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens a connection to a destination that was chosen: counted there first, then in the table. */
#ifndef CULVERT_BPF_LB_OPEN_H
#define CULVERT_BPF_LB_OPEN_H

#include "insert.h"
#include "schedule.h"
#include "service.h"
#include "state.h"

enum verdict {
	V_SEND,	 /* a client's, of the connection in conn */
	V_REPLY, /* a real server's answer, of the masq connection in conn */
	V_PASS,	 /* up the stack, untouched */
	V_DROP,
	V_TO_TC,   /* the other door's */
	V_UNREACH, /* no destination: ICMP port unreachable from the virtual address */
	V_CALL,	   /* for admit() again, with the packet's Call-ID in sip_work() */
};

struct decision {
	__u32 cause;	     /* of V_PASS and V_DROP */
	struct conn_id conn; /* of V_SEND: the connection that was found or made */
	bool fresh;	     /* this packet made the connection */
	bool once;	     /* ... for itself alone (one-packet scheduling) */
	bool xdp; /* set by the door: leave what it cannot finish to tc, before a choice is made */
	bool front;  /* ... netfilter has not seen the packet, and may mark it */
	bool routed; /* ... netfilter has seen it */
	bool own;    /* ... it is the director's own */
	bool bypass; /* of V_UNREACH: unless the packet can go on without a destination (cache_bypass) */
	bool call; /* set by the door: the Call-ID has been found */
};

static __always_inline enum verdict decided(struct decision *d, enum verdict v, __u32 cause)
{
	d->cause = cause;
	return v;
}

/* The connection in the making, per CPU (the stack is short). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct new_conn);
} making SEC(".maps");

static __always_inline struct new_conn *new_conn(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&making, &zero);
}

static __always_inline __u32 first_ctl(const struct flow *f, __u32 method, __u32 flags)
{
	__u32 ctl = CV_CTL_INACTIVE | flags;

	if (method != CV_MASQ && method != CV_BYPASS)
		ctl |= CV_CTL_NOOUTPUT;
	if (f->quoted)
		return ctl;
	return ctl_after(ctl, f->proto, FROM_CLIENT, f->tcp_flags);
}

/* ip_vs_conn_new()'s own timeout stands while the protocol has seen no packet. */
static __always_inline __u32 first_timeout(const struct flow *f, __u32 ctl)
{
	return f->quoted ? 3 * CV_HZ : timeout_of(f->proto, ctl & CV_CTL_STATE);
}

static __always_inline enum verdict opened(int made, struct decision *out)
{
	switch (made) {
	case CONN_MADE:
		out->fresh = true;
		count_cause(CV_C_CONN_NEW);
		return V_SEND;
	case CONN_THERE:
		return V_SEND;
	case CONN_LOCKED:
		return decided(out, V_DROP, CV_C_DROP_LOCKED);
	}
	return decided(out, V_DROP, CV_C_DROP_FULL);
}

/*
 * How the connection's packets leave. Conntrack has those of clients elsewhere, and
 * none that ends with its packet, as with IPVS (ip_vs_update_conntrack()).
 */
static __always_inline __u8 conn_method(const struct cv_dest *dest, const struct flow *f,
					const struct decision *out)
{
	__u32 method = dest->flags & CV_DEST_METHOD;

	if (likely(!settings.tracked) || method != CV_MASQ || out->once || out->own || f->quoted)
		return method;
	return out->routed ? CV_RETRACKED : CV_TRACKED;
}

/*
 * Fills in what comes from the destination, counts the connection (or template)
 * there and puts it into the table; gives the count back if that fails.
 */
static __always_inline int conn_make(struct cv_dest *dest, __u32 chosen, struct new_conn *n,
				     struct conn_id *id)
{
	int made;

	n->daddr = dest->addr;
	if (!n->key.v6 && dest->flags & CV_DEST_IPV6)
		__builtin_memset(&n->daddr, 0, sizeof(n->daddr));
	n->dest = chosen;
	dest_add_conn(dest, n->ctl);
	made = conn_insert(n, id);
	if (made != CONN_MADE)
		dest_drop_conn(dest, n->ctl);
	return made;
}

/*
 * A connection of f. `flags` go into its ctl: CONTROLLED, with new_conn.control
 * set before. `port` is the service's: packets for another (any-port services,
 * marks, FTP's data) keep theirs.
 */
static __always_inline enum verdict open_conn(const struct flow *f, __u32 chosen, __u32 flags,
					      __be16 port, struct decision *out)
{
	struct cv_dest *dest = dest_at(chosen);
	struct new_conn *n = new_conn();
	int made;

	if (!dest || !n)
		return decided(out, V_DROP, CV_C_DROP_ERROR);
	n->key = f->key;
	n->dport = dest->port && (!flags || f->dport == port) ? dest->port : f->dport;
	n->ctl = first_ctl(f, dest->flags & CV_DEST_METHOD, flags);
	n->timeout = first_timeout(f, n->ctl);
	n->fwmark = f->mark;
	n->method = conn_method(dest, f, out);
	made = conn_make(dest, chosen, n, &out->conn);
	if (made == CONN_MADE) {
		count_conn(chosen);
		/* With sloppy_tcp or sloppy_sctp the first packet may do. */
		if (unlikely(flags & CV_CTL_CONTROLLED) && f->proto != IPPROTO_UDP &&
		    is_established(f->proto, n->ctl))
			template_assure(f->v6, n->control);
	}
	return opened(made, out);
}

/*
 * A connection without a destination: there is none, and the packet is addressed
 * to somebody else, where it goes on to (ip_vs_leave()).
 */
GLOBAL int open_bypass(const struct flow *f, struct decision *out)
{
	struct new_conn *n = new_conn();

	if (!f || !out)
		return V_DROP;
	if (!n)
		return decided(out, V_DROP, CV_C_DROP_ERROR);
	__builtin_memset(n, 0, sizeof(*n));
	n->key = f->key;
	n->method = CV_BYPASS;
	n->dest = CV_NONE;
	n->ctl = first_ctl(f, CV_BYPASS, 0);
	n->timeout = first_timeout(f, n->ctl);
	n->fwmark = f->mark;
	return opened(conn_insert(n, &out->conn), out);
}

#endif
