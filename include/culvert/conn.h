/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection table: layout and invariants.
 *
 * One table for IPv4 and one for IPv6. A table is a number of sets; a set is 8
 * tags (cv_tags), 8 keys (cv_keys) and 8 entries. A key has a home set and a
 * second set, both computed from the keyed hash of (protocol, client address,
 * client port) only, so that both directions of a NAT'd connection find the same
 * entry, as IPVS hashes (ip_vs_conn.c). Templates of persistent clients are never
 * looked up by an answer; their hash covers the virtual address and port as well.
 *
 * A tag holds all that a packet of a busy connection needs, so that such a packet
 * touches one line of a table that is a sixteenth as large as the entries': the
 * tags of a million connections lie within what a processor's second-level TLB
 * covers by 4 KiB pages.
 *
 * Invariants, each with its reason:
 *
 * C1  A slot is free, busy or live (cv_conn.ctl). Free becomes busy, and live
 *     becomes busy, by compare-and-swap on the whole ctl: whoever wins owns the
 *     slot alone and may write all of it. The owner alone makes it live or free
 *     again. So no two CPUs ever write the same entry's key.
 * C2  A tag is written while its slot is busy: set before the slot becomes
 *     live, cleared before it becomes free. A reader that finds a tag but no
 *     live entry behind it leaves it alone.
 * C3  The generation in ctl grows whenever the slot gets a new owner. A reader
 *     takes ctl before it compares the key, and again after it has read what it
 *     needs; if the generation moved in between, what it read is void.
 * C4  State and flags of a live entry change by compare-and-swap on ctl, and a
 *     connection ends by the swap from live to busy: whoever wins the swap
 *     adjusts the counts of the destination. Every connection is therefore
 *     counted exactly once, in activeconns or in inactconns.
 * C5  A key appears once: it is inserted under the lock of its CV_TAG_CLIENT (one
 *     of CV_LOCKS stripes), after a last look. The lock is taken with a bounded
 *     number of tries and held across no helper but the clock; a packet that
 *     cannot have it in time is dropped and counted, and never waits.
 * C6  A connection holds its destination: the slot of a destination is given to
 *     no other while its counts are not zero, nor within CV_GRACE after it left
 *     its service (a packet may be about to count itself).
 * C7  expires is the only field of a live entry that is written without ctl; it
 *     is one word, and any of the values written is right.
 * C8  A template with connections does not end. Who is to be controlled counts
 *     itself in n_control first and then flips HELD by compare-and-swap; who
 *     would end the template takes ctl first and then looks at n_control. So of
 *     two at once one finds the other. n_control outlives the slot's owner: it is
 *     zero again when all who counted themselves are gone.
 * C9  Who finds one tag alone with its own CV_TAG_CLIENT, and that is LIVE, needs
 *     to read no entry: it is established, its timer is long, and its packets go
 *     to the tag's destination, by the method that stands there (unless that was
 *     ever another: CV_DEST_MIXED); one by masquerading has the destination's port,
 *     and its virtual address and port are its service's. Among connections this is exact:
 *     CV_TAG_CLIENT determines the pair of sets together with either of them, so
 *     all that share it and a set meet under one lock; there each of them gets
 *     CV_TAG_TWIN, and from then on the set's cv_keys are compared too (44 bits with
 *     the tag's). Should those be the same as well, each gets CV_TAG_NODEST and is
 *     never LIVE again. A packet of no connection could take a tag for its own.
 *     Therefore its virtual address, port and protocol are compared with the
 *     destination's (cv_dest.vip_key), so that what is for no service never is; a
 *     segment that is for it, and stray, goes with a chance of 8 in 2^12 to a server
 *     of its service, which answers with RST as this host would. Where a packet
 *     without a connection makes one (UDP, sloppy_tcp), or the destination has no
 *     single virtual address, cv_keys are compared; of a real server's answer too,
 *     which may be none. Who sets LIVE looks at ctl
 *     afterwards, and who changes the state looks at LIVE afterwards, so of two at
 *     once one finds the other. A LIVE connection's timer is kept by the sweeper,
 *     from CV_TAG_SEEN.
 */
#ifndef CULVERT_CONN_H
#define CULVERT_CONN_H

#include "types.h"

#define CV_WAYS 8

struct cv_tags {
	__u32 tag[CV_WAYS]; /* no CV_TAG_CLIENT: free */
};

#define CV_TAG_CLIENT 0x0fffU	 /* 12 bits of the client's hash, never 0 in a tag in use */
#define CV_TAG_TWIN (1U << 12)	 /* another had the same CLIENT: cv_keys tell which it is */
#define CV_TAG_DEST_SHIFT 13	 /* 17 bits: index of the destination, or CV_TAG_NODEST */
#define CV_TAG_NODEST 0x1ffffU	 /* too large, or another had the same key, too: never LIVE */
#define CV_TAG_SEEN (1U << 30)	 /* of a LIVE one: a packet came since the timer was set */
#define CV_TAG_ASKED CV_TAG_SEEN /* of one that is not: only a SYN came, as far as the tag knows */
#define CV_TAG_LIVE (1U << 31)	 /* see C9 */

/* Of each way 32 bits more, of the client's and the virtual address's hash. */
struct cv_keys {
	__u32 key[CV_WAYS];
};

/* A connection whose timeout is shorter, in ticks, is never LIVE: its timer is to be exact. */
#define CV_TAG_TIMEOUT (64 * CV_HZ)

/* TCP states, in IPVS's order (include/net/ip_vs.h). */
enum cv_tcp_state {
	CV_TCP_NONE = 0,
	CV_TCP_ESTABLISHED,
	CV_TCP_SYN_SENT,
	CV_TCP_SYN_RECV,
	CV_TCP_FIN_WAIT,
	CV_TCP_TIME_WAIT,
	CV_TCP_CLOSE,
	CV_TCP_CLOSE_WAIT,
	CV_TCP_LAST_ACK,
	CV_TCP_LISTEN,
	CV_TCP_SYNACK,
	CV_TCP_LAST
};

enum cv_udp_state { CV_UDP_NORMAL = 0, CV_UDP_LAST };

/* SCTP states, in IPVS's order (ip_vs_proto_sctp.c). */
enum cv_sctp_state {
	CV_SCTP_NONE = 0,
	CV_SCTP_INIT1,
	CV_SCTP_INIT,
	CV_SCTP_COOKIE_SENT,
	CV_SCTP_COOKIE_REPLIED,
	CV_SCTP_COOKIE_WAIT,
	CV_SCTP_COOKIE,
	CV_SCTP_COOKIE_ECHOED,
	CV_SCTP_ESTABLISHED,
	CV_SCTP_SHUTDOWN_SENT,
	CV_SCTP_SHUTDOWN_RECEIVED,
	CV_SCTP_SHUTDOWN_ACK_SENT,
	CV_SCTP_REJECTED,
	CV_SCTP_CLOSED,
	CV_SCTP_LAST
};

/* A template's state: what its controlled connections have proved. */
enum cv_template_state { CV_CTPL_NONE = 0, CV_CTPL_ASSURED };

/*
 * cv_conn.ctl: bits 0-7 the state, 8-15 the flags below, 16-31 the generation.
 * Neither LIVE nor BUSY: free, as a table is when it is new.
 */
#define CV_CTL_STATE 0x000000ffU
#define CV_CTL_LIVE 0x00000100U
#define CV_CTL_BUSY 0x00000200U
#define CV_CTL_INACTIVE 0x00000400U   /* counted in inactconns, else in activeconns */
#define CV_CTL_NOOUTPUT 0x00000800U   /* no answer was seen: DR and tunnel */
#define CV_CTL_TEMPLATE 0x00001000U   /* a persistent client, counted in persistconns */
#define CV_CTL_CONTROLLED 0x00002000U /* has a template: control is set */
#define CV_CTL_STALE \
	0x00004000U		/* a template whose server left: it takes no more connections
					 * (the kernel gives it the ports 65535 instead) */
#define CV_CTL_HELD 0x00008000U /* of a template: flips with every connection that it gets (C8) */
#define CV_CTL_GEN_SHIFT 16
#define CV_CTL_GEN 0xffff0000U

/*
 * drop_entry asks no further, and a count that stands still leaves the line clean:
 * a connection is LIVE (C9) only when it has so many.
 */
#define CV_IN_PKTS 9

#define CV_LOCKS 4096

/* How packets leave: the kernel's IP_VS_CONN_F_* forwarding methods. */
enum cv_method {
	CV_MASQ = 0,
	CV_LOCALNODE = 1,
	CV_TUNNEL = 2,
	CV_DROUTE = 3,
	CV_BYPASS = 4,
	/* Of connections alone: masquerading that the kernel's conntrack does (bpf/lb/tracked.h) ... */
	CV_TRACKED = 5,
	CV_RETRACKED =
		6, /* ... for packets that had crossed netfilter when the server was chosen */
};

/*
 * What both families' entries begin with. Ports and addresses in network byte
 * order, times in ticks.
 */
struct cv_conn_common {
	__be16 cport;	 /* client */
	__be16 vport;	 /* virtual service */
	__u32 ctl;	 /* see C1 to C4 */
	__u32 dest;	 /* index of the destination, or CV_NONE (cache bypass) */
	__u32 expires;	 /* when the connection ends unless a packet comes */
	__be16 dport;	 /* real server */
	__u8 proto;	 /* IPPROTO_*; of a template of a fwmark service: IPPROTO_IP */
	__u8 method;	 /* enum cv_method: as when the connection was made */
	__u32 timeout;	 /* ticks from the last packet to expires */
	__u32 control;	 /* slot of its template in this table, if CONTROLLED; of a call's template
				 * (--pe sip) the low half of the Call-ID's hash, which is not 0 */
	__u32 n_control; /* of a template: how many connections it controls */
	__u32 fwmark;	 /* of the packet that made the connection */
	__u32 in_pkts;	 /* packets from the client, up to CV_IN_PKTS */
};			 /* 40 bytes */

struct cv_conn4 {
	struct cv_conn_common c;
	__be32 caddr;
	__be32 vaddr;
	__be32 daddr; /* 0 when the destination is an IPv6 one */
	__u32 reserved;
}; /* 56 bytes */

struct cv_conn6 {
	struct cv_conn_common c;
	union cv_addr caddr;
	union cv_addr vaddr;
	union cv_addr daddr; /* an IPv4 destination's stands in the first word */
};			     /* 88 bytes */

/*
 * The Call-ID of a call's template (--pe sip), in the map `calls`, which holds
 * what is listed of it: written behind the template, deleted before its slot is
 * free. A reader that finds another generation there finds nothing.
 */
#define CV_CALL_MOST 255 /* IP_VS_PEDATA_MAXLEN */

struct cv_call_key {
	__u32 slot;
	__u32 v6;
};

struct cv_call {
	__u32 generation; /* ctl & CV_CTL_GEN of the template */
	__u32 len;
	__u8 id[CV_CALL_MOST + 1];
};

/*
 * Sets for a number of connections: a quarter more slots than connections (less
 * what the kernel itself takes for a map), 80 bytes of each IPv4 connection and 120
 * of each IPv6 one, all told. (An entry of 64
 * bytes would never lie across two cache lines, but its packets read it only
 * until they are LIVE, and 80 bytes of those would be a ninth more slots than
 * connections.) Of a full complement, one in 1,700 then finds both of its sets full
 * (0.06 %; 0.55 % or 0.16 % if the home set had to have 2 or 3 places to spare, where
 * bpf/lb/room.h has 4; tests/packet/fill).
 */
#define CV_SLOTS_FOR_1000 1248

static inline __u32 cv_sets_for(__u32 max_conns)
{
	__u64 slots = (__u64)max_conns * CV_SLOTS_FOR_1000 / 1000;

	return (__u32)((slots + CV_WAYS - 1) / CV_WAYS);
}

/* The other way round, but for what was rounded up to a whole set. */
static inline __u32 cv_conns_of(__u32 sets)
{
	return (__u32)((__u64)sets * CV_WAYS * 1000 / CV_SLOTS_FOR_1000);
}

#endif
